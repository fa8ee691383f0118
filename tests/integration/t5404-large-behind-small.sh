#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5404 - small records in hand, handlers that take their time, and messages of 10 MB behind the small ones in every partition: nobody
#         reads them, and yet not all of them are fetched. Resident memory is 40 MB and the budget at most
#         REPORT=FILE gets the figures; PARTITIONS=64 BUDGET=64 CODEC=lz4 for more
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

partitions=${PARTITIONS:-12} bytes=${BYTES:-10000000} budget=${BUDGET:-32} # MiB
bound=$((40000000 + budget * 1048576))
attributes=(-h ce_specversion=1.0 -h ce_source=/test -h ce_type=test.large)

new_topic 1
topic=$topic-large
group=$topic
kafkactl create "$topic" "$partitions" max.message.bytes=$((bytes * 2)) compression.type="${CODEC:-producer}"
within 10s kafkactl ends "$topic" >/dev/null
new_db
configure plugin=probe 'options=gate = true;' 'batch=max_events = 1;' \
        'retry=attempts = 10000; first_delay = "50ms"; max_delay = "50ms"; jitter = 0;'
echo "memory = { budget = \"${budget}MiB\"; };" >>"$config"
migrate

# each partition stands at its second record, with a small one in hand, and has read nothing but small ones
for ((p = 0; p < partitions; p++)); do
        seq -f e-%.0f $((p * 3 + 1)) $((p * 3 + 2)) | kafkactl produce "$topic" "$p" -f 50 "${attributes[@]}"
        gate e-$((p * 3 + 2))
done
weir_start a
stand_still() { [ "$(rows weir.attempt)" = "$partitions" ]; }
within 30s stand_still || fail "$(rows weir.attempt) partitions wait, not $partitions"
for ((p = 0; p < partitions; p++)); do
        seq -f e-%.0f $((p * 3 + 3)) $((p * 3 + 3)) | kafkactl produce "$topic" "$p" -f "$bytes" "${attributes[@]}"
done
expect_events $((partitions * 3))
equal 'handled so far' "$partitions" "$(rows probe.event)"
gate_open
check_exactly_once probe.event
most=$(in_status "$(worker_of a)" VmHWM)
printf '%d partitions, %d bytes behind small ones: %d KiB at most of %d\n' "$partitions" "$bytes" $((most / 1024)) $((bound / 1024)) |
        tee -a "${REPORT:-/dev/null}"
[ "$most" -le "$bound" ] || fail "it had $most bytes, more than $bound"
hasnt a.log event=process.died
weir_stop a
equal 'exit status' 0 "$status"
