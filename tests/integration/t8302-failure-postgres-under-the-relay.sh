#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8302 - PostgreSQL dies under the relay: while rows leave for a topic, and while a webhook is on its way. Nothing is lost,
#         a repetition is the same event, keys stay in order
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 2
out=$topic-out
kafkactl create "$out" 2
new_db
receiver_start r
receiver_tell r "{ \"*\": { \"until\": \"$TEST_DIR/answer\" } }"
configure plugin=sender options="topic = \"$out\"; sinks = [ \"hook\" ];" sinks="
  { name = \"hook\"; url = \"http://127.0.0.1:${port[r]}/in\"; allow_plain = true; allow_private = true; timeout = \"2min\"; max_concurrent = 4; }"
migrate
# a row at a time: each DELETE of a delivered row takes its time, so that the database dies between delivery and removal
sql "create function slow() returns trigger language plpgsql as \$\$ begin perform pg_sleep(0.002); return old; end \$\$;
create trigger slow before delete on weir.outbox for each row execute function slow()"
produce 1500 1 16
weir_start a
wait_caught_up
for left in 1200 800 400; do
        when 60s "(select count(*) from weir.outbox where kind = 't') <= $left" || fail "rows do not leave: $(rows weir.outbox)"
        "$SUPPORT/pg.sh" restart "$PG_DIR" immediate >/dev/null
done
within 20s logged a event=relay.store_lost
within 60s received_at_least r 4 # they hang in the receiver, over the restarts
touch answer
wait_relayed 120s
logged a event=relay.store_back || fail 'nobody said that the database is back'
weir_stop a
equal 'exit status' 0 "$status"
records "$out" >records.txt
equal 'distinct events' 1500 "$(awk '{ print $5 }' records.txt | sort -u | wc -l)"
equal 'distinct events and bytes' 1500 "$(cut -d' ' -f4- records.txt | sort -u | wc -l)"
echo "records $(wc -l <records.txt), requests $(received_count r)"
in_order "$out"
equal 'events at the receiver' 1500 "$(received r 'h["ce-id"]' 'r["answered"]' | sort -u | wc -l)"
equal 'ids of repetitions' 1500 "$(received r 'h["ce-id"] + " " + h["webhook-id"] + " " + (body or "")' | sort -u | wc -l)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'rows left' 0 "$(rows weir.outbox)"
