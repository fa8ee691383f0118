#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5109 - a lane that has work and does not move is named within 10 s, with its reason; when it moves, that too
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1
weir_start a
produce 10
wait_caught_up
hasnt a.log lane.stalls
# somebody locks the table and forgets it; the lane stands between BEGIN and COMMIT
psql -Xq "${url:-$PG}" -c "begin; lock table weir.position in access exclusive mode; select pg_sleep(600)" >/dev/null 2>&1 &
holder=$!
when 10s "exists (select from pg_locks where relation = 'weir.position'::regclass and mode = 'AccessExclusiveLock' and granted)"
produce 10 11
began=$(date +%s%N)
within 12s logged a 'event=lane.stalls'
took_ms=$((($(date +%s%N) - began) / 1000000))
[ "$took_ms" -lt 10000 ] || fail "named after $took_ms ms"
logged a "event=lane.stalls worker=audit topic=$topic partition=0 offset=10 ms=[0-9]+ because=\"waits for PostgreSQL"
[ "$(rows audit.event)" = 10 ] || fail 'it moved'
kill "$holder"
sql "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()" >/dev/null
within 20s logged a 'event=lane.moves'
check_exactly_once
equal 'stalls told' 1 "$(grep -c event=lane.stalls a.log)"
hasnt a.log process.died
weir_stop a
equal 'exit status' 0 "$status"
