#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6005 - the topic deleted and made anew under a running worker: told, whether the new log is shorter or longer
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
echo 'log = { level = "debug"; };' >>"$config"
put 1 1 0
put 1 101 1
put 99 2 0 # younger than the first: else there is nothing to tell the logs apart by
put 99 102 1
weir_start a
wait_caught_up
within 20s logged a 'event=kafka.landmark .*partition=1'
put 10 201 1 # handled after the landmark was seen
wait_caught_up
kafkactl delete "$topic"
kafkactl create "$topic" 2
within 10s kafkactl ends "$topic" >/dev/null
put 40 501 0
put 300 601 1
within 30s halted a 0 'log end 40 .* position 100' || fail 'the shorter log was not noticed'
within 30s halted a 1 'was recreated: offset ' || fail 'the longer log was not noticed'
# what was read of the new log meanwhile must not prove it to the next process
weir_stop a
weir_start b
within 20s halted b 0 'log end 40'
within 20s halted b 1 'was recreated: offset ' || fail 'the longer log was taken for the old one after a restart'
resolve b 0
resolve b 1
wait_caught_up
equal 'rows, distinct' '550|550' "$(sql 'select count(*), count(distinct id) from audit.event')"
weir_stop b
equal 'exit status' 0 "$status"
