#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t2003 - generations are begun and dropped under full load, while every event comes again in three other partitions, at once and
#         much later: nothing lost, nothing doubled, and who claims never waits long
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${SECONDS_OF_LOAD:-4} # of 60 in the nightly runs; REPORT=FILE gets the figures
round=1500                    # events, each in every partition

prepare 4 'batch=max_events = 100; linger = "1ms";' more='dead = { max_share = 100; };'
cut -d' ' -f1 <<<"$topic" >/dev/null

# Round after round: the same events go to all partitions, in another order of partitions each time, so that a duplicate
# is claimed at the same moment in one and behind a switch in another.
load() {
        local first=1 end=$((SECONDS + seconds)) partition
        while [ $SECONDS -lt $end ]; do
                for partition in 0 1 2 3; do
                        events $round $first | emit --partition $(((partition + first) % 4)) &
                done
                wait
                expect_events $round $first
                first=$((first + round))
        done
        echo $((first - 1)) >loaded
}
load &
loader=$!
weir_start a
within 20s rows_at_least 1

# What may go is known here and by nobody else: a generation whose events have been passed in all partitions. The newest
# event of a generation is in the claims of it; every partition has to be behind all copies of it.
oldest() { sql 'select min(generation) from weir.claim_generation'; }
passed() { # GENERATION: each of its events was applied once and met three times
        [ "$(sql "select count(*) from (select key from weir.claim_$1) c")" -gt 0 ] && [ "$(sql "with last as
                (select max(substr(e.id, 3)::int8) n from weir.claim_$1 c join weir.position p on p.id = c.position
                 join audit.event e on e.topic = p.topic and e.partition = p.partition and e.\"offset\" = c.\"offset\"),
                round as (select ((n + $round - 1) / $round) * $round as copies from last)
                select count(*) from weir.position p, round where p.next_offset < round.copies")" = 0 ]
}
switches=0 drops=0 dropped=0
while kill -0 $loader 2>/dev/null || ! caught_up; do
        sql 'select weir.claim_switch()' >/dev/null
        switches=$((switches + 1))
        generation=$(oldest)
        if [ $((switches % 2)) = 0 ] && [ "$(sql 'select count(*) from weir.claim_generation')" -gt 2 ] && passed "$generation"; then
                dropped=$((dropped + $(rows "weir.claim_$generation")))
                says 0 "$WEIR" claims drop "$generation" --force -c "$config"
                has out "generation $generation dropped"
                drops=$((drops + 1))
        fi
done
wait $loader
wait_caught_up 120s

# as check_exactly_once does it, with the claims that were dropped
sql 'select id from audit.event' | LC_ALL=C sort >applied.txt
LC_ALL=C sort -u produced >distinct.txt
equal 'doubled' '' "$(uniq -d applied.txt | head -n 3 | xargs)"
equal 'lost or unknown' '' "$(diff <(uniq applied.txt) distinct.txt | head -n 3 | xargs)"
equal 'claims against the trail' "$(sql 'select sum(fresh) from weir.batch')" $(($(rows weir.claim) + dropped))
equal 'duplicates recognised' $((3 * $(cat loaded))) "$(sql 'select sum(events - fresh) from weir.batch')"
equal 'a key in two generations' 0 "$(sql 'select count(*) - count(distinct key) from weir.claim')"
equal 'holes in the trail' 0 "$(sql "select count(*) from (select first_offset, lag(next_offset) over (partition by position order by first_offset, id) before
        from weir.batch) t where before <> first_offset")"
equal 'tables that were left behind' 0 "$(sql "select count(*) from weir.claim_dropped where to_regclass('weir.claim_' || generation) is not null")"
commits_behind || fail 'a committed offset is ahead of its position'
hasnt a.log lane.waits
[ "$switches" -ge 4 ] && [ "$drops" -ge 1 ] || fail "only $switches switches and $drops drops took place under load"
printf '%d events in 4 partitions each, %d switches, %d drops of %d claims; lost 0, doubled 0\n' "$(cat loaded)" "$switches" "$drops" \
        "$dropped" | tee -a "${REPORT:-/dev/null}"
weir_stop a
