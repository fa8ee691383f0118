#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7205 - two replays at once, of one epoch and of two; what handlers emit is withheld and counted, or leaves; what is parked is
#         decided before the end; markers at the end of a range; a log that is cut while it is replayed
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

replay() { "$WEIR" replay "$1" -c "$config" "${@:2}"; }
told() { psql -XqAt -v text="$(cat out)" "$url" <<<"select concat_ws(' ', $1) from (select :'text'::jsonb j) t"; }
sent() { records "$topic-out" | wc -l; }
sent_is() { [ "$(sent)" = "$1" ]; }

# effects
new_topic 2
kafkactl create "$topic-out" 2
new_db
configure plugin=sender options="topic = \"$topic-out\"; made = true;"
migrate
produce 500
weir_start a
wait_caught_up
wait_relayed
equal 'sent live' 1000 "$(sent)"
says 0 replay start audit --policy again --epoch quiet --json --quiet
equal 'withheld, all of it' 'done 500 1000' "$(told "j->>'state', j->>'applied', j->>'withheld'")"
equal 'nothing left' "0 1000" "$(rows weir.outbox) $(sent)"
says 0 replay start audit --policy again --epoch loud --with-effects --json --quiet
equal 'with effects' 'done 500 0' "$(told "j->>'state', j->>'applied', j->>'withheld'")"
within 30s sent_is 2000
weir_stop a

# two at once
new_topic 2
TEST=${TEST}2 new_db
configure plugin=probe batch='max_events = 20;' options='gate = true; retry_type = "shy"; retry_times = 2;' retry='order = "park"; first_delay = "300ms"; attempts = 5;'
migrate
: >produced
for p in 0 1; do put 1000 $((p * 1000 + 1)) $p; done
event shy-1 shy | kafkactl produce "$topic" 0 -h content-type=application/cloudevents+json -k k1
put 3 5001 0 -k k1
put 5 6001 1 -x "$topic-a" abort # the log ends with what is no record
expect_events 2000
expect shy-1
expect_events 3 5001
weir_start a
within 30s rows_at_least 2004 probe.event # what is parked comes when its wait is over
check_exactly_once probe.event
for epoch in both both other; do
        "$WEIR" replay start audit --policy again --epoch $epoch --quiet -c "$config" >"run-$epoch.out" 2>&1 &
        jobs_of="${jobs_of:-} $!"
done
# shellcheck disable=SC2086
wait $jobs_of || fail "one of them failed: $(cat run-*.out | tail -20)"
equal 'both: once' '2004 2004' "$(sql "select count(*) || ' ' || count(distinct id) from probe.event where replay = 'both'")"
equal 'other: once' '2004 2004' "$(sql "select count(*) || ' ' || count(distinct id) from probe.event where replay = 'other'")"
equal 'the order of a key over the park' 'shy-1 e-5001 e-5002 e-5003' "$(sql "select id from probe.event where kkey = 'k1' and replay = 'other' order by seq" | xargs)"
equal 'nothing is parked' 0 "$(rows weir.parked)"
equal 'all at their ends' 0 "$(sql 'select count(*) from weir.replay_range r join weir.position p on p.id = r.position where p.next_offset <> r.until_offset')"
equal 'the live rows' 2004 "$(sql 'select count(*) from probe.event where replay is null')"

# the log is cut ahead of it
"$WEIR" replay start audit --policy again --epoch cut --rate 60 --quiet -c "$config" >cut.out 2>cut.err &
runner=$!
begun() { [ "$(sql "select count(*) from probe.event where replay = 'cut'")" -ge 20 ]; }
within 30s begun
kafkactl delete-records "$topic" 0 900
kill -KILL "$runner" # what it has fetched it would still apply
wait "$runner" 2>/dev/null || true
id=$(sql 'select max(id) from weir.replay')
goes_on() { says 1 replay resume "$id" --rate 0 && ! grep -q 'is running' err; }
within 30s goes_on || true
in_failed() { [ "$(sql "select state from weir.replay where id = $id")" = failed ]; }
in_failed || fail "not failed: $(sql "select state, text from weir.replay where id = $id")"
has err 'were deleted before they were replayed'
has err "weir replay resume $id --if-missing skip"
says 0 replay resume "$id" --if-missing skip --rate 0 --json --quiet
reached=$(sql "select 900 - sum(missing) from weir.replay_range where replay = $id")
equal 'what was there, once' "$((2004 - 900 + reached)) 0" "$(sql "select count(*) || ' ' || count(*) - count(distinct id) from probe.event where replay = 'cut'")"
equal 'told' "done $((900 - reached))" "$(told "j->>'state', j->>'missing'")"
weir_stop a
equal 'exit status' 0 "$status"
