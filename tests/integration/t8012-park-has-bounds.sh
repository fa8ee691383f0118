#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8012 - retry.park_max_keys and park_max_events: at the bound the partition waits, with what is parked still tried; then it goes on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'batch=max_events = 8;' 'retry=attempts = 1000; first_delay = "20ms"; max_delay = "50ms"; order = "park"; park_max_keys = 2; park_max_events = 5;'
sql "create table public.most (events int, keys int);
create function public.most() returns trigger language plpgsql as \$\$ begin
        insert into public.most select count(*), count(distinct key) from weir.parked; return null; end \$\$;
create trigger most after insert on weir.parked for each row execute function public.most()"
for id in 10 11 12; do gate "e-$id"; done
produce 80 1 8 # offsets 0 to 79; a key has every eighth event
at() { [ "$(sql 'select next_offset from weir.position')" = "$1" ]; }
called() { [ "$(calls "$1")" -ge "$2" ]; }
weir_start a
within 30s called e-12 5 || fail 'the third key is not tried again'
at 11 || fail "the position is not at the event of the third key: $(positions)"
equal 'parked: a key each' 'e-10 e-11' "$(sql 'select event_id from weir.parked order by id' | xargs)"
equal 'effects before it, and none behind' 9 "$(rows probe.event)"
before=$(calls e-10)
within 30s called e-10 $((before + 3)) || fail 'what is parked is not tried while the partition waits'

sql "delete from probe.gate where id = 'e-12'"
within 30s at 26 || fail "the position is not at the sixth event of parked keys: $(positions)"
before=$(calls e-10)
within 30s called e-10 $((before + 3)) # for a while
at 26 || fail "it went on beyond the bound: $(positions)"
equal 'parked: as many as may be' 'e-10 e-11 e-18 e-19 e-26' "$(sql 'select event_id from weir.parked order by id' | xargs)"
equal 'called behind the bound' 0 "$(calls e-28)"

sql "delete from probe.gate where id = 'e-10'" # its key is done with; there is room for the other one's
within 30s at 50 || fail "the position is not at the next bound: $(positions)"
equal 'parked: of one key' 'e-11 e-19 e-27 e-35 e-43' "$(sql 'select event_id from weir.parked order by id' | xargs)"
gate_open
check_decided_once
equal 'the most that was ever parked: events, keys' '5|2' "$(sql 'select max(events), max(keys) from public.most')"
equal 'effects of a key out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event) t where before >= "offset"')"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
