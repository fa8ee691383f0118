#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8303 - SIGKILL while a webhook is on its way, and between its delivery and its removal: the repetition is the same event
#         under the same id; an answer that is cut in its body is no reason to send again
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
receiver_start r
configure plugin=sender options='sinks = [ "hook" ];' sinks="
  { name = \"hook\"; url = \"http://127.0.0.1:${port[r]}/in\"; allow_plain = true; allow_private = true; }"
migrate
receiver_tell r "{ \"*\": { \"until\": \"$TEST_DIR/answer\" } }"
produce 1
weir_start a
within 30s received_at_least r 1
weir_kill a # on its way: the receiver has it, nobody has heard its answer
touch answer
equal 'rows after the first kill' 1 "$(rows weir.outbox)"

sql "create function gate() returns trigger language plpgsql as \$\$ begin perform pg_advisory_xact_lock_shared(4711); return old; end \$\$;
create trigger gate before delete on weir.outbox for each row execute function gate()"
psql -XqAt "$url" -c 'select pg_advisory_lock(4711)' -c 'select pg_sleep(600)' >/dev/null 2>&1 &
gate=$!
locks() { sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and $1"; }
held() { [ "$(locks granted)" -ge 1 ]; }
stuck() { [ "$(locks 'not granted')" -ge 1 ]; }
ended() { ! stuck; }
within 10s held
weir_start a
within 40s stuck || fail 'the delivered row is not removed'
equal 'requests' 2 "$(received_count r)"
weir_kill a # delivered, answered, and still in the table
within 10s ended
sql "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and granted" >/dev/null
wait "$gate" 2>/dev/null || true
equal 'rows after the second kill' 1 "$(rows weir.outbox)"

receiver_tell r '{ "*": { "status": 200, "cut": "body" } }'
weir_start a
wait_relayed 40s
equal 'requests, the last one cut in its answer' 3 "$(received_count r)"
equal 'ids and bytes of the three' 1 "$(received r 'h["webhook-id"] + " " + h["ce-id"] + " " + body' | sort -u | wc -l)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
