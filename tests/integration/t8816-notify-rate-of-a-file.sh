#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8816 - a file with a rate gets every event, also one that comes alone, and no faster than that
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=notify "sinks= { name = \"slow\"; file = \"$TEST_DIR/slow\"; rate = 50; }" \
        'options= rules = ( { to = [ "slow" ]; } );'
weir_start a
lines() { [ "$(wc -l <slow)" = "$1" ]; }
# many keys, so that the relay knows many streams; then one at a time, of a stream that is neither first nor last
produce 100 1 64
within 30s lines 100
for n in 101 102 103 104 105; do
        produce 1 "$n" 64
        within 10s lines "$n"
done
wait_relayed 10s
# n events at 50 a second: the n-th not before (n - 1) / 50 s; a tenth of a second's worth, 5, may come at once
began=$(date +%s%N)
produce 100 201 64
within 30s lines 205
took_ms=$((($(date +%s%N) - began) / 1000000))
[ "$took_ms" -ge 1850 ] || fail "100 events at 50 a second took $took_ms ms only"
equal 'events of the file' 205 "$(jq -r .id slow | sort -u | wc -l)"
# the first line after a failure is the probe, and takes its moment like any other
mkdir slow.d
mv slow slow.d/ && mkdir slow
produce 3 301 64
within 30s grep -q 'event=relay.waits' a.log
rmdir slow && mv slow.d/slow slow
within 60s lines 208
weir_stop a
equal 'exit status' 0 "$status"
