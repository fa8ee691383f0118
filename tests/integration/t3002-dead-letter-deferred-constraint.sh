#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What only COMMIT refuses is found and kept: a deferred constraint in a batch of many, and alone. The others are applied.
. "$(dirname "$0")/lib.sh"
prepare 1
sql "create function audit.refuse() returns trigger language plpgsql as \$\$ begin
        raise exception 'id % is refused', new.id using errcode = '23514'; end \$\$;
create constraint trigger refuse after insert on audit.event deferrable initially deferred
        for each row when (new.id in ('e-77', 'e-500')) execute function audit.refuse()"
produce 500
weir_start a
wait_caught_up
equal 'rows' 498 "$(rows)"
equal 'dead letters' 'e-500|23514
e-77|23514' "$(sql "select event_id, reason from weir.dead_letter order by 1")"
equal 'its text' t "$(sql "select bool_and(text like '%is refused%') from weir.dead_letter")"
grep -vxE 'e-(77|500)' produced >others
mv others produced
check_exactly_once
weir_stop a
equal exit 0 "$status"
