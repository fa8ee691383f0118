#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4003 - three processes leave by SIGTERM and SIGKILL and come back under load, while duplicates run in all
#         partitions and generations of claims switch
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 6 'batch=max_events = 2; linger = "0ms";'
produced=0
load() { # the same events in every partition
        events "$1" $((produced + 1)) >load.jsonl
        for partition in 0 1 2 3 4 5; do emit --partition "$partition" <load.jsonl; done
        expect_events "$1" $((produced + 1))
        produced=$((produced + $1))
}
load 1000
done_records() { sql 'select coalesce(sum(next_offset), 0) from weir.position'; }
progress() { [ "$(done_records)" -gt "$1" ]; }
runs() { logged "$1" 'event=lane.runs'; }
for name in a b c; do weir_start $name; done
for name in a b c; do within 20s runs $name; done
switches=0
for round in 'b TERM' 'a KILL' 'c TERM' 'd KILL'; do
        read -r name signal <<<"$round"
        load 700
        before=$(done_records)
        [ "$before" -lt $((6 * produced)) ] || fail "everything was done before $name left"
        weir_stop "$name" "$signal"
        [ "$signal" = KILL ] || equal "exit status of $name" 0 "$status"
        sql 'select weir.claim_switch()' >/dev/null
        switches=$((switches + 1))
        [ "$name" != b ] || weir_start d
        [ "$name" != a ] || weir_start e
        within 20s progress "$before" || fail "nothing moves after $name left"
done
weir_start f
within 20s runs f
check_exactly_once
equal 'duplicates recognised' $((5 * produced)) "$(sql 'select sum(events - fresh) from weir.batch')"
echo "$switches switches"
for name in e f; do
        weir_stop $name
        equal "exit status of $name" 0 "$status"
done
