#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6002 - the topic made anew, shorter than the position, while nobody ran: halted, resolved by the command in the log
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
put 100 1 0
weir_start a
wait_caught_up
weir_stop a
kafkactl delete "$topic"
kafkactl create "$topic" 2
within 10s kafkactl ends "$topic" >/dev/null
put 40 501 0
put 40 601 1
weir_start b
within 20s halted b 0 'log end 40 .* position 100'
within 20s rows_at_least 140 || fail 'the other partition does not go on'
equal 'position' 100 "$(sql 'select next_offset from weir.position where partition = 0')"
commits_behind
resolve b 0
wait_caught_up
equal 'rows, distinct' '180|180' "$(sql 'select count(*), count(distinct id) from audit.event')"
weir_stop b
equal 'exit status' 0 "$status"
