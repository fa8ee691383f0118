#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7201 - weir replay: words and errors, ranges by offset and time, each policy once, stop, kill, resume, give up
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

replay() { "$WEIR" replay "$1" -c "$config" "${@:2}"; }
start() { replay start audit "$@"; }
value() { psql -XqAt -v text="$(cat out)" "$url" <<<"select concat_ws(' ', $1) from (select :'text'::jsonb j) t" | tr '|' ' '; }
spans() { psql -XqAt -v text="$(cat out)" "$url" <<<"select concat_ws(' ', $1) from jsonb_array_elements(:'text'::jsonb->'partitions') p" | xargs; }
state() { sql "select state from weir.replay where id = $1"; }
in_state() { [ "$(state "$1")" = "$2" ]; }
runs() { sql "select count(*), count(distinct id) from probe.event" | tr '|' ' '; }
behind() { # VERB WORD.. in the background, itself and no shell of it
        "$WEIR" replay "$1" -c "$config" "${@:2}" >run.out 2>run.err &
        runner=$!
}
begun() { in_state "$1" running && [ "$(sql "select count(*) from weir.batch b join weir.replay_range g on g.position = b.position where g.replay = $1")" -ge 2 ]; }

noon=$(($(date +%s) - 7200))
prepare 4 plugin=probe batch='max_events = 1;' options='gate = true;'
put 10 1 0 -T "${noon}000"
put 2 11 0 -T "$((noon + 50))000" # two of one time
put 4 13 0 -T "$((noon + 60))000"
put 3 21 1 -T "$((noon - 100))000" # none at noon
put 2 24 1 -T none
put 4 31 2 -T "$((noon + 70))000" # all later
expect_events 16 1
expect_events 5 21
expect_events 4 31
first=$topic
weir_start a
check_decided_once
weir_stop a
equal 'handled live' '25 25' "$(runs)"

# words
says 2 "$WEIR" replay
has err 'the verb comes before'
says 2 "$WEIR" replay strat
has err 'did you mean start?'
says 0 "$WEIR" help replay
for verb in start resume stop list show; do has out "  $verb "; done
for verb in start resume stop list show; do
        says 0 "$WEIR" replay "$verb" --help
        has out "usage: weir replay $verb"
done
says 2 start
for word in '--policy missing ' '--policy again --epoch NAME' '--policy live --yes'; do has err "$word"; done
says 2 start --policy again
has err 'needs --epoch NAME'
for epoch in missing 'a b' '' "$(printf 'x%.0s' {1..64})"; do says 2 start --policy again --epoch "$epoch"; done
says 2 start --policy missing --epoch x
says 2 start --policy sometimes
says 2 start --policy again --epoch x --live
has err 'live lanes claim in the worker'
says 2 start --policy live --to now --yes --reason x
has err 'takes no --to'
says 2 start --policy live --type x --yes --reason x
has err 'takes no a filter'
says 2 start --policy live --yes
has err 'needs --reason'
says 2 start --policy missing --yes
says 2 start --policy missing --from yesterday
has err 'is none of earliest, now, an offset, or a time'
says 2 start --policy missing --from 5
has err 'is that of one partition'
says 2 start --policy missing --partition "$topic/0" --partition "$topic"
has err 'named twice'
says 2 start --policy missing --partition "$topic/4"
has err 'no partition 4'
says 2 start --policy missing --partition "${topic}x"
has err "does not read topic ${topic}x"
says 2 replay start nobody --policy missing
has err 'no worker nobody'
says 2 start --policy missing --from 1h --to 2h
has err 'ends before it begins'
says 2 start --policy missing --partition "$topic/0" --to 17
has err "beyond the log's end 16"
says 2 start --policy missing --rate 0
says 2 replay show 1
has err 'there is no replay 1'
says 2 replay show one
says 2 replay resume 1
says 2 replay stop 1
says 0 replay list
equal 'nothing was planned' 0 "$(rows weir.replay)"
equal 'nor a position made' 0 "$(sql "select count(*) from weir.position where worker like '%@%'")"

