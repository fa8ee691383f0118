#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8506 - killed between delivery and removal: the repetition has the same id and the same bytes
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1
new_db
configure plugin=sender options="topic = \"$out\"; made = true;"
migrate
sql "create function gate() returns trigger language plpgsql as \$\$ begin perform pg_advisory_xact_lock_shared(4711); return old; end \$\$;
create trigger gate before delete on weir.outbox for each row execute function gate()"
psql -XqAt "$url" -c 'select pg_advisory_lock(4711)' -c 'select pg_sleep(600)' >/dev/null 2>&1 &
gate=$!
held() { [ "$(sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and granted")" -ge 1 ]; }
stuck() { [ "$(sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted")" -ge 1 ]; }
within 10s held
produce 1
weir_start a
arrived() { [ "$(kafkactl ends "$out" | awk '{ print $2 }')" -ge "$1" ]; }
within 20s arrived 2
within 10s stuck
weir_kill a
ended() { ! stuck; } # the server has noticed that nobody waits for the statement
within 10s ended
sql "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and granted" >/dev/null
wait "$gate" 2>/dev/null || true
equal 'rows that were delivered and are still there' 2 "$(rows weir.outbox)"
weir_start a
wait_relayed 20s
weir_stop a
records "$out" | cut -d' ' -f4- | sort | uniq -c >records.txt
cat records.txt
equal 'events, each twice' '2 2' "$(awk '{ print $1 }' records.txt | xargs)"
