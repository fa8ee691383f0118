#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5101 - one event of 20,000 kills the plugin: crash.attempts restarts, a dead letter with the signal and the stack, all others
#         applied once and in order
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4 plugin=probe name=probe 'options=crash_type = "test.deadly";'
produce 10000
event deadly test.deadly s3 | emit
produce 10000 10001
weir_start a
wait_caught_up 120s
equal 'dead letters' 1 "$(sql 'select count(*) from weir.dead_letter')"
equal 'what it was' 'crash|SIGABRT|deadly|3' "$(sql 'select class, reason, event_id, attempts from weir.dead_letter')"
equal 'deaths' 3 "$(grep -c 'event=process.died' a.log)"
sql 'select text from weir.dead_letter' >text
has text probe.so
equal 'suspicions left' 0 "$(sql 'select count(*) from weir.attempt')"
check_exactly_once probe.event
weir_stop a
equal 'exit status' 0 "$status"
