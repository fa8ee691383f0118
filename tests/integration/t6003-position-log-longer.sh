#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6003 - the topic made anew, longer than the position, while nobody ran: told by the last record handled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
put 100 1 0
put 100 101 1
weir_start a
wait_caught_up
weir_stop a
kafkactl delete "$topic"
kafkactl create "$topic" 2
within 10s kafkactl ends "$topic" >/dev/null
put 300 501 0
put 100 101 1 # as many as before, and the same but for their time
weir_start b
within 20s halted b 0 'was recreated: offset 99 .* position 100 '
within 20s halted b 1 'was recreated: offset 99 .* position 100 '
equal 'rows' 200 "$(rows)"
resolve b 0
within 20s rows_at_least 500
resolve b 1
wait_caught_up
equal 'rows, distinct' '500|500' "$(sql 'select count(*), count(distinct id) from audit.event')"
weir_stop b
equal 'exit status' 0 "$status"
