#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4001 - two and three processes join and leave under load
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4 'batch=max_events = 50;'
(for chunk in $(seq 0 59); do produce 500 $((chunk * 500 + 1)); done) &
producer=$!
weir_start a
weir_start b
within 30s logged b 'event=lane.runs'
weir_start c
within 30s logged c 'event=lane.runs'
weir_stop a
equal 'exit status of a' 0 "$status"
weir_start d
within 30s logged d 'event=lane.runs'
weir_stop b
weir_stop c
equal 'exit status of c' 0 "$status"
wait "$producer"
check_exactly_once
weir_stop d
equal 'exit status of d' 0 "$status"
