#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8514 - a topic that takes less than the producer would send: what is too large is buried, all else arrives, once, in the order
#         of its key
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 4
out=$topic-out
kafkactl create "$out" 2 max.message.bytes=20000
new_db
configure plugin=sender options="topic = \"$out\"; large_type = \"large\"; large_bytes = 30000;" \
        properties='"batch.num.messages=10", "linger.ms=0", "session.timeout.ms=3000", "heartbeat.interval.ms=500"'
migrate
# every 97th is too large; the others are small, but thousands of them fill many batches
awk 'BEGIN { for (i = 1; i <= 6000; i++) printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/test\",\"type\":\"%s\",\"subject\":\"s%d\",\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d}}\n", i, i % 97 ? "good" : "large", i % 16, i }' | emit
weir_start a
wait_caught_up
wait_relayed 120s
records "$out" >records.txt
large=$((6000 / 97))
equal 'dead letters' "$large" "$(sql "select count(*) from weir.dead_letter where class = 'deliver' and reason = 'kafka-MSG_SIZE_TOO_LARGE'
        and substr(event_id, 3)::int % 97 = 0")"
equal 'dead letters of all reasons' "$large" "$(rows weir.dead_letter)"
equal 'records' $((6000 - large)) "$(wc -l <records.txt)"
equal 'distinct' $((6000 - large)) "$(awk '{ print $5 }' records.txt | sort -u | wc -l)"
in_order "$out" | head -5 >disorder.txt || true
equal 'out of order' '' "$(cat disorder.txt)"
weir_stop a
equal 'exit status' 0 "$status"
