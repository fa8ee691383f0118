# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # names of run.sh, which sources this
# outbox - the way out, measured from end to end: topic -> handler that emits one event -> outbox -> relay -> topic
#
# One process handles and relays. The clock runs from the first batch until the last record of the target topic and
# the last row of the outbox: what is called "through" has left, was acknowledged, and is removed. Sizes are the
# largest that were seen, sampled ten times a second: a sawtooth, filled by handlers and emptied by autovacuum. The
# idle latency is by the broker's own clock (LogAppendTime) against the start of the transaction, so it holds the
# handler and COMMIT too.

OUTBOX_KEYS=1000 # distinct keys: streams share them out
IDLE_EVENTS=41

sum_of() { kafkactl ends "$1" | awk '{ s += $2 } END { print s + 0 }'; }

outbox_start() { # TOPIC TARGET: $running
        configure sender sender "$1" '' "topic = \"$2\";"
        empty
        "$B/weir" run -c "$config" >"$work/weir.log" 2>&1 &
        running=$!
}

outbox_stop() {
        kill -TERM "$running"
        wait "$running" || die 'outbox: weir failed'
        running=
}

outbox_fill() { # TOPIC COUNT
        kafkactl create "$1" 4
        within 10s knows "$1"
        awk -v count="$2" -v keys="$OUTBOX_KEYS" 'BEGIN {
                for (i = 1; i <= count; i++)
                        printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/bench\",\"type\":\"order.placed\",\"subject\":\"s%d\"," \
                               "\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d,\"name\":\"Ada Lovelace\",\"tags\":[\"first\",\"engine\"]}}\n", i, i % keys, i }' |
                "$B/weir" emit --brokers "$kafka" --topic "$1" --key-from subject 2>"$work/emit.log" || { cat "$work/emit.log" >&2; die 'emit'; }
}

handled_any() { [ "$(sql 'select count(*) from weir.batch')" -gt 0 ]; }

outbox_run() { # BENCH PAIR COUNT TOPIC
        local target=$1-$2 start now handled_us=0 table index rows handled
        local most_rows=0 most_table=0 most_index=0
        kafkactl create "$target" 4
        within 10s knows "$target"
        outbox_start "$4" "$target"
        within 60s handled_any || { tail "$work/weir.log" >&2; die 'outbox: nothing is handled'; }
        start=${EPOCHREALTIME/[.,]/}
        while :; do
                read -r table index rows handled < <(sql "select pg_table_size('weir.outbox') / 1024 || ' ' || pg_indexes_size('weir.outbox') / 1024
                        || ' ' || (select count(*) from weir.outbox) || ' ' || (select coalesce(sum(events), 0) from weir.batch)")
                now=${EPOCHREALTIME/[.,]/}
                most_table=$((table > most_table ? table : most_table))
                most_index=$((index > most_index ? index : most_index))
                most_rows=$((rows > most_rows ? rows : most_rows))
                [ "$handled" -lt "$3" ] || [ "$handled_us" != 0 ] || handled_us=$((now - start))
                [ "$rows" != 0 ] || [ "$handled" != "$3" ] || [ "$(sum_of "$target")" -lt "$3" ] || break
                alive "$running" || { tail "$work/weir.log" >&2; die 'outbox: weir ended'; }
                sleep 0.1
        done
        now=${EPOCHREALTIME/[.,]/}
        outbox_stop
        [ "$(sum_of "$target")" = "$3" ] || die "outbox: $(sum_of "$target") records, not $3"
        note "$1-handled" "$2" a $(($3 * 1000000 / handled_us))
        note "$1-through" "$2" a $(($3 * 1000000 / (now - start)))
        note "$1-rows" "$2" a "$most_rows"
        note "$1-table" "$2" a "$most_table"
        note "$1-index" "$2" a "$most_index"
        kafkactl delete "$target"
}

# Nothing to do for a moment: the relay's session has been quiet, so it waits for a NOTIFY.
relay_idle() {
        [ -n "$(sql "select 1 from pg_stat_activity where application_name = 'weir relay' and state_change < now() - interval '150 ms'")" ]
}
arrived() { [ "$(sum_of "$1")" -ge "$2" ]; }

outbox_idle() {
        local i
        say "outbox: $IDLE_EVENTS events, one at a time, into an idle relay"
        kafkactl create idle-in 1
        kafkactl create idle-out 1 message.timestamp.type=LogAppendTime
        within 10s knows idle-out
        outbox_start idle-in idle-out
        for ((i = 1; i <= IDLE_EVENTS; i++)); do
                within 30s relay_idle || die 'outbox: the relay does not come to rest'
                printf '{"specversion":"1.0","id":"i-%d","source":"/bench","type":"order.placed","subject":"s%d","data":{}}\n' "$i" $((i % 2)) |
                        "$B/weir" emit --brokers "$kafka" --topic idle-in --key-from subject 2>"$work/emit.log"
                within 30s arrived idle-out "$i" || die 'outbox: an event does not arrive'
        done
        outbox_stop
        sql "select (extract(epoch from at) * 1000)::int8 from weir.batch order by id" >"$work/began"
        kafkactl records idle-out | awk '{ print $3 }' | paste "$work/began" - | while read -r began arrived; do
                note outbox-idle 1 a $((arrived - began))
        done
}

bench_outbox() {
        local pair
        outbox_idle
        say "outbox: ${EVENTS:-200000} events, each emits one"
        outbox_fill outbox "${EVENTS:-200000}"
        for ((pair = 0; pair <= pairs; pair++)); do
                outbox_run outbox "$pair" "${EVENTS:-200000}" outbox
        done
        [ -z "${EVENTS:-}" ] || return 0
        say 'outbox: 1,000,000 events: does it grow?'
        outbox_fill million 1000000
        outbox_run outbox-million 1 1000000 million
        sql 'vacuum weir.outbox'
        note outbox-million-after 1 a "$(sql "select (pg_table_size('weir.outbox') + pg_indexes_size('weir.outbox')) / 1024")"
}
