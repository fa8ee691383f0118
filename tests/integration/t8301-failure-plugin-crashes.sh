#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8301 - alone, without a supervisor, a plugin that crashes takes the process down, not the promise: nothing is lost or condemned; the event comes first again
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe "options=crash_type = \"boom\"; calls = \"$TEST_DIR/calls.txt\";" 'batch=max_events = 10;'
produce 25
event c-1 boom | emit
expect c-1
produce 25 26
for round in 1 2; do
        weir_start a --alone
        within 30s weir_stopped a || fail 'it survives'
        weir_stop a
        equal 'exit status' 134 "$status" # SIGABRT
        equal 'calls' "$round" "$(calls c-1)"
        equal 'effects are what the position passed' "$(sql 'select next_offset from weir.position')" "$(rows probe.event)"
done
[ "$(rows probe.event)" -le 25 ] || fail 'something behind the event came into effect'
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'attempts' 0 "$(rows weir.attempt)"
configure member=one plugin=probe 'batch=max_events = 10;' # the mended plugin
weir_start a
check_exactly_once probe.event
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (order by seq) before
        from probe.event) t where before >= "offset"')"
weir_stop a
equal 'exit status' 0 "$status"
