#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t2002 - generations switch under load while duplicates run in several partitions: one effect each
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4 'batch=max_events = 3; linger = "0ms";'
for partition in 0 1 2 3; do events 3000 1 | emit --partition "$partition"; done
awk 'BEGIN { for (i = 1; i <= 3000; i++) print "e-" i }' >>produced
weir_start a
switches=0
within 20s rows_at_least 1
while [ "$(sql 'select sum(next_offset) from weir.position')" -lt 12000 ]; do
        sql 'select weir.claim_switch()' >/dev/null
        switches=$((switches + 1))
done
check_exactly_once
echo "$switches switches"
[ "$switches" -ge 3 ] || fail "only $switches switches took place under load"
equal 'duplicates recognised' 9000 "$(sql 'select sum(events - fresh) from weir.batch')"
weir_stop a
