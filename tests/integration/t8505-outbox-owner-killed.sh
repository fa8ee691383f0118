#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8505 - kill -9 of the process that has the leases: the other one sends what is left, within seconds
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 4
out=$topic-out
kafkactl create "$out" 4
new_db
configure plugin=sender options="topic = \"$out\";"
migrate
# a stops at the first DELETE, so all leases and all rows are its own when it dies
sql "create function gate() returns trigger language plpgsql as \$\$ begin perform pg_advisory_xact_lock_shared(4711); return old; end \$\$;
create trigger gate before delete on weir.outbox for each row execute function gate()"
psql -XqAt "$url" -c 'select pg_advisory_lock(4711)' -c 'select pg_sleep(600)' >/dev/null 2>&1 &
gate=$!
held() { [ "$(sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and granted")" -ge 1 ]; }
stuck() { [ "$(sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted")" -ge 1 ]; }
within 10s held
produce 3000 1 64
weir_start a
wait_caught_up
within 10s stuck
delivered=$(records "$out" | wc -l)
[ "$delivered" -gt 0 ] || fail 'nothing was delivered before the kill'
weir_start b
started() { logged b event=relay.started; }
within 10s started
weir_kill a
ended() { ! stuck; } # the server has noticed that nobody waits for the statement
within 10s ended
sql "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and granted" >/dev/null
wait "$gate" 2>/dev/null || true
began=${EPOCHREALTIME/[.,]/}
wait_relayed 20s
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
echo "delivered before the kill $delivered; taken over and sent in $took ms"
[ "$took" -le $((5000 * ${TIMEOUT_FACTOR:-1})) ] || fail 'the other took too long'
weir_stop b
records "$out" | awk '{ print $5 }' | sort -u >ids.txt
equal 'distinct events' 3000 "$(wc -l <ids.txt)"
in_order "$out"
