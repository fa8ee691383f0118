#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8513 - PostgreSQL refuses a statement of the relay: it waits longer each time, says what to do, and nothing goes twice
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1
new_db
configure plugin=sender options="topic = \"$out\";"
migrate
# a sequence is not rolled back: it counts the tries, and the table remembers the wall clock of none
sql "create sequence public.tries;
create function public.no() returns trigger language plpgsql as 'begin perform nextval(''public.tries'');
        raise exception ''permission denied for table outbox'' using errcode = ''42501''; end';
create trigger no before delete on weir.outbox for each statement execute function public.no()"
weir_start a
produce 100
tried() { [ "$(sql "select case when is_called then last_value else 0 end from public.tries")" -ge "$1" ]; }
within 30s tried 1
began=${EPOCHREALTIME/[.,]/}
within 60s tried 6
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
echo "from the first to the sixth try: $took ms"
[ "$took" -ge 4000 ] || fail "six tries in $took ms: it does not wait longer each time" # 250 + ... + 4000, less a quarter
equal 'lines about it' 1 "$(grep -c event=relay.store_refused a.log)"
logged a 'relay.store_refused .*42501.*next="grant the right' || fail 'nobody is told what to do'
equal 'records while it goes on' 100 "$(records "$out" | wc -l)"
sql 'drop trigger no on weir.outbox'
wait_relayed 60s
produce 100 101
wait_relayed
wait_caught_up
weir_stop a
equal 'exit status' 0 "$status"
equal 'records' 200 "$(records "$out" | wc -l)"
in_order "$out"
