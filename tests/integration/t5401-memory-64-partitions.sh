#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5401 - a worker process with 64 partitions, idle, and with more to read than it may fetch: 40 MB and the budget; a topic that
#         grew is joined anew, and the budget divided anew
#         REPORT=FILE gets the figures
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

events=${EVENTS:-60000} budget=${BUDGET:-16} # MiB; 400000 and 64 fill the default
own=40000000

prepare 2
sed -i 's/"fetch.wait.max.ms=20"/&, "topic.metadata.refresh.interval.ms=300"/' "$config"
echo "memory = { budget = \"${budget}MiB\"; };" >>"$config"
weir_start a
within 60s logged a 'event=group.assigned .*assigned=2$'
kafkactl grow "$topic" 64
within 60s logged a 'event=group.partitions .*partitions=64 '
runs() { [ "$(grep -c "event=lane.runs .*partition=" a.log)" -ge $((2 + 64)) ]; }
within 60s runs
worker=$(worker_of a)
idle=$(in_status "$worker" VmHWM)
printf 'idle: %d KiB, %d threads; its supervisor %d KiB\n' $((idle / 1024)) "$(in_status "$worker" Threads)" \
        $(($(in_status "${pid[a]}" VmHWM) / 1024)) | tee -a "${REPORT:-/dev/null}"
[ "$idle" -le "$own" ] || fail "idle with 64 partitions it has $idle bytes"
weir_stop a

# All that is fetched ahead is there before the first transaction ends. In small record batches: one of each partition may
# come on top.
sed 's/"fetch.wait.max.ms=20"/&, "batch.num.messages=16"/' "$config" >emit.cfg
config=emit.cfg produce "$events" 1 997
sql 'begin; lock weir.batch in share mode; select pg_sleep(3); commit' >/dev/null &
weir_start a
check_exactly_once
worker=$(worker_of a)
most=$(in_status "$worker" VmHWM)
printf 'loaded: %d KiB at most, %d KiB now; budget %d MiB\n' $((most / 1024)) $(($(in_status "$worker" VmRSS) / 1024)) "$budget" | tee -a "${REPORT:-/dev/null}"
[ "$most" -le $((own + budget * 1048576)) ] || fail "it had $most bytes, of a budget of $budget MiB"
hasnt a.log event=process.died
weir_stop a
