#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5006 - started while PostgreSQL or the broker is down: it says so, waits, can be stopped, and begins when they are there
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
produce 500
"$SUPPORT/pg.sh" stop "$PG_DIR" fast
weir_start stopped
within 10s logged stopped 'event=store.unreachable .*action=retry'
weir_stop stopped
equal 'exit status of one that waited' 0 "$status"
weir_start a
within 10s logged a 'event=store.unreachable'
"$SUPPORT/pg.sh" start "$PG_DIR" >/dev/null
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"

"$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
weir_start stopped
within 10s logged stopped 'event=kafka.error .*action=retry'
weir_stop stopped
equal 'exit status without a broker' 0 "$status"
weir_start b
within 10s logged b "event=kafka.error .*$KAFKA"
"$SUPPORT/kafka.sh" start "$KAFKA_DIR" >/dev/null
produce 500 501
check_exactly_once
weir_stop b
equal 'exit status' 0 "$status"
