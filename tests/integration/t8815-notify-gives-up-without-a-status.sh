#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8815 - a receiver that cuts the connection at one event, and takes the others: that event becomes a dead letter in time;
#         where nothing arrives, nothing is used up
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r '{ "/one": { "status": 202, "ids": { "e-5": { "cut": "before" } } }, "/down": { "cut": "before" } }'
both='allow_plain = true; allow_private = true; give_up = "6s"'
prepare 1 plugin=notify "sinks=
  { name = \"one\"; url = \"http://127.0.0.1:${port[r]}/one\"; $both; },
  { name = \"down\"; url = \"http://127.0.0.1:${port[r]}/down\"; $both; }" 'options= rules = ( { to = [ "one", "down" ]; } );'
weir_start a
produce 40 1 8
made=40
given_up() { # while others arrive
        made=$((made + 1))
        produce 1 "$made" 8
        [ "$(letters)" = kept1 ]
}
within 60s given_up || fail "it is not given up: $(sql 'select destination, attempts, refused_us, error from weir.outbox order by id limit 3')"
equal 'the letter' 'deliver gave-up-no-answer sink one e-5' "$(sql "select class, reason, destination, event_id from weir.dead_letter" | tr '|' ' ')"
has a.log 'event=relay.event_waits sink=one'
wait_caught_up
rest() { [ "$(received r 'h["ce-id"]' 'r["path"] == "/one" and r["answered"] == 202' | sort -u | wc -l)" = $((made - 1)) ]; }
within 30s rest
equal 'what the one that is down has used up' 0 "$(sql "select sum(refused_us) from weir.outbox where destination = 'down'")"
equal 'what waits for it' "$made" "$(sql "select count(*) from weir.outbox where destination = 'down'")"
"$WEIR" relay status -c "$config" >status.txt
grep -q '^sink  *down .*waiting' status.txt || fail "status: $(cat status.txt)"
weir_stop a
equal 'exit status' 0 "$status"
