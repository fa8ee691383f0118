#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8004 - SIGKILL at each step of parking and of running what is parked: nothing lost, nothing twice, keys in order
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=gate = true;' \
        'retry=attempts = 1000; first_delay = "20ms"; max_delay = "50ms"; order = "park";'
gate e-5
gate e-6 reject
produce 100 1 4
weir_dies a park.kept # the rows are written, not committed
equal parked 0 "$(rows weir.parked)"
weir_dies a apply.committed 1
weir_dies a aside.failed 1 # a parked one was called, its count not raised
weir_dies a aside.failed 2
gate_open
for point in aside.handled aside.settled aside.committed aside.committed; do
        weir_dies a "$point" 3
done
produce 100 101 4
weir_start a
none_parked() { [ "$(rows weir.parked)" = 0 ]; }
within 30s none_parked || fail "still parked: $(rows weir.parked)"
check_decided_once
equal 'effects of a key out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event) t where before >= "offset"')"
weir_stop a
