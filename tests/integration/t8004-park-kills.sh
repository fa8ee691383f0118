#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8004 - SIGKILL at each step of parking, of running what is parked, and of condemning it: nothing lost, nothing twice, keys in order
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 1000; first_delay = "20ms"; max_delay = "50ms"; order = "park";' \
        "more=on_dead = \"publish\"; dead_letter_topic = \"${TEST:0:40}-1-dead\";"
kafkactl create "$topic-dead" 1
attempts() { sql "select attempts from weir.parked where event_id = '$1'"; }
gate e-5
gate e-6 reject
produce 100 1 4
weir_dies a park.kept # the rows are written, not committed
equal parked 0 "$(rows weir.parked)"
weir_dies a apply.committed 1
weir_dies a aside.failed 1 # a parked one was called, its count not raised
counted=$(attempts e-5)
made=$(calls e-5)
weir_dies a aside.failed 2 # one call counted, one not
equal 'attempts and calls' "$((counted + 1)) $((made + 2))" "$(attempts e-5) $(calls e-5)"
gate_open
for point in aside.handled aside.settled aside.committed aside.committed; do
        weir_dies a "$point" 3
done
produce 100 101 4
weir_start a
none_parked() { [ "$(rows weir.parked)" = 0 ]; }
within 30s none_parked || fail "still parked: $(rows weir.parked)"
wait_caught_up
wait_relayed
weir_kill a

# one that is refused behind another of its key: row, message and the end of its waiting are one transaction
gate e-201
gate e-205 reject
produce 8 201 4
weir_start a
wait_caught_up
weir_kill a
equal 'parked behind' 0 "$(attempts e-205)"
gate_open
gate e-205 reject
dead=$(rows weir.dead_letter)
for point in dead.kept aside.settled; do # e-201 is done before the first
        weir_dies a "$point"
        equal "letters, messages, parked after $point" "$dead 0 1" "$(rows weir.dead_letter) $(rows weir.outbox) $(rows "weir.parked where event_id = 'e-205'")"
done
weir_dies a aside.committed
equal 'letters, parked after aside.committed' "$((dead + 1)) 0" "$(rows weir.dead_letter) $(rows "weir.parked where event_id = 'e-205'")"
weir_start a
check_decided_once
wait_relayed
weir_stop a
equal 'effects of a key out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event) t where before >= "offset"')"
equal 'letters in the topic' "$(sql 'select id from weir.dead_letter order by 1' | xargs)" \
        "$(kafkactl headers "$topic-dead" | grep -oE 'weir_dead_letter=[0-9]+' | cut -d= -f2 | sort -nu | xargs)"
