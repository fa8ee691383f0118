#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5103 - the supervisor is killed by SIGKILL: its processes drain and end by themselves, and nothing is lost
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 5; linger = "0ms";'
slow 2
produce 3000
ulimit -Sc "$(ulimit -Hc)" # as a system with a core collector
weir_start a
within 30s rows_at_least 100
family=$(children "${pid[a]}")
[ "$(wc -w <<<"$family")" = 2 ] || fail "a worker and the relay, but there are: $family"
equal 'core that the supervisor may leave' 0 "$(awk '/^Max core file size/ { print $5 }' "/proc/${pid[a]}/limits")"
kill -KILL "${pid[a]}"
wait "${pid[a]}" || true
unset 'pid[a]'
for process in $family; do within 10s gone "$process" || fail "process $process lives on"; done
logged a 'event=group.left' || fail 'the worker has not left its group'
weir_start b
check_exactly_once
weir_stop b
equal 'exit status' 0 "$status"