# ranges: from this time on, all of a time; where none is so late, the end
at() { date -u -d "@$1" +%FT%TZ; }
says 0 start --policy missing --dry-run --json --from "$(at "$noon")" --to "$(at $((noon + 60)))"
equal 'noon to a minute later' '0 0 12 1 5 5 2 0 0 3 0 0' "$(spans "p->>'partition', p->>'from', p->>'until'")"
equal 'all of them' '12 0 false' "$(value "j->>'offsets', j->>'missing', j->>'started'")"
says 0 start --policy missing --dry-run --json --from "$(at $((noon + 50)))"
equal 'the first of a time' '0 10 16 1 5 5 2 0 4 3 0 0' "$(spans "p->>'partition', p->>'from', p->>'until'")"
says 0 start --policy missing --dry-run --json --from "$(date -u -d "@$noon" +%FT%T).001Z" --to "$(at $((noon + 50)))"
equal 'a millisecond later, to the first of two of one time' '0 10 10 1 5 5 2 0 0 3 0 0' "$(spans "p->>'partition', p->>'from', p->>'until'")"
says 0 start --policy missing --dry-run --partition "$topic/0" --from 3 --to 7
has out '4 offsets in 1 partition'
has out 'nothing was started'
says 0 start --policy missing --dry-run --from now
has out '0 offsets in 4 partitions'

# missing: what has no claim, and nothing else
sql "delete from probe.event where id in ('e-3', 'e-24');
        delete from weir.claim_1 where key in (weir.claim_key('audit', '/test', 'e-3'), weir.claim_key('audit', '/test', 'e-24'))"
equal 'a gap' '23 23' "$(runs)"
kafkactl committed "$topic" "$group" >before.txt
says 0 start --policy missing --json --reason 'a gap'
equal 'report' 'done 25 25 2 23 0 a gap' "$(value "j->>'state', j->>'offsets', j->>'passed', j->>'applied', j->>'skipped', j->>'dead', j->>'reason'")"
equal 'of each partition' '0 16 1 1 5 1 2 4 0 3 0 0' "$(spans "p->>'partition', p->>'next_offset', p->>'applied'")"
equal 'healed' '25 25' "$(runs)"
kafkactl committed "$topic" "$group" | diff before.txt - || fail 'Kafka was told something'
says 0 start --policy missing --quiet
has out 'done, 100 %'
equal 'nothing left to heal' '25 25' "$(runs)"

# again: once in an epoch, one event by its id
says 0 start --policy again --epoch e1 --id e-5 --json
equal 'one' 'done 1 0' "$(value "j->>'state', j->>'applied', j->>'skipped'")"
says 0 start --policy again --epoch e1 --id e-5 --id e-6 --json
equal 'once in an epoch' '1 1' "$(value "j->>'applied', j->>'skipped'")"
equal 'two ran again' '27 25' "$(runs)"
says 0 start --policy again --epoch e1 --source /other --json
equal 'no event is meant' 'done 0 0' "$(value "j->>'state', j->>'applied', j->>'skipped'")"

# a dead letter of it is an exit status
gate e-7 reject
says 1 start --policy again --epoch e1 --id e-7
has out 'weir dlq list --worker audit'
gate_open

# stop, from elsewhere
behind start audit --policy again --epoch e2 --rate 2
within 20s begun 7
says 0 replay show 7
has out 'running, '
says 2 replay resume 7
has err 'is running, by process '
says 2 replay stop 7 --give-up
has err 'stop it first'
says 0 replay stop 7
has out 'told to process'
status=0
wait "$runner" || status=$?
equal 'stopped: exit status' 1 "$status"
has run.err 'weir replay resume 7 goes on exactly there'
equal 'stopped' stopped "$(state 7)"
says 2 replay stop 7
has err 'is stopped already'
[ "$(runs)" != '52 25' ] || fail 'it was not stopped before its end'
says 0 replay list
has out stopped
says 0 replay resume 7 --rate 0 --json
equal 'all of it, and nothing twice' '25' "$(value "j->>'applied'")"
equal 'in effect' '52 25' "$(runs)"
says 2 replay resume 7
has err 'is done'

