#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8502 - what was emitted for an event that is rejected afterwards was never there; its neighbours' events are
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1
new_db
configure plugin=sender options="topic = \"$out\"; reject_type = \"bad\";"
migrate
for i in $(seq 1 30); do
        if [ $((i % 10)) = 0 ]; then event "e-$i" bad; else event "e-$i" good; fi
done | emit
weir_start a
wait_caught_up
wait_relayed
weir_stop a
equal 'sent' "$(seq 1 30 | grep -v 0 | sed 's/^/e-/' | xargs)" "$(records "$out" | awk '{ print $5 }' | xargs)"
equal 'dead letters' 'e-10 e-20 e-30' "$(sql 'select event_id from weir.dead_letter order by "offset"' | xargs)"
