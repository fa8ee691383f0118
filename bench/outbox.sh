#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# outbox - the way out, measured from end to end: topic -> handler that emits one event -> outbox -> relay -> topic
#
#   bench/outbox.sh [EVENTS]      default 200000; 1000000 shows that the table does not grow
#
#   PARTITIONS=4 BATCH=1000 KEYS=1000     of the source topic; max_events of the worker; distinct keys
#   DURABLE=1                             fsync on (default off: a disk is not what is measured)
#
# One process handles and relays. The clock runs from the first batch until the last record of the target topic and
# the last row of the outbox: what is printed as emits/s has left, was acknowledged, and is removed. Sizes are the
# largest that were seen, sampled twice a second. Needs: make all test-plugins build/kafkactl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/.." && pwd -P)
# shellcheck source=tests/support/common.sh
. "$root/tests/support/common.sh"
B=$(directory "${B:-$root/build}")
export B
work=$(directory "$B/bench/outbox.$$")
support=$root/tests/support
events=${1:-200000}
running=

finish() {
        trap '' INT TERM
        [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
        "$support/kafka.sh" kill "$work/kafka" || true
        "$support/pg.sh" stop "$work/pg" immediate || true
        rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

kafka=$("$support/kafka.sh" start "$work/kafka")
url=$("$support/pg.sh" start "$work/pg" ${DURABLE:+durable})
export PGPASSFILE=$work/pg/pgpass WEIR_MIGRATIONS=$root/migrations
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$url" -c "$1"; }
kafkactl() { "$B/kafkactl" "$kafka" "$@"; }
knows() { kafkactl ends "$1" >/dev/null 2>&1; }
sum() { kafkactl ends "$1" | awk '{ s += $2 } END { print s + 0 }'; }

for topic in in out; do
        kafkactl create $topic "${PARTITIONS:-4}"
        within 10s knows $topic
done
cat >"$work/weir.cfg" <<TXT
kafka = { brokers = "$kafka"; };
store = { url = "$url"; };
plugin_path = [ "$B/obj/release/plugins" ];
workers = ( { name = "sender"; plugin = "sender"; group = "bench"; topics = [ "in" ];
  batch = { max_events = ${BATCH:-1000}; }; options = { topic = "out"; }; } );
TXT
"$B/weir" migrate up -c "$work/weir.cfg" >"$work/migrate.log" 2>&1
awk -v count="$events" -v keys="${KEYS:-1000}" 'BEGIN {
        for (i = 1; i <= count; i++)
                printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/bench\",\"type\":\"order.placed\",\"subject\":\"s%d\"," \
                       "\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d,\"name\":\"Ada Lovelace\",\"tags\":[\"first\",\"engine\"]}}\n", i, i % keys, i }' |
        "$B/weir" emit --brokers "$kafka" --topic in --key-from subject 2>"$work/emit.log"

"$B/weir" run -c "$work/weir.cfg" 2>"$work/weir.log" &
running=$!
began() { [ "$(sql 'select count(*) from weir.batch')" -gt 0 ]; }
within 60s began || { tail "$work/weir.log" >&2; die 'nothing is handled'; }
start=${EPOCHREALTIME/[.,]/}
largest_rows=0 largest_table=0 largest_index=0 handled_us=0
while :; do
        read -r table index rows handled < <(sql "select pg_table_size('weir.outbox') || ' ' || pg_indexes_size('weir.outbox') || ' ' ||
                (select count(*) from weir.outbox) || ' ' || (select coalesce(sum(events), 0) from weir.batch)")
        now=${EPOCHREALTIME/[.,]/}
        largest_table=$((table > largest_table ? table : largest_table))
        largest_index=$((index > largest_index ? index : largest_index))
        largest_rows=$((rows > largest_rows ? rows : largest_rows))
        [ "$handled" -lt "$events" ] || [ "$handled_us" != 0 ] || handled_us=$((now - start))
        [ "$rows" = 0 ] && [ "$handled" = "$events" ] && [ "$(sum out)" -ge "$events" ] && break
        alive "$running" || { tail "$work/weir.log" >&2; die 'weir ended'; }
        sleep 0.5
done
took_us=$((${EPOCHREALTIME/[.,]/} - start))
records=$(sum out)
printf 'events                        %d\n' "$events"
printf 'handled, emits in the outbox  %d/s\n' $((events * 1000000 / handled_us))
printf 'through, removed              %d/s\n' $((events * 1000000 / took_us))
printf 'records in the target topic   %d\n' "$records"
printf 'rows of the outbox, most      %d\n' "$largest_rows"
printf 'table, most                   %d KiB\n' $((largest_table / 1024))
printf 'indexes, most                 %d KiB\n' $((largest_index / 1024))
sql "vacuum weir.outbox"
printf 'table, indexes after a vacuum %s\n' "$(sql "select pg_table_size('weir.outbox') / 1024 || ' KiB, ' || pg_indexes_size('weir.outbox') / 1024 || ' KiB'")"
kill -TERM "$running"
wait "$running" || die 'weir failed'
running=
