#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7204 - a replay that is killed at any moment goes on exactly there, beside live traffic, while the live group is rebalanced:
#         what is missing runs once, an epoch runs once, the live worker loses and doubles nothing
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

replay() { "$WEIR" replay "$@" -c "$config"; }
moments=${MOMENTS:-apply.begun apply.handled apply.kept apply.committed replay.ending}
killed() { # FAILPOINT:N POLICY..: started, killed there, and told so by nobody
        local at=$1 status=0
        shift
        WEIR_FAILPOINT="${at%:*}:kill:${at##*:}" "$WEIR" replay start audit "$@" --quiet -c "$config" >>replay.log 2>&1 || status=$?
        equal "killed at $at" 137 "$status"
        last=$(sql 'select max(id) from weir.replay')
        equal "its state after $at" running "$(sql "select state from weir.replay where id = $last")"
}
goes_on() { replay resume "$last" --quiet >>replay.log 2>&1 || fail "resume $last: $(tail -3 replay.log)"; }

prepare 4 plugin=probe 'batch=max_events = 50; linger = "0ms";'
for p in 0 1 2 3; do put 750 $((p * 750 + 1)) "$p"; done
expect_events 3000
weir_start a
wait_caught_up
then=$(sql "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
(for chunk in $(seq 0 29); do produce 100 $((chunk * 100 + 10001)); done) & # live traffic, all the time
producer=$!
n=0
for moment in $moments; do
        n=$((n + 1))
        count=7
        [ "$moment" != replay.ending ] || count=1
        killed "$moment:$count" --policy again --epoch "e$n" --to "$then" # history
        case $n in # the live group is rebalanced meanwhile
        2) weir_start b ;;
        4) weir_stop b ;;
        esac
        goes_on
        equal "epoch e$n" 0 "$(sql "select count(*) - count(distinct id) from probe.event where replay = 'e$n'")"
        sql "delete from probe.event where replay is null and topic = '$topic' and \"offset\" between $((n * 100)) and $((n * 100 + 49))" >gone
        sql "delete from weir.claim_1 c using weir.position p where p.id = c.position and p.worker = 'audit' and c.\"offset\" between $((n * 100)) and $((n * 100 + 49))"
        killed "$moment:$count" --policy missing --to "$then"
        goes_on
done
for n in $(seq 1 "$n"); do
        equal "all of epoch e$n" 3000 "$(sql "select count(*) from probe.event where replay = 'e$n'")"
        equal "the trail of each" 0 "$(sql "select count(*) from weir.replay_range r join weir.position p on p.id = r.position where p.next_offset <> r.until_offset")"
done
equal 'healed' $((n * 200)) "$(sql "select count(*) from probe.event where replay = 'missing'")"
equal 'states' "done$((2 * n))" "$(sql 'select state || count(*) from weir.replay group by state')"
equal 'holes in the trail' 0 "$(sql "select count(*) from (select first_offset, lag(next_offset) over (partition by position order by first_offset, id) before
        from weir.batch) t where before <> first_offset")"
# the live lanes go back, and are killed while they step over
for n in 6 7; do
        sql "with e as (delete from probe.event where replay is null and topic = '$topic' and \"offset\" between $((n * 100)) and $((n * 100 + 49)) returning partition, \"offset\")
                delete from weir.claim_1 c using weir.position p, e where p.id = c.position and p.worker = 'audit' and p.partition = e.partition and c.\"offset\" = e.\"offset\""
        says 0 replay start audit --policy live --from earliest --yes --reason "gap $n"
        went_back() { [ "$(sql "select count(*) from weir.position where worker = 'audit' and next_offset < 500")" -lt 4 ]; }
        within 20s went_back
        weir_kill a
        weir_start a
        wait_caught_up
        equal "healed live, $n" 200 "$(sql "select count(*) from probe.event where replay is null and \"offset\" between $((n * 100)) and $((n * 100 + 49)) and id not like 'e-1____'")"
done
wait "$producer"
expect_events 3000 10001
sql "delete from probe.event where replay like 'e%'"
wait_caught_up
LC_ALL=C sort -u produced >distinct.txt
sql 'select id from probe.event' | LC_ALL=C sort >applied.txt
equal 'lost or doubled' '' "$(LC_ALL=C comm -3 applied.txt distinct.txt | head -3)"
weir_stop a
equal 'exit status' 0 "$status"
