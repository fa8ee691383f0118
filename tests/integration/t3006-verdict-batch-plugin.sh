#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3006 - a set-based plugin: one outcome REJECT condemns one event, RETRY of all waits for all, order is kept
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=batch 'options=reject_type = "bad"; retry_all_type = "later"; retry_all_times = 40;' 'retry=attempts = 50; first_delay = "5ms"; max_delay = "10ms";'
produce 300
event r-1 bad | emit
produce 300 301
event y-1 later | emit
expect y-1
produce 300 601
weir_start a
check_exactly_once batch.event
equal 'dead letters' '300|reject|batch rejects r-1' "$(sql 'select "offset", class, text from weir.dead_letter')"
[ "$(sql 'select max(together) from batch.event')" -ge 100 ] || fail 'events were not handed over together'
logged a 'event=event.retries .*id=y-1' || fail 'the wish to try again was not seen'
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (order by seq) before
        from batch.event) t where before >= "offset"')"
weir_stop a
equal 'exit status' 0 "$status"
