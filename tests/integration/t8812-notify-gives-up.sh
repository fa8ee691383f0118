#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8812 - a receiver that fails at one event for ever: it becomes a dead letter in time, over a kill, and its key goes on; one
#         that is overloaded loses nothing
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r '{ "/one": { "status": 202, "ids": { "e-5": { "status": 500, "body": "no such order" } } }, "/busy": { "status": 503 } }'
both='allow_plain = true; allow_private = true; give_up = "6s"'
prepare 1 plugin=notify "sinks=
  { name = \"one\"; url = \"http://127.0.0.1:${port[r]}/one\"; $both; },
  { name = \"busy\"; url = \"http://127.0.0.1:${port[r]}/busy\"; $both; }" 'options= rules = ( { to = [ "one", "busy" ]; } );'
weir_start a
produce 40 1 8
wait_caught_up
failing() { [ "$(sql "select count(*) from weir.outbox where destination = 'one' and refused_us > 500000")" = 1 ]; }
within 30s failing || fail 'its clock does not run'
before=$(sql "select refused_us from weir.outbox where refused_us > 500000 and destination = 'one'")
weir_kill a
equal 'letters so far' '' "$(letters)"
weir_start a
given_up() { [ "$(letters)" = kept1 ]; }
within 40s given_up || fail "it is not given up: $(sql 'select destination, attempts, refused_us, error from weir.outbox order by id limit 3')"
equal 'the letter' 'deliver gave-up-http-500 sink one e-5' "$(sql "select class, reason, destination, event_id from weir.dead_letter" | tr '|' ' ')"
tries=$(received_count r 'h["ce-id"] == "e-5" and r["path"] == "/one"')
equal 'attempts' "$tries" "$(sql 'select attempts from weir.dead_letter')"
sql 'select text from weir.dead_letter' >text.txt
has text.txt 'no such order'
echo "$tries tries; $before us were counted before the kill"
all_but_one() { [ "$(received r 'h["ce-id"]' 'r["path"] == "/one" and r["answered"] == 202' | sort -u | wc -l)" = 39 ]; }
within 30s all_but_one
equal 'order within a key' '' "$(received r 'h["ce-subject"] + " " + str(json.loads(body)["n"])' 'r["path"] == "/one" and r["answered"] == 202' |
        awk '$2 < last[$1] { print } { last[$1] = $2 }')" # what was under way at the kill goes twice
equal 'what the busy one has used up' 0 "$(sql "select sum(refused_us) from weir.outbox where destination = 'busy'")"
equal 'what waits for the busy one' 40 "$(sql "select count(*) from weir.outbox where destination = 'busy'")"

# the receiver is mended: sent again, it is the same message
receiver_tell r '{ "*": { "status": 202 } }'
"$WEIR" relay open sink busy -c "$config" >relay.log
wait_relayed 60s
dlq requeue >dlq.log 2>&1 || fail "requeue: $(cat dlq.log)"
wait_relayed 60s
it_arrived() { [ "$(received_count r 'h["ce-id"] == "e-5" and r["path"] == "/one" and r["answered"] == 202')" = 1 ]; }
within 20s it_arrived
equal 'ids of it' 1 "$(received r 'h["webhook-id"]' 'h["ce-id"] == "e-5" and r["path"] == "/one"' | sort -u | wc -l)"
weir_stop a
