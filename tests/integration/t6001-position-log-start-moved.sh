#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6001 - records deleted past the position while nobody ran: that partition halts and names the way out, which works
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
put 100 1 0
put 100 101 1
weir_start a
wait_caught_up
weir_stop a
put 100 201 0
put 100 301 1
kafkactl delete-records "$topic" 0 150 >/dev/null
weir_start b
within 20s halted b 0 'log start 150 .* position 100: .*100 to 149'
within 20s rows_at_least 300 || fail 'the other partition does not go on'
equal 'positions' '0 100 1 200' "$(positions | xargs)"
resolve b 0
expect_events 200 1
expect_events 50 251
expect_events 100 301
wait_caught_up
equal 'rows, distinct' '350|350' "$(sql 'select count(*), count(distinct id) from audit.event')"
equal 'the gap, kept with its reason' '100|150|retention' "$(sql "select before, after, reason from weir.position_change where reason <> 'first start'")"
put 10 401 0
within 20s rows_at_least 360 || fail 'the partition does not go on after the gap'
weir_stop b
equal 'exit status' 0 "$status"
