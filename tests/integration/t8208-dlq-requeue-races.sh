#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8208 - a requeued event meets itself: its duplicate in another partition at the same moment, a process that was believed
#         dead in the middle of it, its own record read again, a second requeue. One effect each
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };'
count=200
sql "insert into probe.gate select 'bad-' || i, 'reject' from generate_series(1, $count) i"
bad() { seq "$1" "$2" | while read -r i; do event "bad-$i" test.made; done; } # FIRST LAST
bad 1 "$count" | emit --partition 0
seq -f 'bad-%.0f' 1 "$count" >>produced
put 100 1 0
put 100 101 1
expect_events 200
weir_start a
wait_caught_up
equal 'dead letters' "kept$count" "$(letters)"
gate_open
settled() { [ "$(rows "weir.dead_letter where state = 'requeue'")" = 0 ]; }
state() { sql "select state from weir.dead_letter where event_id = '$1'"; }
effects() { sql "select coalesce(string_agg(partition::text, ' '), 'none') from probe.event where id = '$1'"; }

# Held between its claim and its COMMIT, in partition $at, while the other one asks for the same claim. Who was first has it,
# and who waited has it where the first was rolled back.
sql "create table public.hold (id text, partition int);
create function public.hold() returns trigger language plpgsql as \$\$ begin
        if exists (select from public.hold h where h.id = new.id and h.partition = new.partition) then perform pg_advisory_xact_lock_shared(4711); end if;
        return new; end \$\$;
create trigger hold before insert on probe.event for each row execute function public.hold()"
locks() { sql "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and $1"; }
closed() { [ "$(locks granted)" = 1 ]; }
held() { [ "$(locks 'not granted')" = 1 ]; }
opened() { [ "$(locks true)" = 0 ]; }
asks() { [ "$(sql "select count(*) from pg_stat_activity where wait_event = 'transactionid' and query like '%claim%'")" -ge 1 ]; }
close_door() { # ID PARTITION
        sql "insert into public.hold values ('$1', $2)"
        psql -XqAt "$url" -c 'select pg_advisory_lock(4711)' -c 'select pg_sleep(600)' >/dev/null 2>&1 &
        door=$!
        within 10s closed
}
open_door() {
        sql "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and granted" >/dev/null
        wait "$door" 2>/dev/null || true
        within 10s opened
}
requeue() { says 0 dlq requeue --id "$(sql "select id from weir.dead_letter where event_id = '$1'")"; }
duplicate() { bad "$1" "$1" | emit --partition 1; }

close_door bad-1 0 # the letter is first
requeue bad-1
within 20s held || fail 'the letter is not run'
duplicate 1
within 20s asks || fail 'the duplicate does not ask for the claim'
open_door
within 20s settled
wait_caught_up
equal 'first the letter' 'applied 0' "$(state bad-1) $(effects bad-1)"

close_door bad-2 1 # the duplicate is first
duplicate 2
within 20s held || fail 'the duplicate is not handled'
requeue bad-2
within 20s asks || fail 'the letter does not ask for the claim'
open_door
within 20s settled
wait_caught_up
equal 'first the duplicate' 'duplicate 1' "$(state bad-2) $(effects bad-2)"

close_door bad-3 0 # the letter is first, and its session dies
requeue bad-3
within 20s held
duplicate 3
within 20s asks
sql "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted" >/dev/null
wait_caught_up
open_door
within 20s settled
equal 'first the letter, rolled back' 'duplicate 1' "$(state bad-3) $(effects bad-3)"
weir_stop a

# believed dead in the middle: another process takes its partitions and runs the letters; then it goes on
says 0 dlq requeue --id "$(sql "select string_agg(id::text, ',') from weir.dead_letter where event_id in ('bad-4', 'bad-5', 'bad-6', 'bad-7')")"
has out '4 requeued'
weir_halts z aside.settled 2 # claimed, handled and marked as applied, not committed
weir_start y
within 60s settled || fail "nobody else runs them: $(letters)"
weir_goes_on z
within 30s logged z 'event=(lane.fenced|aside.waits)' || fail 'it does not notice'
logged y 'event=position.held .*session ended' || fail 'its session was not ended'
weir_stop z
weir_stop y
equal 'states' applied4 "$(letters "event_id in ('bad-4', 'bad-5', 'bad-6', 'bad-7')")"
equal 'effects' '4 4' "$(sql "select count(*) || ' ' || count(distinct id) from probe.event where id in ('bad-4', 'bad-5', 'bad-6', 'bad-7')")"

# the rest at once: two requeues, one in place and one to a topic, the records read again from the start, twice, and a SIGKILL
slow 2
weir_start b
dlq requeue --rate 200 >requeue-1.txt 2>&1 &
first=$!
dlq requeue --to "$topic" --rate 200 --limit 60 >requeue-2.txt 2>&1 &
second=$!
came_out() { [ "$(rows "weir.dead_letter where state in ('applied', 'duplicate')")" -ge "$1" ]; }
within 40s came_out 30 || fail 'the letters are not run'
"$WEIR" position set audit "$topic/0" 0 --reason again
within 40s came_out 50
weir_kill b
"$WEIR" position set audit "$topic/0" 0 --reason 'and again'
weir_start c
for one in "$first" "$second"; do wait "$one" || fail "a requeue: $(cat requeue-*.txt)"; done
within 60s settled || fail "not settled: $(letters)"
wait_relayed
echo "letters: $(letters)"
equal 'taken by the two' $((count - 7)) "$(awk '/^[0-9]+ requeued$/ { n += $1 } END { print n + 0 }' requeue-*.txt)"
check_decided_once
equal effects $((count + 200)) "$(rows probe.event)"
equal 'effects, distinct' $((count + 200)) "$(sql 'select count(distinct id) from probe.event')"
equal 'left' 0 "$(rows "weir.dead_letter where state in ('kept', 'requeue')")"
weir_stop c
equal 'exit status' 0 "$status"
