#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6004 - records deleted past a slow worker while it runs: halted, the others go on, resolved without a restart
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# a queue of 256 KiB holds a few hundred of these records: the rest is still in the log when it is cut
prepare 2 plugin=probe 'batch=max_events = 10;' 'options=slow_us = 2000;'
echo 'memory = { queue = "256KiB"; };' >>"$config"
pad=$(printf '%02000d' 0)
put 3000 1 0 -h "x-pad=$pad"
put 300 5001 1
weir_start a
within 20s rows_at_least 10 probe.event
other_done() { [ "$(sql 'select next_offset from weir.position where partition = 1')" = 300 ]; }
kafkactl delete-records "$topic" 0 2900 >/dev/null
within 40s halted a 0 'log start 2900 .* position '
within 20s other_done || fail 'the other partition does not go on'
at=$(sql 'select next_offset from weir.position where partition = 0')
[ "$at" -lt 2900 ]
equal 'rows below the gap' "$at" "$(sql 'select count(distinct "offset") from probe.event where partition = 0')"
resolve a 0
wait_caught_up
equal 'rows' $((at + 100 + 300)) "$(rows probe.event)"
weir_stop a
equal 'exit status' 0 "$status"
