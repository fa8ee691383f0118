#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8002 - an event waits for its next try; its partition moves to another process, which respects what is left of the wait
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 3; first_delay = "8s"; max_delay = "8s"; jitter = 0;'
gate later
event later test.made | emit --partition 0
expect later
put 50 1 0
put 500 51 1
expect_events 550
weir_start a
within 20s logged a 'event=event.retries .*id=later'
within 20s rows_at_least 500 probe.event || fail 'the other partition waits too'
gate_open
weir_stop a
equal 'exit status of a process that waits' 0 "$status"
weir_start b
check_decided_once
equal 'attempt that passed' 2 "$(sql "select attempt from probe.event where id = 'later'")"
equal calls 2 "$(calls later)"
waited=$(awk '$1 == "later" { t[++n] = $3 } END { print t[2] - t[1] }' calls.txt)
[ "$waited" -ge 8000 ] || fail "waited $waited ms, not 8000"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop b
