#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5003 - the broker killed and started under load: nothing lost, nothing doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 1; linger = "0ms";'
produce 8000
weir_start a
for _ in 1 2; do
        rows=$(rows)
        within 30s rows_at_least $((rows + 1))
        caught_up && fail 'everything was done before the broker was killed'
        "$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
        "$SUPPORT/kafka.sh" start "$KAFKA_DIR" >/dev/null
done
produce 1000 8001
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
