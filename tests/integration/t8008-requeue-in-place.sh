#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8008 - dead letters that are marked are run again by the live worker: once into effect, over kills and duplicates
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 member=one plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" 'more=dead = { max_share = 100; };' \
        'retry=attempts = 3; first_delay = "20ms"; max_delay = "20ms";'
mark() { sql "update weir.dead_letter set state = 'requeue', round = round + 1, attempts = 0, marked_at = now() where $1"; }
states() { sql 'select state || count(*) from weir.dead_letter group by state order by 1' | xargs; }
for i in $(seq 1 40); do gate "bad-$i" reject; done
gate later retry
for i in $(seq 1 40); do event "bad-$i" test.made "s$i"; done | emit
event later test.made | emit
produce 200
weir_start a
wait_caught_up
equal 'after the first round' 'kept41' "$(states)"
equal 'effects' 200 "$(rows probe.event)"

weir_kill a
mark true # nothing has changed: they fail again; and once nothing of it is written down
weir_dies a aside.failed 5
[ "$(rows "weir.dead_letter where state = 'kept'")" -le 4 ] || fail "kept before it was counted: $(states)"
weir_start a
settled() { [ "$(rows "weir.dead_letter where state = 'requeue'")" = 0 ]; }
within 30s settled || fail "not settled: $(states)"
equal 'after the second round' 'kept41' "$(states)"
equal 'rounds' 2 "$(sql 'select distinct round from weir.dead_letter')"
equal 'attempts' '1 3' "$(sql 'select distinct attempts from weir.dead_letter order by 1' | xargs)"

gate_open
event bad-7 test.made other | emit # its duplicate comes into effect first
duplicate_in() { [ "$(sql "select count(*) from probe.event where id = 'bad-7'")" = 1 ]; }
within 20s duplicate_in
weir_stop a
equal 'exit status' 0 "$status"
mark "event_id <> 'bad-8'"
for point in aside.handled aside.settled aside.committed; do
        weir_dies b "$point" 4
done
weir_start b
within 30s settled || fail "not settled: $(states)"
equal 'after the third round' 'applied39 duplicate1 kept1' "$(states)"
mark "event_id = 'bad-1'" # by mistake, once more
within 30s settled
equal 'after a mistake' 'applied38 duplicate2 kept1' "$(states)"
for i in $(seq 1 40); do expect "bad-$i"; done
expect later
check_decided_once
weir_stop b
