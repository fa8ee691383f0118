#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5403 - partitions of large records take turns while members come, are killed and leave, an event is tried again, the file is
#         read anew, the topic grows, transactions end where nothing is to be read: each event once, in order. Then a replay of all
#         REPORT=FILE gets the figures
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

partitions=${PARTITIONS:-6} each=${EACH:-4} bytes=${BYTES:-1200000} rounds=${ROUNDS:-1}
attributes=(-h ce_specversion=1.0 -h ce_source=/test -h ce_type=test.large)

new_topic 1
topic=$topic-large
group=$topic
kafkactl create "$topic" "$partitions" max.message.bytes=$((bytes * 2))
within 10s kafkactl ends "$topic" >/dev/null
new_db
configure plugin=probe 'options=gate = true; slow_us = 10000;' \
        'retry=attempts = 1000; first_delay = "50ms"; max_delay = "50ms"; jitter = 0;'
sed -i 's/"fetch.wait.max.ms=20"/&, "topic.metadata.refresh.interval.ms=300"/' "$config"
echo 'memory = { budget = "8MiB"; }; log = { level = "debug"; };' >>"$config"
migrate

n=0
fill() { # COUNT BYTES PARTITION [OPTION..]
        seq -f e-%.0f $((n + 1)) $((n + $1)) | kafkactl produce "$topic" "$3" -f "$2" "${attributes[@]}" "${@:4}"
        [ "${*: -1}" = abort ] || expect_events "$1" $((n + 1))
        n=$((n + $1))
}
load() { # of four partitions one ends in a small record, one in a marker, one in what was aborted; the last has nothing
        local p
        for ((p = 0; p < partitions - 1; p++)); do
                case $((p % 4)) in
                0) fill 1 50 $p && fill "$each" "$bytes" $p ;;
                1) fill "$each" "$bytes" $p && fill 1 50 $p ;;
                2) fill "$each" "$bytes" $p -x "$topic-$p" commit ;;
                3) fill "$each" "$bytes" $p && fill 1 "$bytes" $p -x "$topic-$p" abort ;;
                esac
        done
}
turns() { cat ./*.log | grep -c 'event=kafka.turns' || true; }
turned() { [ "$(turns)" -gt "$1" ]; }
runs() { logged "$1" 'event=lane.runs'; }

# an event is tried again and again: its partition waits, the others have its turns
gate e-3
load
weir_start a
others=$(($(wc -l <produced) - 1 - each))
all_others() { [ "$(rows 'probe.event where partition <> 0')" = "$others" ]; }
within 60s all_others || fail 'a partition that waits holds the others up'
equal 'of the partition that waits' 2 "$(rows 'probe.event where partition = 0')"
gate_open
wait_caught_up
[ "$(turns)" -ge "$partitions" ] || fail "they took no turns: $(turns)"

# members come, are killed and leave, and the file is read anew, each time with the load of a moment ago
for ((round = 0; round < rounds; round++)); do
        weir_start "b$round"
        within 30s runs "b$round"
        before=$(turns)
        load
        within 30s turned "$before" || fail 'no turns with two members'
        weir_kill "b$round"
        weir_start "c$round"
        within 30s runs "c$round"
        load
        kill -HUP "${pid[a]}"
        weir_stop "c$round"
        equal "exit status of c$round" 0 "$status"
done
within 20s logged a 'event=worker.reloaded'

# the topic grows, and all of it is killed
kafkactl grow "$topic" $((partitions + 3))
partitions=$((partitions + 3))
load
within 30s logged a "event=group.partitions .*partitions=$partitions "
load
weir_kill a
weir_start d
check_exactly_once probe.event
within 10s commits_equal || fail 'the commits stay behind the positions'

# all of it again
says 0 "$WEIR" replay start audit -c "$config" --policy again --epoch large --from earliest --quiet
equal 'replayed' "$(sort -u produced | wc -l)" "$(sql "select count(distinct id) from probe.event where replay = 'large'")"
equal 'replayed twice' 0 "$(sql "select count(*) - count(distinct id) from probe.event where replay = 'large'")"
equal 'out of order' 0 "$(sql "select count(*) from (select \"offset\", lag(\"offset\") over (partition by partition order by seq) before
        from probe.event where replay = 'large') t where before >= \"offset\"")"
weir_stop d
equal 'exit status' 0 "$status"
printf '%d events, %d partitions, %d turns\n' "$(sort -u produced | wc -l)" "$partitions" "$(turns)" | tee -a "${REPORT:-/dev/null}"
