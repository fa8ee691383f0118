#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8304 - culprits of every kind in batch after batch: their neighbours stay in their transaction, nothing of theirs does, and
#         a duplicate of a culprit is asked itself; over kills and a dying database; then all of them run again, once
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

culprits='reject_type = "no"; write_reject_type = "wrote"; sql_error_type = "boom";'
keep='more=dead = { max_share = 100; };'
prepare 1 member=one plugin=probe "options=$culprits" 'batch=max_events = 100; linger = "50ms";' "$keep"
echo 'log = { level = "debug"; };' >>"$config"
sql "alter table probe.event add constraint copied check (id <> 'c-1')" # found by a COPY: nobody is named
n=0
load() { # ROUND: 700 good ones, 24 culprits, among them two side by side, first, last, and duplicates
        local i
        {
                event "no-$1-0" no
                for i in $(seq 1 7); do
                        events 50 $((n * 1000 + i * 100))
                        event "no-$1-$i" no
                        event "wrote-$1-$i" wrote
                        events 50 $((n * 1000 + i * 100 + 50))
                        event "boom-$1-$i" boom
                done
                event "no-$1-1" no s1 # a copy of one that was condemned
                event "last-$1" no
        } | emit --partition 0
        for i in $(seq 1 7); do
                expect_events 100 $((n * 1000 + i * 100))
                expect "no-$1-$i" "wrote-$1-$i" "boom-$1-$i"
        done
        expect "no-$1-0" "last-$1"
        n=$((n + 1))
}
load a
weir_start a
wait_caught_up
weir_stop a
spared() { awk '/event=batch.spared/ && match($0, /culprits=[0-9]+/) { s += substr($0, RSTART + 9, RLENGTH - 9) } END { print s + 0 }' "$1.log"; }
[ "$(spared a)" -ge 8 ] || fail "only $(spared a) culprits left their batch alone"
equal 'dead letters' 24 "$(rows weir.dead_letter)" # 23 and the copy
equal 'effects' 700 "$(rows probe.event)"
equal 'what culprits wrote' 0 "$(rows probe.gate)"
equal 'claims' 700 "$(rows weir.claim)"
equal 'the trail of the dead' 24 "$(sql 'select sum(dead) from weir.batch')"

for point in spare.condemned spare.unclaimed apply.kept apply.committed; do
        load "${point//[._]/-}"
        weir_dies b "$point" 3
done
load d
weir_halts b spare.unclaimed 2
"$SUPPORT/pg.sh" restart "$PG_DIR" immediate >/dev/null
weir_goes_on b
event c-1 test.made | emit --partition 0
expect c-1
load e
wait_caught_up
weir_stop b
equal 'exit status' 0 "$status"
equal 'effects' $((700 * n)) "$(rows probe.event)"
equal 'what culprits wrote' 0 "$(rows probe.gate)"
equal 'attempts of culprits' 1 "$(sql 'select distinct attempts from weir.dead_letter')"
sql "delete from weir.dead_letter d using weir.dead_letter e where d.event_id = e.event_id and d.\"offset\" > e.\"offset\"" # the copies
check_decided_once
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (order by seq) before
        from probe.event) t where before >= "offset"')"

sql 'alter table probe.event drop constraint copied'
configure member=one plugin=probe "$keep" # mended
sql "update weir.dead_letter set state = 'requeue', round = round + 1, attempts = 0, marked_at = now()"
weir_start c
settled() { [ "$(rows "weir.dead_letter where state = 'requeue'")" = 0 ]; }
within 40s settled || fail 'not all of them are settled'
equal 'applied' "$(rows weir.dead_letter)" "$(rows "weir.dead_letter where state = 'applied'")" # none found its claim
check_decided_once
weir_stop c
