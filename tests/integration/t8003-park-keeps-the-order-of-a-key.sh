#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8003 - retry.order = park: the partition flows, later events of the key wait behind, a duplicate is not applied twice
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 1000; first_delay = "50ms"; max_delay = "200ms"; order = "park";'
gate e-100
gate e-101
produce 2000 1 16 # e-100 has the key s4, e-101 s5
event e-101 test.made other | emit # a producer's duplicate under another key
event alone test.made '' | kafkactl produce "$topic" 0 -h content-type=application/cloudevents+json # no key
gate alone
expect alone
weir_start a
wait_caught_up 20s
equal 'parked: two keys from their first failure on, the duplicate, and one without a key' 240 "$(rows weir.parked)"
equal 'parked untried' 236 "$(rows 'weir.parked where attempts = 0')"
equal 'effects of other keys' 1762 "$(rows probe.event)"
called_thrice() { [ "$(calls e-100)" -ge 3 ]; }
within 20s called_thrice || fail 'the first of the key is not tried again'
gate_open
none_parked() { [ "$(rows weir.parked)" = 0 ]; }
within 30s none_parked || fail "still parked: $(rows weir.parked)"
check_decided_once
equal 'effects of a key out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event where kkey is not null) t where before >= "offset"')"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
