#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7202 - replay preview: what it says of every kind of record, by reading and by the tables alone; it writes nothing
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

preview() { "$WEIR" replay preview audit -c "$config" "$@"; }
of() { psql -XqAt -v text="$(cat out)" "$url" <<<"select $1 from (select :'text'::jsonb j) t" | tr '|' ' '; }
sum() { # WORD..: these of the sum
        local word words=''
        for word; do words="$words, j->'sum'->>'$word'"; done
        of "${words#, }"
}
part() { # PARTITION WORD..
        local word words=''
        for word in "${@:2}"; do words="$words, p->>'$word'"; done
        psql -XqAt -v text="$(cat out)" "$url" <<<"select ${words#, } from jsonb_array_elements(:'text'::jsonb->'partitions') p
                where p->>'partition' = '$1'" | tr '|' ' '
}
written() { sql "select md5(string_agg(t, ',' order by t)) from (select p::text from weir.position p union all select c::text from weir.position_change c
        union all select r::text from weir.replay r) t(t)"; }
all='records undecodable events left_out applied repeated would_run dead_letters'
one() { printf '%s\n' "$2" | kafkactl produce "$topic" "$1" -h content-type=application/cloudevents+json; }

prepare 4 plugin=probe options='reject_type = "bad";'
put 10 1 0
put 5 11 0 -x "$topic-0" commit   # and a marker, which comes when the coordinator has time
marked() { kafkactl ends "$topic" | grep -qx "0 $1"; }
within 10s marked 16
one 0 "$(event bad-1 bad)"        # the plugin refuses it
echo 'no event' | kafkactl produce "$topic" 0
kafkactl produce "$topic" 0 -0    # a tombstone is no event either
put 5 901 0 -x "$topic-1" abort   # five records that are none, and a marker
within 10s marked 25
put 2 1 0                         # duplicates
put 4 101 1
weir_start a
wait_caught_up
weir_stop a
equal 'applied, and letters' '19 decode2 reject1' "$(rows probe.event) $(sql "select class || count(*) from weir.dead_letter group by class order by 1" | xargs)"
put 6 201 0
put 3 201 0  # they would run once
put 2 205 1  # in another partition, of which each runs in one
echo 'no event' | kafkactl produce "$topic" 0
one 0 "$(event bad-1 bad)"
one 0 "$(event c-1 customer)"
before=$(written)

says 0 preview --json
# shellcheck disable=SC2086
equal 'all of it' '38 3 35 0 21 6 8 3' "$(sum $all)"
equal 'how it was counted' 'log missing' "$(of "j->>'counted', j->>'policy'")"
# shellcheck disable=SC2086
equal 'an empty partition' '0 0 0 0 0 0 0 0' "$(part 2 $all)"
equal 'offsets without a record' '39 32' "$(part 0 offsets records)"
says 0 preview
has out "$topic/0"
has out 'nothing was written'
equal 'a line a partition, the title, the sum, the words' 7 "$(wc -l <out)"
equal 'no row was touched' "$before" "$(written)"
equal 'no group was joined, and none is made' 0 "$(kafkactl committed "$topic" "weir-replay-preview" | awk '$2 >= 0' | wc -l)"

# filters; what cannot be decoded is not meant by any
says 0 preview --json --type customer
# shellcheck disable=SC2086
equal 'one type' '38 3 35 34 0 0 1 0' "$(sum $all)"
says 0 preview --json --type bad --type customer
# shellcheck disable=SC2086
equal 'two types' '38 3 35 32 0 1 2 1' "$(sum $all)"
says 0 preview --json --source /elsewhere
equal 'no such source' '35 0' "$(sum left_out would_run)"
says 0 preview --json --id e-1 --subject s0
equal 'one event, twice there' '33 2 0' "$(sum left_out applied would_run)"

# another epoch has no claims
says 0 preview --json --policy again --epoch fix-1
equal 'all once more' '0 8 27' "$(sum applied repeated would_run)"

# a part of it
says 0 preview --json --partition "$topic/0" --from 27 --to 33
equal 'six records' '6 6 1' "$(sum records would_run partitions)"
says 0 preview --json --partition "$topic/0" --from 15 --to 16
equal 'a marker alone' '1 0 0' "$(sum offsets records would_run)"
says 0 preview --json --partition "$topic/0" --from 19 --to 25
equal 'an aborted transaction alone' '6 0 0' "$(sum offsets records would_run)"
says 0 preview --json --partition "$topic/2" --partition "$topic/1"
equal 'two partitions' '6 2' "$(sum records partitions)"

