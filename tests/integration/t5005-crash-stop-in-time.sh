#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5005 - SIGTERM: exit 0 within 5 s under load, without PostgreSQL, without the broker; a second one hurries a stuck handler
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

stop_within() { # MILLISECONDS [SIGNALS]
        local began ended
        began=$(date +%s%3N)
        [ "${2:-1}" = 1 ] || { kill -TERM "${pid[a]}"; within 5s logged a 'event=stop.asked'; }
        weir_stop a
        ended=$(date +%s%3N)
        echo "$what: $((ended - began)) ms"
        equal "$what: exit status" 0 "$status"
        [ $((ended - began)) -le $(($1 * ${TIMEOUT_FACTOR:-1})) ] || fail "$what: took $((ended - began)) ms"
        mv a.log "$what.log"
}

in_transaction() { [ "$(sql "select count(*) from pg_stat_activity where state like 'idle in trans%' and datname = current_database()")" -ge 1 ]; }

# librdkafka's own close would wait for a session: with this one, longer than the deadline
session='"session.timeout.ms=15000", "heartbeat.interval.ms=500", "fetch.wait.max.ms=20", "group.instance.id=one"'
prepare 2 'batch=max_events = 5; linger = "0ms";' properties="$session"
produce 20000

what='under load'
weir_start a
within 20s rows_at_least 50
stop_within 2000
caught_up && fail 'everything was done before the stop'
commits_equal || fail 'the commits are not at the positions after a clean stop'

what='without PostgreSQL'
rows=$(rows)
weir_start a
within 20s rows_at_least $((rows + 50))
"$SUPPORT/pg.sh" stop "$PG_DIR" immediate
within 10s logged a 'event=lane.waits'
stop_within 2000
"$SUPPORT/pg.sh" start "$PG_DIR" >/dev/null

what='without the broker'
rows=$(rows)
weir_start a
within 20s rows_at_least $((rows + 50))
"$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
within 10s logged a 'event=kafka.error'
stop_within 5000
"$SUPPORT/kafka.sh" start "$KAFKA_DIR" >/dev/null

what='in a handler that hangs'
first=$topic
new_topic 1
put 10 1 0
configure 'batch=max_events = 5;' plugin=probe name=slow 'options=slow_us = 60000000;' properties="$session"
migrate
weir_start a
within 20s in_transaction
stop_within 5000
weir_start a
within 20s in_transaction
what='told twice'
stop_within 2000 2
equal 'rows of the handler that hung' 0 "$(rows probe.event)"

topic=$first group=$first
configure 'batch=max_events = 100;' properties="$session"
weir_start a
check_exactly_once
weir_stop a
