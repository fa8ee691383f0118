#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5402 - partitions full of messages of 10 MB: resident memory is 40 MB and the budget at most, however many partitions there are:
#         they take turns. What was large is given back, and each message is handled once
#         REPORT=FILE gets the figures
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

partitions=${PARTITIONS:-16} each=${EACH:-2} bytes=${BYTES:-10000000} budget=${BUDGET:-64} # MiB
bound=$((40000000 + budget * 1048576))

new_topic 1
topic=$topic-large
group=$topic
kafkactl create "$topic" "$partitions" max.message.bytes=$((bytes * 2))
within 10s kafkactl ends "$topic" >/dev/null
new_db
configure
echo "memory = { budget = \"${budget}MiB\"; };" >>"$config"
migrate
for ((p = 0; p < partitions; p++)); do
        seq -f e-%.0f $((p * each + 1)) $((p * each + each)) |
                kafkactl produce "$topic" "$p" -f "$bytes" -h ce_specversion=1.0 -h ce_source=/test -h ce_type=test.large
done
expect_events $((partitions * each))
weir_start a
check_exactly_once
equal 'bytes that were kept' $((partitions * each * bytes)) "$(sql 'select sum(length(data)) from audit.event')"
worker=$(worker_of a)
most=$(in_status "$worker" VmHWM)
calm() { [ "$(in_status "$worker" VmRSS)" -le 40000000 ]; }
within 10s calm || fail "of what was large, $(in_status "$worker" VmRSS) bytes are still there"
printf '%d messages of %d bytes, %d partitions: %d KiB at most of %d, then %d\n' $((partitions * each)) "$bytes" "$partitions" \
        $((most / 1024)) $((bound / 1024)) $(($(in_status "$worker" VmRSS) / 1024)) | tee -a "${REPORT:-/dev/null}"
[ "$most" -le "$bound" ] || fail "it had $most bytes, more than $bound"
hasnt a.log event=process.died
weir_stop a
