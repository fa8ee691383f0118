#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t2003 - generations are begun and dropped under load, as fast as it goes, while every event comes in four partitions, at once
#         and one round later: nothing lost, nothing doubled, and a drop as soon as the last copy was met harms nobody
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-8} # of 200 in the nightly runs; an even number. REPORT=FILE gets the figures
round=500           # events, each in every partition

prepare 4 'batch=max_events = 20; linger = "0ms";'
slow 10

# Partitions 0 and 2 hold the rounds in order, 1 and 3 each pair of rounds the other way round: a copy is claimed in the
# same moment elsewhere, or was claimed behind several switches.
for partition in 0 1 2 3; do
        for ((i = 0; i < rounds; i++)); do events $round $(((i ^ (partition % 2)) * round + 1)); done | emit --partition $partition &
done
wait
expect_events $((rounds * round))
weir_start a

# One session, so that it keeps up with the lanes on any machine. What may go is known here and by nobody else: of each of
# its events all four copies have been passed.
sql 'create table public.rotation (switches int, drops int, dropped int8, most int8)'
sql "do \$\$
declare
        g        int4;
        switches int := 0;
        drops    int := 0;
        dropped  int8 := 0;
        claims   int8;
        most     int8 := 0;
begin
        while coalesce((select sum(next_offset) from weir.position), 0) < $((4 * rounds * round)) loop
                if (select count(*) from weir.claim_generation) < 8 then
                        begin
                                perform weir.claim_switch();
                                switches := switches + 1;
                        exception when lock_not_available then
                        end;
                        commit;
                end if;
                most := greatest(most, (select count(*) from weir.claim_generation));
                for g in select generation from weir.claim_generation order by 1 desc offset 1 loop
                        execute format('select count(*) from weir.claim_%s c join weir.position o on o.id = c.position
                                cross join lateral (select c.\"offset\" / $round # (o.partition %% 2) r, c.\"offset\" %% $round i) n
                                cross join generate_series(0, 3) copy left join weir.position p on p.partition = copy
                                where coalesce(p.next_offset, 0) <= (n.r # (copy %% 2)) * $round + n.i', g) into claims;
                        continue when claims > 0;
                        begin
                                execute format('select count(*) from weir.claim_%s', g) into claims;
                                perform weir.claim_drop(g);
                                drops := drops + 1;
                                dropped := dropped + claims;
                        exception when lock_not_available then
                        end;
                        commit;
                end loop;
                perform pg_sleep(0.05);
        end loop;
        insert into public.rotation values (switches, drops, dropped, most);
end \$\$"
IFS='|' read -r switches drops dropped most < <(sql 'table public.rotation')
wait_caught_up

# as check_exactly_once does it, with the claims that were dropped
sql 'select id from audit.event' | LC_ALL=C sort >applied.txt
LC_ALL=C sort -u produced >distinct.txt
equal 'doubled' '' "$(uniq -d applied.txt | head -n 3 | xargs)"
equal 'lost or unknown' '' "$(diff <(uniq applied.txt) distinct.txt | head -n 3 | xargs)"
equal 'claims against the trail' "$(sql 'select sum(fresh) from weir.batch')" $(($(rows weir.claim) + dropped))
equal 'duplicates recognised' $((3 * rounds * round)) "$(sql 'select sum(events - fresh) from weir.batch')"
equal 'a key in two generations' 0 "$(sql 'select count(*) - count(distinct key) from weir.claim')"
equal 'holes in the trail' 0 "$(sql "select count(*) from (select first_offset, lag(next_offset) over (partition by position order by first_offset, id) before
        from weir.batch) t where before <> first_offset")"
commits_behind || fail 'a committed offset is ahead of its position'
hasnt a.log event.dead
if [ "$switches" -lt 4 ] || [ "$drops" -lt 2 ]; then fail "only $switches switches and $drops drops took place under load"; fi
sql 'do $$ begin while weir.claim_sweep() is not null loop end loop; end $$'
equal 'tables that were left behind' 0 "$(sql "select count(*) from weir.claim_dropped where to_regclass('weir.claim_' || generation) is not null")"
printf '%d events in 4 partitions each, %d switches, %d drops of %d claims, %d generations at most; lost 0, doubled 0\n' $((rounds * round)) "$switches" "$drops" \
        "$dropped" "$most" | tee -a "${REPORT:-/dev/null}"
weir_stop a
