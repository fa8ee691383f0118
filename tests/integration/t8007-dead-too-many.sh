#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8007 - mass failure: beyond dead.max_share of dead.window the partition halts instead of condemning one more
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe 'options=reject_type = "bad";' 'more=dead = { max_share = 20; window = 100; };'
put 200 1 0
for i in $(seq 1 30); do event "bad-$i" bad; done | emit --partition 0
put 200 201 1
printf 'no event\n%.0s' $(seq 1 30) | kafkactl produce "$topic" 1 # refused, not rejected: counts too
expect_events 400
weir_start a
within 30s halted a 0 'offset 220 .*dead.max_share, 20 % of the last 100' || fail 'partition 0 does not halt'
within 30s halted a 1 'offset 220 .*decode' || fail 'partition 1 does not halt'
equal 'dead letters' 40 "$(rows weir.dead_letter)"
equal 'positions' '0 220 1 220' "$(positions | xargs)"
# an operator's word begins a new window: the way that is named first tries the event again
resolve a 0
done_0() { [ "$(sql 'select next_offset from weir.position where partition = 0')" = 230 ]; }
within 20s done_0 || fail 'partition 0 does not go on'
weir_stop a
weir_start b # a restart begins none
within 30s halted b 1 'offset 220 .*decode' || fail 'partition 1 does not halt again'
equal 'dead letters' 50 "$(rows weir.dead_letter)"
resolve b 1
wait_caught_up
equal 'dead letters' 60 "$(rows weir.dead_letter)"
equal 'effects' 400 "$(rows probe.event)"
weir_stop b
