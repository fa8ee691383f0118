#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7103 - position set: to a time, an end, an offset of the log, for one partition or all; show and log say what is, also without Kafka
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

set_() { "$WEIR" position set audit -c "$config" "$@"; }
show() { "$WEIR" position show -c "$config" "$@"; }
next() { sql "select partition, next_offset from weir.position order by 1" | tr '|' ' ' | xargs; }
value() { psql -XqAt -v text="$(cat out)" "$url" <<<"select $1 from jsonb_array_elements(:'text'::jsonb) p"; }

from=$(($(date +%s) - 7200))
prepare 4
put 3 1 0 -T "$((from - 100))000"
put 4 11 0 -T "${from}000" # four of one time: the first of them counts
put 2 21 0 -T "$((from + 50))000"
put 3 31 1 -T "$((from - 100))000" # none so late
put 2 34 1 -T none                 # nor of any time
put 5 41 2                         # all of them later
equal 'records without a time' 2 "$(kafkactl records "$topic" | awk '$1 == 1 && $3 == -1' | wc -l)" # partition 3 is empty

# before the first start, as a dry run and then really
says 0 set_ "$topic" "$(date -u -d "@$from" +%FT%TZ)" --dry-run
has out 'nothing was moved'
equal 'a dry run makes no row' 0 "$(rows weir.position)"
says 0 set_ "$topic" "$(date -u -d "@$from" +%FT%TZ)" --reason 'from noon on'
equal 'the first of that time, the end where there is none' '0 3 1 5 2 0 3 0' "$(next)"
says 0 set_ "$topic" "$(date -u -d "@$from" +%FT%T).001Z" --reason 'a moment later'
equal 'a millisecond later' '0 7 1 5 2 0 3 0' "$(next)"
says 0 set_ "$topic" -1h --reason 'an hour ago'
equal 'a time ago' '0 9 1 5 2 0 3 0' "$(next)"
says 0 set_ "$topic" earliest --reason again
equal 'earliest' '0 0 1 0 2 0 3 0' "$(next)"
says 0 set_ "$topic/1" latest --reason none --json
equal 'latest of one' '0 0 1 5 2 0 3 0' "$(next)"
equal 'JSON' 'true 5' "$(psql -XqAt -v text="$(cat out)" "$url" <<<"select :'text'::jsonb->>'written', :'text'::jsonb->'partitions'->0->>'to'" | tr '|' ' ')"

# what is not in the log is refused, with the log's ends
before=$(next)
says 1 set_ "$topic/0" 10 --reason x
has err "offset 10 is beyond the log's end 9"
says 2 set_ "$topic/4" 0 --reason x
has err 'no partition 4'
says 2 set_ "$topic" 5 --reason x
has err 'of one partition'
says 2 set_ "${topic}x" earliest --reason x
has err 'does not exist'
says 2 set_ "$topic/0" yesterday --reason x
says 2 set_ "$topic/0" -2h --reason ' '
says 2 set_ "$topic/0" 5 --reason x --group g
has err 'not for set'
equal 'nothing moved' "$before" "$(next)"
says 0 set_ "$topic/0" 10 --reason 'it will be there' --force
says 0 show
has out 'halts: '
has out "weir position set audit $topic/0"
says 0 set_ "$topic/0" 0 --reason back

# a worker goes on there
expect_events 4 11
expect_events 5 41
says 0 set_ "$topic" "$(date -u -d "@$from" +%FT%TZ)" --reason 'from noon on'
expect_events 2 21
weir_start a
check_exactly_once
says 0 show --json
equal 'lag, log, owner' '0 0 9 0 true|1 0 5 0 true|2 0 5 0 true|3 0 0 0 true' \
        "$(value "string_agg(concat_ws(' ', p->>'partition', p->>'log_start', p->>'log_end', p->>'lag', p->>'held'), '|')")"
# a quiet partition notices that it was set back
says 0 set_ "$topic/1" earliest --reason 'once more'
expect_events 5 31
# without Kafka the positions are there all the same (and meanwhile it notices)
KAFKA=127.0.0.1:9 configure file=away.cfg
config=$TEST_DIR/weir.cfg
says 0 show -c away.cfg
has out "$topic/0"
has err 'the log is not shown'
says 0 show -c away.cfg --no-kafka
equal 'quiet' 0 "$(wc -c <err)"
within 40s rows_at_least 16
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
says 0 show audit
has out '(' # its owner is gone

# who moved what
says 0 "$WEIR" position log audit -c "$config" -n 1
has out 'once more'
hasnt out 'from noon on'
says 0 "$WEIR" position log -c "$config" --json
equal 'the log is all of it' "$(rows weir.position_change)" "$(value 'count(*)')"
says 0 "$WEIR" position log nobody -c "$config" --json
equal 'of nobody' '[]' "$(cat out)"

# who holds the row is waited for, and then said; meanwhile: without Kafka an offset is set unseen, or not at all
psql -XqAt "$url" -c "begin; select 1 from weir.position where partition = 0 for update; select pg_sleep(60)" >holder.log 2>&1 &
locked() { [ "$(sql "select count(*) from pg_locks where relation = 'weir.position'::regclass and mode = 'RowShareLock' and granted")" -ge 1 ]; }
within 10s locked
set_ "$topic" earliest --reason x >late.out 2>late.err &
late=$!
says 1 "$WEIR" position set audit "$topic/1" 1 --reason x -c away.cfg
has err '--force'
says 0 "$WEIR" position set audit "$topic/1" 1 --reason unseen -c away.cfg --force
has out 'next offset 1, was 5'
status=0
wait "$late" || status=$?
equal 'exit status' 1 "$status"
has late.err 'has held the position'
equal 'nothing else moved' '0 9 1 1 2 5 3 0' "$(next)"