# killed, seen from elsewhere, resumed by a signal and once more
behind start audit --policy again --epoch e3 --rate 5
within 20s begun 8
kill -KILL "$runner"
wait "$runner" 2>/dev/null || true
unseen() { replay show 8 >out && grep -q '^gone' out; }
within 20s unseen || fail "its process is still there: $(cat out)"
has out 'weir replay resume 8'
says 0 "$WEIR" claims switch -c "$config"
sql "update weir.claim_generation set since = since - interval '1000 days'"
behind resume 8 --rate 5
within 20s begun 8
kill -TERM "$runner"
status=0
wait "$runner" || status=$?
equal 'SIGTERM: exit status' 1 "$status"
equal 'stopped by it' stopped "$(state 8)"
equal 'claims are kept for it' replay "$(psql -XqAt -v text="$("$WEIR" claims --json -c "$config" 2>/dev/null)" "$url" <<<"select g->>'kept_by' from jsonb_array_elements(:'text'::jsonb) g limit 1")"
sql "update weir.claim_generation set since = since + interval '1000 days'"
sql "insert into weir.claim_dropped values (99, now() - interval '2 days', now() - interval '1 day', now(), 'x')" # --force
says 0 replay resume 8 --rate 0
has err 'generation 99 of claims was dropped'
sql 'delete from weir.claim_dropped'
equal 'three times each' '77 25' "$(runs)"

# at the failpoints: planned or not at all, and gone on with
status=0
WEIR_FAILPOINT=replay.planned:kill start --policy again --epoch e4 >run.out 2>run.err || status=$?
equal 'killed' 137 "$status"
equal 'no plan' 0 "$(sql "select count(*) from weir.replay where epoch = 'e4'")"
for point in replay.begun replay.ending; do
        status=0
        WEIR_FAILPOINT=$point:kill start --policy again --epoch "$point" >run.out 2>run.err || status=$?
        equal 'killed' 137 "$status"
        id=$(sql "select id from weir.replay where epoch = '$point'")
        gone_now() { replay resume "$id" >out 2>err; }
        within 20s gone_now || fail "not resumed: $(cat err)"
        equal "after $point" 'done' "$(state "$id")"
done
equal 'five times each' '127 25' "$(runs)"

# what keeps it from beginning, once it is planned, is written down, and can be mended
sql "create function public.hide() returns trigger language plpgsql as 'begin alter table weir.parked rename to hidden; return null; end';
        create trigger hide after insert on weir.replay_range for each statement execute function public.hide()"
says 1 start --policy again --epoch early --id nobody
id=$(sql "select id from weir.replay where epoch = 'early'")
has err "weir replay resume $id"
equal 'it is not said to be running' failed "$(state "$id")"
sql 'drop trigger hide on weir.replay_range; alter table weir.hidden rename to parked'
says 0 replay resume "$id"
equal 'begun after all' 'done' "$(state "$id")"

# it stands back while the live worker lags, and can be given up
put 12 41 2
expect_events 12 41
behind start audit --policy again --epoch e5 --max-lag 11
waits() { grep -q 'event=replay.waits .*lag=12 max_lag=11' run.err; }
within 20s waits || fail "it does not wait: $(cat run.err)"
id=$(sql "select max(id) from weir.replay")
says 0 replay show "$id" --json
equal 'nothing of it ran' 'running 0 11' "$(value "j->>'state', j->>'records', j->>'max_lag'")"
weir_start a
within 60s in_state "$id" 'done'
status=0
wait "$runner" || status=$?
equal 'it went on' 0 "$status"
grep -q event=replay.goes_on run.err
weir_stop a
behind start audit --policy again --epoch e6 --rate 5
id=$((id + 1))
within 20s begun "$id"
kill -INT "$runner"
wait "$runner" || true
says 0 replay stop "$id" --give-up
has out 'given up'
says 0 replay show "$id"
has out 'given up by weir'
sql "insert into weir.claim_dropped values (0, now() - interval '2 days', now() - interval '1 day', now(), 'x')"
says 2 replay resume "$id"
has err 'generation 0 of claims was dropped'
says 0 start --policy missing --dry-run
has err 'were dropped (weir claims)'
says 0 start --policy missing --from 1h --dry-run
hasnt err 'were dropped'
says 0 replay preview audit --from 1h
hasnt err 'were dropped'
# an epoch has lost claims when it is older than they are
says 0 start --policy again --epoch e1 --dry-run
hasnt err 'were dropped'
sql "update weir.replay set created_at = now() - interval '3 days' where epoch = 'e1'"
says 0 start --policy again --epoch e1 --dry-run
has err 'what ran in that epoch before then has none, and runs again'
says 0 replay preview audit --policy again --epoch e1
has err 'what ran in that epoch before then has none'
sql "update weir.replay set created_at = now() where epoch = 'e1'"

