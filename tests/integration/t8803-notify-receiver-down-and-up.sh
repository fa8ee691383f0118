#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8803 - a receiver that is down: its events wait, the partition and the other sinks go on; then all arrive, in order per key
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start down
receiver_stop down
receiver_start up
prepare 4 plugin=notify "sinks=
  { name = \"down\"; url = \"http://127.0.0.1:${port[down]}/\"; allow_plain = true; allow_private = true; },
  { name = \"up\"; url = \"http://127.0.0.1:${port[up]}/\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "down", "up" ]; } );'
weir_start a
produce 200 1 8
wait_caught_up
within 60s received_at_least up 200
equal 'waiting' 200 "$(sql "select count(*) from weir.outbox where destination = 'down'")"
within 20s logged a 'event=relay.waits .*sink=down'
equal 'dead letters' 0 "$(rows weir.dead_letter)"
receiver_start down
within 100s received_at_least down 200
wait_relayed 30s
equal 'events' 200 "$(received down 'h["ce-id"]' | sort -u | wc -l)"
for name in down up; do
        equal "$name: order within a key" '' "$(received "$name" 'h["ce-subject"] + " " + str(json.loads(body)["n"])' |
                awk '$2 <= last[$1] { print } { last[$1] = $2 }')"
done
weir_stop a
equal 'exit status' 0 "$status"