# the tables alone
says 0 preview --json --count-only
equal 'claims and letters' "$(sql 'select count(*) from weir.claim') 3" "$(sum applied dead_letters)"
equal 'what no transaction passed' '12 2 0' "$(part 0 not_reached) $(part 1 not_reached) $(part 2 not_reached)"
says 0 preview --json --count-only --partition "$topic/0" --from 5 --to 12
equal 'a part of it' "$(sql 'select count(*) from weir.claim c join weir.position p on p.id = c.position where partition = 0 and "offset" >= 5 and "offset" < 12') 0 0" "$(sum applied dead_letters not_reached)"
says 0 "$WEIR" position set audit "$topic/1" 6 --reason jumped -c "$config"
says 0 preview --json --count-only
equal 'what an operator jumped over' '6 2' "$(part 1 position not_reached)"
says 0 preview --count-only
has out 'NOT REACHED'
says 2 preview --count-only --type x
has err 'reads no record'

# a new generation is looked into as well, also one that begins meanwhile
sql 'select weir.claim_switch()' >/dev/null
says 0 "$WEIR" position set audit "$topic/1" 4 --reason back -c "$config"
weir_start a
wait_caught_up
weir_stop a
says 0 preview --json
# shellcheck disable=SC2086
equal 'after it was run' '38 3 35 0 33 1 1 4' "$(sum $all)"
says 0 preview --json --count-only
equal 'and the tables' '26 5 0' "$(sum applied dead_letters not_reached)"

# times: equal ones, and records without one
from=$(($(date +%s) - 3600))
put 2 301 3 -T "$((from - 40))000"
put 3 303 3 -T "${from}000"
put 2 306 3 -T "${from}000"
put 1 308 3 -T none
says 0 preview --json --partition "$topic/3" --from "$(date -u -d "@$from" +%FT%TZ)"
equal 'from the first of equal times' '2 6' "$(part 3 from records)"
says 0 preview --json --partition "$topic/3" --to "$(date -u -d "@$from" +%FT%TZ)"
equal 'up to them' '2 2' "$(part 3 until records)"
says 0 preview --json --partition "$topic/3" --from 10s
equal 'nothing so late' '0' "$(sum records)"

# where the live worker stands is where policy live ends; what it did not reach is not read once more
says 0 preview --json --policy live --partition "$topic/3"
equal 'never begun' '0 0' "$(sum offsets records)"
says 0 preview --json --policy live --partition "$topic/0" --from 30
equal 'back from where it stands' '30 39' "$(part 0 from until)"

# and what was said is what then happens
says 0 preview --json --policy again --epoch e1
wanted=$(sum would_run records)
says 0 preview --json --policy again --epoch e1 --type bad
bad=$(sum would_run)
status=0
"$WEIR" replay start audit --policy again --epoch e1 -c "$config" --quiet --json >out 2>err || status=$?
equal 'what ran and what died' "$wanted" "$(sql "select sum(fresh) + $bad, sum(records) from weir.batch b join weir.position p on p.id = b.position
        where p.worker like 'audit@%'" | tr '|' ' ')"
says 0 preview --json --policy again --epoch e1
equal 'afterwards only what died is left' "$bad" "$(sum would_run)"

# what retention took
kafkactl delete-records "$topic" 0 5 >deleted.txt
says 0 preview --json --partition "$topic/0" --from 0
equal 'gone' '5 27' "$(sum gone records)"
says 0 preview --json --partition "$topic/0"
equal 'earliest is where the log begins' '0 27' "$(sum gone records)"
says 0 preview --json --count-only --partition "$topic/0" --from 0
equal 'by the tables too' '5' "$(sum gone)"

# claims that were dropped
says 0 preview
hasnt err 'were dropped'
sql "select weir.claim_drop(1)" >/dev/null
says 0 preview
has err 'were dropped'

# words
says 2 preview --policy again
has err '--epoch NAME'
says 2 preview --from 17
has err 'one partition'
says 2 "$WEIR" replay preview audti -c "$config"
has err 'did you mean audit?'
says 2 preview --partition "$topic/9"
has err 'no partition 9'