# live: the position goes back, the running worker steps over what it has
sql "delete from probe.event where id = 'e-13';
        delete from weir.claim_1 where key = weir.claim_key('audit', '/test', 'e-13')"
weir_start a
says 0 start --policy live --partition "$topic/0" --from 8
has out 'nothing was moved; --yes --reason TEXT does it'
says 2 start --policy live --partition "$topic/3" --yes --reason x
has err 'stands at or before --from'
before=$(sql "select count(*) from probe.event where id = 'e-13'")
says 0 start --policy live --partition "$topic/0" --from 8 --yes --reason 'e-13 was lost' --json
equal 'live' 'live done 8' "$(value "j->>'policy', j->>'state', j->>'offsets'")"
ran() { [ "$(sql "select count(*) from probe.event where id = 'e-13'")" -gt "$before" ]; }
within 30s ran
within 30s caught_up
says 0 "$WEIR" position log -n 1 -c "$config"
has out 'e-13 was lost'
says 0 replay show "$(sql 'select max(id) from weir.replay')" --json
equal 'what came of it' '1 7' "$(value "j->>'applied', j->>'skipped'")"
says 0 replay list
has out ' moved '
weir_stop a

# a reason drives no terminal
says 0 start --policy missing --quiet --reason $'red: \e[31m' --id nobody
has out 'red: \x1b[31m'

# retention overtook the range
kafkactl delete-records "$topic" 0 5
says 1 start --policy missing --partition "$topic/0" --from 2
has err "$topic/0: the range begins at 2 and the log at 5: offsets 2 to 4 were deleted"
says 0 start --policy missing --partition "$topic/0" --from 2 --if-missing skip --json
equal 'counted' '3 11' "$(value "j->>'missing', j->>'offsets'")"
says 0 start --policy missing --from "$(at $((noon - 5)))" --dry-run
has out 'older records of that time may have been deleted'

# another log of the same name, also under a replay that has read nothing of it yet
status=0
WEIR_FAILPOINT=replay.begun:kill start --policy again --epoch unread >run.out 2>run.err || status=$?
equal 'killed' 137 "$status"
unread=$(sql 'select max(id) from weir.replay')
kafkactl delete "$topic"
recreated() { kafkactl create "$topic" 4 2>recreated.log; }
within 20s recreated || fail "$(cat recreated.log)"
new_and_empty() { kafkactl ends "$topic" >ends.txt 2>&1 && [ "$(awk '{ sum += $2 } END { print NR, sum }' ends.txt)" = '4 0' ]; }
within 20s new_and_empty || fail "$(cat ends.txt)"
put 20 1 0
put 20 21 1
put 20 51 2
says 1 start --policy missing
has err "$first/"
has err 'was recreated'
refused_now() { says 1 replay resume "$unread" && ! grep -q 'is running' err; }
within 20s refused_now || fail "$(cat err)"
has err 'was recreated'
equal 'nothing of the new log ran' 0 "$(sql "select count(*) from probe.event where replay = 'unread'")"

# a plugin may say no; so do tables that are not there
configure plugin=once file=once.cfg
says 2 replay start audit --policy missing
has err 'are not to be replayed, says its plugin once 1: it rings a bell'
sql 'drop schema weir cascade' 2>/dev/null
configure plugin=probe
says 1 start --policy missing
has err 'weir migrate up'
