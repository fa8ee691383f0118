#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8508 - what the broker refuses for good is a dead letter with everything; the rest of its stream goes on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1 max.message.bytes=20000
new_db
configure plugin=sender options="topic = \"$out\"; large_type = \"large\"; large_bytes = 50000;" \
        properties='"topic.metadata.propagation.max.ms=1000", "session.timeout.ms=3000", "heartbeat.interval.ms=500"'
migrate
for i in $(seq 1 20); do
        if [ "$i" = 7 ]; then event "e-$i" large; else event "e-$i" good; fi
done | emit
weir_start a
wait_caught_up
wait_relayed
equal 'sent' "$(seq 1 20 | grep -vx 7 | sed 's/^/e-/' | xargs)" "$(records "$out" | awk '{ print $5 }' | xargs)"
equal 'dead letter' "deliver|kafka-MSG_SIZE_TOO_LARGE|topic $out|/test|e-7|audit|$topic|0|6|1|50000|s0" \
        "$(sql "select class, reason, destination, source, event_id, d.worker, d.topic, d.partition, d.\"offset\", attempts, length(value), convert_from(key, 'UTF8')
                from weir.dead_letter d join weir.position p on p.id = d.position")"
# a name that no broker takes, as something else than weir_tx_emit() might write it; a topic that is missing may be made
# by the broker, and is here
sql "insert into weir.outbox (kind, destination, shard, header_names, header_values, body, message_id, worker)
        values ('t', 'no topic', 3, '{}', '{}', 'x', 'm-1', 'sender'); notify weir_outbox"
gone_too() { [ "$(sql "select reason || value::text from weir.dead_letter where destination = 'topic no topic'")" = 'kafka-TOPIC_EXCEPTION\x78' ]; }
within 60s gone_too
equal 'rows left' 0 "$(rows weir.outbox)"
weir_stop a
