#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4002 - a process stopped past its session, then continued, changes nothing: it is fenced
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 10;'
(for chunk in $(seq 0 59); do produce 500 $((chunk * 500 + 1)); done) &
producer=$!
weir_start a
within 20s rows_at_least 1
weir_start b
within 20s logged b 'event=lane.runs'
# shellcheck disable=SC2046 # several
kill -STOP $(children "${pid[a]}")
epochs=$(sql 'select sum(epoch) from weir.position')
taken() { [ "$(sql 'select sum(epoch) from weir.position')" -gt "$epochs" ]; }
within 40s taken # also where the stop fell into a transaction: its holder is ended
# shellcheck disable=SC2046
kill -CONT $(children "${pid[a]}")
wait "$producer"
check_exactly_once
weir_stop a
weir_stop b
equal 'exit status' 0 "$status"
