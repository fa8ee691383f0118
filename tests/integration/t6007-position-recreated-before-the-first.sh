#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6007 - the topic made anew, longer, before anything was handled: the record before the first position tells
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 start=latest
put 100 1 0
weir_start a
known() { [ "$(sql 'select last_offset from weir.position')" = 99 ]; }
within 20s known
weir_stop a
equal 'rows' 0 "$(rows)"
kafkactl delete "$topic"
kafkactl create "$topic" 1
within 10s kafkactl ends "$topic" >/dev/null
put 300 501 0
weir_start b
within 20s halted b 0 'was recreated: offset 99 .* position 100 '
resolve b 0
expect_events 300 501
check_exactly_once
weir_stop b
equal 'exit status' 0 "$status"
