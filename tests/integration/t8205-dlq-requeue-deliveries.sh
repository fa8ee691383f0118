#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8205 - what a receiver refused goes back into the outbox: the same request with the same webhook-id, and rounds are counted
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
receiver_start r
configure plugin=sender options='sinks = [ "hook" ];' sinks="
  { name = \"hook\"; url = \"http://127.0.0.1:${port[r]}/\"; allow_plain = true; allow_private = true; }"
migrate
receiver_tell r '{ "*": { "status": 400 } }'
produce 20 1 4
weir_start a
wait_caught_up
wait_relayed
equal 'refused' kept20 "$(letters "class = 'deliver' and reason = 'http-400' and round = 1")"
requests() { received r '(h["webhook-id"], h["ce-id"], h["ce-type"], body)' | sort; }
requests >first.txt
equal 'requests' 20 "$(wc -l <first.txt)"

dlq requeue --dry-run >out 2>err
grep -qE '^ +20 +audit +deliver +http-400 +1-1 +outbox ' out || fail "plan: $(cat out)"
hasnt err 'no live worker'
dlq_dies requeue.marked:kill requeue
equal 'killed before COMMIT' kept20 "$(letters)"
equal 'and nothing is sent' 0 "$(rows weir.outbox)"
says 0 dlq requeue
has out '20 requeued'
again() { [ "$(letters)" = 'kept20 sent20' ]; }
within 30s again || fail "not refused again: $(letters)"
equal 'the second round' 20 "$(rows "weir.dead_letter where state = 'kept' and round = 2")"
equal 'they have their names' 20 "$(sql "select count(distinct message_id) from weir.dead_letter")"
says 0 dlq requeue --to "$topic"
has out '20 skipped: they were to be delivered'
says 0 dlq requeue --max-rounds 2
has out '20 skipped: they went through 2 rounds'
receiver_tell r '{}'
says 0 dlq requeue
has out '20 requeued'
received_all() { [ "$(received_count r)" = 60 ]; }
within 30s received_all || fail "received $(received_count r)"
wait_relayed
equal 'at the end' sent40 "$(letters)"
requests | uniq -c | awk '{ print $1 }' | sort -u >times.txt
equal 'each request was the same one three times' 3 "$(xargs <times.txt)"
equal 'requests, distinct' 20 "$(requests | uniq | wc -l)"
weir_stop a
