#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8510 - 410 retires a sink, its events become dead letters, others do not notice; an operator opens it again
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
receiver_start r
configure sandbox= plugin=sender options='sinks = [ "hook", "paper" ];' sinks="
  { name = \"hook\"; url = \"http://127.0.0.1:${port[r]}/\"; allow_plain = true; allow_private = true; },
  { name = \"paper\"; file = \"$TEST_DIR/lines\"; }"
migrate
receiver_tell r '{ "*": { "status": 410 } }'
produce 50 1 1
weir_start a
wait_caught_up
wait_relayed
equal 'requests' 1 "$(received_count r)"
equal 'dead letters' 'http-410 1|retired 49' \
        "$(sql "select string_agg(reason || ' ' || n, '|' order by reason) from (select reason, count(*) n from weir.dead_letter
                where class = 'deliver' and destination = 'sink hook' and source = '/test' and event_id like 'e-%' group by 1) t")"
equal 'lines' 50 "$(wc -l <lines)"
logged a event=relay.retired || fail 'nobody was told'
"$WEIR" relay status -c "$config" | tee status.txt
grep -qE '^sink +hook +0 +0 .*retired' status.txt || fail 'status does not say so'
receiver_tell r '{}'
"$WEIR" relay open sink hook -c "$config"
produce 50 51 1
opened() { [ "$("$WEIR" relay status --json -c "$config" | jq -r '.[] | select(.name == "hook") | .state')" = open ]; }
within 10s opened
received_all() { [ "$(received r 'h["ce-id"]' | sort -u | wc -l)" -ge 51 ]; }
within 30s received_all || fail "received $(received_count r)"
wait_relayed
equal 'dead letters' 50 "$(rows weir.dead_letter)"
weir_stop a
