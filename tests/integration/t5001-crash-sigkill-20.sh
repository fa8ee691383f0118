#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5001 - SIGKILL at 20 random moments: nothing lost, nothing doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 20;'
(for chunk in $(seq 0 39); do produce 500 $((chunk * 500 + 1)); done) &
producer=$!
kills=0
for _ in $(seq 20); do
        before=$(sql "select count(*) from weir.batch")
        weir_start a
        within 30s eval '[ "$(sql "select count(*) from weir.batch")" -gt '"$before"' ]' || break
        within 1s eval "[ \$((RANDOM % 40)) = 0 ]" || true
        weir_kill a
        kills=$((kills + 1))
done
wait "$producer"
weir_start a
check_exactly_once
echo "$kills kills"
equal kills 20 "$kills"
weir_stop a
