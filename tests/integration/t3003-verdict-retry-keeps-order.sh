#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3003 - RETRY: the partition waits at the event, the others go on; it passes later, and order is kept
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe 'options=retry_type = "later"; retry_times = 3;'
put 50 1 0
event y-1 later | emit --partition 0
put 50 51 0
put 500 101 1
expect_events 600
expect y-1
weir_start a
within 20s logged a 'event=event.retries .*offset=50 .*attempt=2'
equal 'applied behind the event that waits' 0 "$(sql 'select count(*) from probe.event where partition = 0 and "offset" > 49')"
within 20s rows_at_least 550 probe.event || fail 'the other partition does not go on'
check_exactly_once probe.event
# the first call, among others, counts too: attempts are calls
equal 'attempt that passed' 4 "$(sql "select attempt from probe.event where id = 'y-1'")"
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by partition order by seq) before
        from probe.event) t where before >= "offset"')"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
