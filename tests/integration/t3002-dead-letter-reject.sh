#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3002 - REJECT: a dead letter in the transaction that passes the offset, and the partition goes on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=reject_type = "bad"; skip_type = "idle";'
produce 20
event r-1 bad | emit
produce 20 21
event r-2 bad | emit
event s-1 idle | emit
produce 10 41
weir_start a
check_exactly_once probe.event
equal 'dead letters' '20|reject|handler|/test|r-1|1|probe rejects r-1
41|reject|handler|/test|r-2|1|probe rejects r-2' "$(sql 'select "offset", class, reason, source, event_id, attempts, text from weir.dead_letter order by 1')"
equal 'letters that share the transaction of their offset' 2 "$(sql 'select count(*) from weir.dead_letter d join weir.batch b
        on d."offset" >= b.first_offset and d."offset" < b.next_offset where b.xmin::text = d.xmin::text')"
weir_stop a
equal 'exit status' 0 "$status"
