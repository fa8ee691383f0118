#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1007 - a topic that does not exist yet is named in the log, and handled from its first record once it is made
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
later=${TEST:0:40}-later
new_db
configure topics="\"$topic\", \"$later\"" \
        properties='"session.timeout.ms=3000", "heartbeat.interval.ms=500", "topic.metadata.refresh.interval.ms=500"'
migrate
produce 100
weir_start a
check_exactly_once
within 10s logged a "event=kafka.error .*$later" || fail 'the missing topic is not named'
topic=$later
kafkactl create "$topic" 2 # refused if asking for it had made it
within 10s kafkactl ends "$topic" >/dev/null
produce 100 101
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
