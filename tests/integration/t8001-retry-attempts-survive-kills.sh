#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8001 - SIGKILL at each step of a retry: what was counted stays counted, what was not is tried once more, order holds
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 5; first_delay = "50ms"; max_delay = "100ms";'
gate bad
produce 20
event bad test.made | emit
expect bad
produce 20 21
attempts() { sql 'select coalesce((select attempts from weir.attempt), 0)'; }

weir_dies a attempt.failed # the handler was called, nothing is written down
equal 'attempts after a kill before the row' 0 "$(attempts)"
equal calls 1 "$(calls bad)"
weir_dies a attempt.saved # the row is there, the wait is not over
equal 'attempts after a kill behind the row' 1 "$(attempts)"
equal calls 2 "$(calls bad)"
weir_dies a attempt.saved # a third process goes on counting
equal attempts 2 "$(attempts)"
equal calls 3 "$(calls bad)"
weir_dies a retry.turn # the wait is over, the handler is not called yet
equal attempts 2 "$(attempts)"
equal calls 3 "$(calls bad)"
weir_dies a attempt.saved 2
equal attempts 4 "$(attempts)"
equal calls 5 "$(calls bad)"
weir_dies a dead.kept # the fifth: condemned, not committed
equal attempts 4 "$(attempts)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'effects behind it' 0 "$(sql "select count(*) from probe.event where \"offset\" > 20")"
weir_start a
within 30s caught_up || fail 'it does not go on behind the dead letter'
weir_kill a

# the try that is good, alone in its transaction: killed at each step of it. The attempt is counted until the offset is passed
gate late
event late test.made | emit
expect late
effects() { rows "probe.event where id = 'late'"; }
weir_dies a attempt.saved
gate_open
made=1 # the call that failed
for point in apply.begun apply.handled apply.kept; do
        weir_dies a "$point"
        [ "$point" = apply.begun ] || made=$((made + 1))
        equal "attempts, calls, effects after $point" "1 $made 0" "$(attempts) $(calls late) $(effects)"
done
weir_dies a apply.committed
equal 'attempts, calls, effects after apply.committed' "0 $((made + 1)) 1" "$(attempts) $(calls late) $(effects)"
equal 'attempts that the handler was told' '1 2 2 2' "$(awk '$1 == "late" { print $2 }' calls.txt | xargs)"
weir_start a
check_decided_once
equal 'dead letter' 'attempts|5|handler|20|0|t' "$(sql 'select class, attempts, reason, "offset", item, first_failed_at < failed_at from weir.dead_letter')"
equal 'attempts that the handler was told' '1 1 2 3 4 5 5' "$(awk '$1 == "bad" { print $2 }' calls.txt | xargs)"
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (order by seq) before
        from probe.event) t where before >= "offset"')"
weir_stop a
equal 'exit status' 0 "$status"
