#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7203 - each policy over the same history: missing heals gaps, again runs once per epoch, live steps over; what is dead, left
#         out, withheld or gone twice is told, and preview says all of it before
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

replay() { "$WEIR" replay "$@" -c "$config"; }
told() { psql -XqAt -v text="$(cat out)" "$url" <<<"select $1 from (select :'text'::jsonb j) t" | tr '|' ' '; }
lose() { # WHERE: rows and claims, as if they had never been
        sql "with e as (delete from probe.event where $1 returning topic, partition, \"offset\")
                delete from weir.claim_1 c using weir.position p, e
                where p.id = c.position and p.topic = e.topic and p.partition = e.partition and c.\"offset\" = e.\"offset\""
}
again_rows() { sql "select count(*) || ' ' || count(distinct id) from probe.event where replay = '$1'"; }

prepare 4 plugin=probe options='reject_type = "bad"; retry_type = "shy"; retry_times = 1;' retry='first_delay = "1ms";'
produce 2000
produce 100 1          # duplicates, which never run
event bad-1 bad | emit # refused, by whoever runs it
echo 'no event' | kafkactl produce "$topic" 1
event shy-1 shy | emit
put 3 3001 2 -x "$topic-x" abort
weir_start a
wait_caught_up
equal 'live' '2001 2' "$(rows probe.event) $(rows weir.dead_letter)"

# nothing is missing: nothing is applied; what is dead fails again, says so by the exit status, and has its letter
says 1 replay start audit --policy missing --from earliest --json --quiet
equal 'nothing to do' 'done 0 2101 2' "$(told "j->>'state', j->>'applied', j->>'skipped', j->>'dead'")"
equal 'rows' 2001 "$(rows probe.event)"

# a gap is healed, by the very events that are missing, and preview knows how many
lose "id in (select 'e-' || n from generate_series(501, 620) n)"
says 0 replay preview audit --policy missing --json
equal 'foretold, with the one that is refused' '121 2' "$(told "j->'sum'->>'would_run', j->'sum'->>'dead_letters'")"
says 1 replay start audit --policy missing --json --quiet
equal 'healed' '2001 120' "$(rows probe.event) $(sql "select count(*) from probe.event where replay = 'missing'")"
equal 'no letter was written twice' 2 "$(rows weir.dead_letter)"
equal 'each once' 0 "$(sql 'select count(*) - count(distinct id) from probe.event')"

# a new epoch: once more, once
says 1 replay start audit --policy again --epoch e1 --json --quiet # there are letters
equal 'all of them' '2001 2001' "$(again_rows e1)"
equal 'letters of the epoch' 'decode reject' "$(sql "select class from weir.dead_letter where epoch = 'e1' order by 1" | xargs)"
says 1 replay start audit --policy again --epoch e1 --json --quiet
equal 'and no more' '2001 2001' "$(again_rows e1)"
equal 'not one letter more' 4 "$(rows weir.dead_letter)"
says 1 replay start audit --policy again --epoch e2 --quiet
equal 'another epoch' '2001 2001' "$(again_rows e2)"
equal 'ordinary redelivery does nothing' 2001 "$(sql 'select count(*) from probe.event where replay is null or replay = '"'missing'")"

# a letter of an epoch is run again in that epoch, by the live worker
sed -i 's/reject_type = "bad"; //' weir.cfg
weir_stop a
weir_start a
says 0 dlq requeue --class reject
letters_done() { [ "$(sql "select count(*) from weir.dead_letter where class = 'reject' and state = 'applied'")" = 3 ]; }
within 30s letters_done
equal 'in live, and in each epoch' '|e1|e2' "$(sql "select coalesce(replay, '') from probe.event where id = 'bad-1' order by 1" | paste -sd'|')"

# a filter means its events and no others
says 0 replay start audit --policy again --epoch one --id e-7 --id e-8 --source /test --json --quiet
equal 'two' 'e-7 e-8' "$(sql "select id from probe.event where replay = 'one' order by 1" | xargs)"

# a rate bounds each transaction too: a batch of the usual size would be let through whole
"$WEIR" replay start audit --policy again --epoch slow --rate 20 --quiet -c "$config" >>replay.log 2>&1 &
slowly=$!
started() { rows_at_least 1 "probe.event where replay = 'slow'"; }
within 20s started
says 0 replay stop "$(sql 'select max(id) from weir.replay')"
wait "$slowly" || true
equal 'records at once' t "$(sql "select max(records) <= 20 from weir.batch b join weir.replay_range r using (position)
        join weir.replay y on y.id = r.replay where y.epoch = 'slow'")"
sql "delete from probe.event where replay = 'slow'"

# the live positions go back, under the running worker: it steps over
lose "id in (select 'e-' || n from generate_series(1, 50) n) and replay is null"
says 0 replay start audit --policy live --from earliest --yes --reason 'a gap'
live_healed() { [ "$(sql "select count(*) from probe.event where (replay is null or replay = 'missing')")" = 2002 ]; }
within 30s live_healed
wait_caught_up
equal 'one assignment' 1 "$(grep -c 'event=group.assigned' <(tail -n +"$(grep -n 'event=worker.started' a.log | tail -1 | cut -d: -f1)" a.log))"
says 0 replay list --json
equal 'all of them are there' 8 "$(told "jsonb_array_length(j)")"
weir_stop a
