#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8006 - on_dead = halt: the partition stops at the event and says how to go on; a restart tries again, an operator goes on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" 'more=on_dead = "halt";' \
        'retry=attempts = 2; first_delay = "10ms"; max_delay = "10ms";'
gate first reject
gate second retry
put 10 1 0
event first test.made | emit --partition 0
put 10 11 0
event second test.made | emit --partition 0
put 10 21 0
put 300 31 1
expect_events 330
weir_start a
within 20s halted a 0 'offset 10 .*reject.*gate rejects first.*on_dead is .*halt' || fail 'it does not halt'
within 20s rows_at_least 310 probe.event || fail 'the other partition does not go on'
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'calls' 2 "$(calls first)" # among others and alone; not again and again
weir_stop a
gate_open
gate second retry
weir_start b # a restart tries again, and now it is good
expect first
within 20s halted b 0 'offset 21 .*attempts.*gate is closed for second' || fail 'it does not halt'
equal 'position' 21 "$(sql "select next_offset from weir.position where partition = 0")"
# the way that is named first tries it again and loses nothing, the one behind it passes the event
said=$(grep 'event=lane.halted .*partition=0 ' b.log | tail -n 1)
[[ $said =~ once\ mended,\ a\ restart\ or:\ weir\ position\ set\ [^\ ]+\ [^\ ]+\ 21\ --reason\ again\;\ the\ same\ with\ ([0-9]+)\ loses\ that\ event ]] ||
        fail "no ways out: $said"
"$WEIR" position set audit "$topic/0" "${BASH_REMATCH[1]}" --reason skipped
check_decided_once
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'effects of what was skipped' 0 "$(sql "select count(*) from probe.event where id = 'second'")"
weir_stop b
equal 'exit status' 0 "$status"
