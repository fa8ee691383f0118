#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5002 - PostgreSQL stopped, fast and immediate, and started under load: lanes wait and go on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 50;'
(for chunk in $(seq 0 39); do produce 500 $((chunk * 500 + 1)); done) &
producer=$!
weir_start a
for way in fast immediate fast immediate; do
        rows=$(rows)
        within 30s rows_at_least $((rows + 1))
        "$SUPPORT/pg.sh" stop "$PG_DIR" "$way" || true
        "$SUPPORT/pg.sh" start "$PG_DIR" >/dev/null
done
wait "$producer"
check_exactly_once
logged a 'event=lane.waits' || fail 'the stops were not noticed: no lane waited'
weir_stop a
equal 'exit status' 0 "$status"
equal 'dead letters' 0 "$(sql 'select count(*) from weir.dead_letter')"
