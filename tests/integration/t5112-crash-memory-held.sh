#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5112 - a plugin that has returned and keeps all of memory.limit: the process says so, ends and begins anew; nobody is suspected, and every
#         event is applied once
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 member=one plugin=hostile name=hostile "options=calls = \"$TEST_DIR/calls\";" 'batch=max_events = 20;'
cat >>weir.cfg <<'TXT'
memory = { limit = "256MiB"; };
restart = { first_delay = "10ms"; };
TXT
produce 100
event hold hostile.hold s0 | emit
expect hold
weir_start a
within 30s test -e calls.held
event large hostile.large s1 | emit
expect large
produce 100 101
within 30s logged a 'event=memory.exhausted limit_mib=256 ' || fail 'a process without memory goes on'
check_exactly_once hostile.event
logged a 'event=lane.waits .* for=memory ' || fail 'the lane does not say what it waits for'
logged a 'event=process.died worker=hostile by=memory status=71 suspects=0 ' || fail 'its end is not told'
equal 'deaths' 1 "$(grep -c 'event=process.died' a.log)"
equal 'suspicions' 0 "$(rows weir.attempt)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
