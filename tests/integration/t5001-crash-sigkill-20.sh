#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5001 - SIGKILL at 20 random moments: nothing lost, nothing doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 1; linger = "0ms";'
transactions() { sql 'select count(*) from weir.batch'; }
more_than() { [ "$(transactions)" -gt "$1" ]; }
for round in $(seq 0 19); do
        produce 1000 $((round * 1000 + 1))
        enough=$(($(transactions) + RANDOM % 300)) # of 1,000: the kill falls into the middle of the work
        weir_start a
        within 30s more_than "$enough"
        weir_kill a
        caught_up && fail "round $round: everything was done before the kill"
done
weir_start a
check_exactly_once
weir_stop a
