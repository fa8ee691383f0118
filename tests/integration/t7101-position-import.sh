#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7101 - position import: a worker goes on exactly where another consumer stopped; what cannot be taken over is refused whole
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

import() { "$WEIR" position import audit -c "$config" "$@"; }
rows_of() { sql 'select count(*) from weir.position'; }
of() { psql -XqAt -v text="$(cat out)" "$url" <<<"select $1 from jsonb_array_elements(:'text'::jsonb->'partitions') p"; }

prepare 4
other=$topic-other
for p in 0 1 2; do put 30 "$((100 * p + 1))" "$p"; done # partition 3 is empty, and stays so until the end
kafkactl consume "$topic" "$other" 61 >handled.txt
equal 'the other consumer stands somewhere in the middle' 61 "$(kafkactl committed "$topic" "$other" | awk '$2 > 0 { n += $2 } END { print n }')"

# a dry run shows, and writes nothing
for words in '' '--dry-run' '--dry-run --yes --reason x'; do
        # shellcheck disable=SC2086
        says 0 import --group "$other" $words
        has out "$topic/3"
        has out 'would be taken from group'
        equal 'rows' 0 "$(rows_of)"
done
says 0 import --group "$other"
has out '--yes --reason'
says 0 import --group "$other" --json
equal 'JSON' 'false 61' "$(psql -XqAt -v text="$(cat out)" "$url" <<<"select (:'text'::jsonb->>'written') || ' ' || (select sum((p->>'to')::int8) from jsonb_array_elements(:'text'::jsonb->'partitions') p)")"

# what is wrong is said, and nothing is written
says 2 import --group "$other" --yes
has err 'needs --reason'
says 2 import --group nobody-there --yes --reason x
has err 'committed no offset'
says 2 import --group "$other" --topic "${topic}x" --yes --reason x
has err "did you mean $topic?"
says 2 "$WEIR" position import audti -c "$config" --group "$other" --yes --reason x
has err 'did you mean audit?'
says 2 import --group "$other" --no-kafka
has err 'not for import'
says 2 "$WEIR" position imprt -c "$config"
has err 'did you mean import?'
"$KAFKACTL" "$KAFKA" consume "$topic" "$other" 0 >live.log 2>&1 & # a live member: its offsets move on
live=$!
within 30s grep -q joined live.log
says 1 import --group "$other" --yes --reason x
has err '1 member'
kill "$live" && wait "$live"
equal 'rows' 0 "$(rows_of)"
says 0 import --group "$other" --force
has out 'would be'

# an offset that is not in the log stops all of them, unless it is said that it shall not
kafkactl delete-records "$topic" 1 20 >deleted.txt
kafkactl commit "$topic" outside 0 31
kafkactl commit "$topic" outside 1 19
kafkactl commit "$topic" outside 2 30
says 1 import --group outside --yes --reason x
has out 'committed offset 31 is beyond the log'
has out 'committed offset 19 is below the log'
has err '2 of 4 partitions are refused'
equal 'rows' 0 "$(rows_of)"
says 1 import --group outside
says 0 import --group outside --partial --yes --reason partly
has out '1 of 4 partitions taken from'
equal 'the one that could' '2 30' "$(positions | xargs)"
sql 'delete from weir.position_change; delete from weir.position'

# moving in: exactly once from these offsets on, in every partition, also where there was none
kafkactl commit "$topic" "$other" 1 20
WEIR_FAILPOINT=position.moved:kill says 137 import --group "$other" --reason 'moving in' --yes
equal 'killed before the COMMIT, none is moved' 0 "$(rows_of)"
says 0 import --group "$other" --reason 'moving in' --yes
has out '3 of 4 partitions taken from'
has out '1 without an offset'
kafkactl committed "$topic" "$other" | awk '$2 >= 0' >wanted.txt
equal 'positions' "$(xargs <wanted.txt)" "$(positions | xargs)"
equal 'each has its word' '3 moving in' "$(sql "select count(*), reason from weir.position_change where before is null group by 2" | tr '|' ' ')"
says 0 import --group "$other" --reason again --yes
has out '3 stand there already'
equal 'no word where nothing moved' 3 "$(rows weir.position_change)"
weir_start a
put 10 401 3
kafkactl records "$topic" | awk 'NR == FNR { from[$1] = $2; next } $2 >= from[$1] + 0 && match($6, /e-[0-9]+/) { print substr($6, RSTART, RLENGTH) }' wanted.txt - >produced
equal 'to handle' "$(awk '{ n += $2 } END { print 90 - n + 10 }' wanted.txt)" "$(wc -l <produced)"
check_exactly_once

# under a running worker: lanes let go, take anew, also where nothing is produced; nothing lost or doubled behind the new place
for p in 0 1 2 3; do kafkactl commit "$topic" back "$p" "$(kafkactl starts "$topic" | awk -v p="$p" '$1 == p { print $2 }')"; done
kafkactl commit "$topic" back 1 30
epoch=$(sql 'select sum(epoch) from weir.position')
says 0 import --group back --reason 'once more' --yes
has out 'back by 30'
caught_up_anew() { [ "$(sql 'select count(*) from weir.position where last_offset is null or epoch < 3 and partition <> 1')" = 0 ] && caught_up; }
[ "$(sql "select sum(epoch) > $epoch from weir.position")" = t ] || fail 'no epoch was bumped'
within 60s caught_up_anew || fail 'a quiet partition does not notice'
kafkactl records "$topic" | awk '$1 != 1 && match($6, /e-[0-9]+/) { print substr($6, RSTART, RLENGTH) }' >>produced
sort -u -o produced produced
equal 'every record behind the new place, once' "$(wc -l <produced) 0" "$(sql 'select count(*), count(*) - count(distinct id) from audit.event' | tr '|' ' ')"
produce 200 1001
within 60s caught_up
equal 'and what comes' "$(sort -u produced | wc -l) 0" "$(sql 'select count(*), count(*) - count(distinct id) from audit.event' | tr '|' ' ')"
says 1 import --yes --reason own # its own group has a live member: weir
has err 'member'
weir_stop a
equal 'exit status' 0 "$status"
