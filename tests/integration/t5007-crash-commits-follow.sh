#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5007 - what Kafka believes is told anew at each start: after a kill before the commit, with nothing new to handle
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
for round in $(seq 8); do # until a kill comes before the commit, which is told every second
        weir_start "a$round"
        within 30s logged "a$round" 'event=lane.runs.*partition=1'
        produce 1000 $((round * 1000))
        wait_caught_up
        weir_kill "a$round"
        commits_equal || break
done
commits_equal && fail 'every kill came too late: Kafka knew already'
weir_start b
within 30s commits_equal || fail "committed $(kafkactl committed "$topic" "$group" | xargs), positions $(positions | xargs)"
weir_stop b
equal 'exit status' 0 "$status"
commits_equal
check_exactly_once
