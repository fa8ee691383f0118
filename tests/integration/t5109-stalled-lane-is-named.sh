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
# somebody locks the table and forgets it
lock() {
        psql -Xq "${url:-$PG}" -c "begin; lock table weir.position in access exclusive mode; select pg_sleep(600)" >/dev/null 2>&1 &
        holder=$!
        when 10s "exists (select from pg_locks where relation = 'weir.position'::regclass and mode = 'AccessExclusiveLock' and granted)"
}
unlock() {
        kill "$holder"
        sql "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()" >/dev/null
}
stalls() { [ "$(grep -c "event=lane.stalls worker=audit topic=$topic partition=0 offset=$1 ms=[0-9]* because=\"waits for PostgreSQL" a.log)" = 1 ]; }
is_named() { # OFFSET: within 10 s of now
        local began took_ms
        began=$(date +%s%N)
        within 12s stalls "$1"
        took_ms=$((($(date +%s%N) - began) / 1000000))
        [ "$took_ms" -lt 10000 ] || fail "named after $took_ms ms"
}
lock # and the lane stands between BEGIN and COMMIT
produce 10 11
is_named 10
[ "$(rows audit.event)" = 10 ] || fail 'it moved'
unlock
within 20s logged a 'event=lane.moves'
within 20s rows_at_least 20 audit.event
lock # and the lane, which has nothing to do, asks for letters and moves
when 10s "exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%weir.position%' and pid <> pg_backend_pid())"
produce 10 21
is_named 20
unlock
moves() { [ "$(grep -c event=lane.moves a.log)" = 2 ]; }
within 20s moves
wait_caught_up
check_exactly_once
equal 'stalls told' 2 "$(grep -c event=lane.stalls a.log)"
hasnt a.log process.died
weir_stop a
equal 'exit status' 0 "$status"
