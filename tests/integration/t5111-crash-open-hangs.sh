#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5111 - a plugin whose open() does not return, at the start and at a reload: it is named with its stack past handler.deadline, its process
#         ends and begins anew, nobody is suspected, and every event is applied once
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 member=one plugin=hostile name=hostile "options=hang = \"$TEST_DIR/hang\"; sleep_ms = 60000;" 'batch=max_events = 20;'
cat >>weir.cfg <<'TXT'
handler = { deadline = "1s"; };
restart = { first_delay = "10ms"; max_delay = "10ms"; };
TXT
produce 200
touch hang
weir_start a
stuck='event=plugin.stuck worker=hostile in=open.. ms=[0-9]+ deadline_ms=1000 stack=".*hostile.so'
within 30s logged a "$stuck" || fail 'a start that hangs is not named'
rm hang
within 30s rows_at_least 200 hostile.event
touch hang
kill -HUP "${pid[a]}"
named_again() { [ "$(grep -cE "$stuck" a.log)" -gt "$before" ]; }
before=$(grep -cE "$stuck" a.log)
within 30s named_again || fail 'a reload that hangs is not named'
rm hang
produce 200 201
check_exactly_once hostile.event
logged a 'event=process.died worker=hostile by=stuck .*suspects=0 ' || fail 'its end is not told'
equal 'suspicions' 0 "$(rows weir.attempt)"
weir_stop a
equal 'exit status' 0 "$status"
