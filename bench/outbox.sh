# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # names of run.sh, which sources this
# outbox - the way out, measured from end to end: topic -> handler that emits one event -> outbox -> relay -> topic
#
# One process handles and relays. The clock runs from the first batch until the last record of the target topic and
# the last row of the outbox: what is called "through" has left, was acknowledged, and is removed. Sizes are the
# largest that were seen, sampled ten times a second; what waits is what was handled less what is in the topic. Three
# questions about size: a backlog as large as there can be (million), emits that come no faster than they leave
# (steady: then the table must stay small, however many pass), and the same amount again and again (round: then it
# must not grow). The idle latency is by the broker's own clock (LogAppendTime) against the start of the transaction,
# so it holds the handler and COMMIT too.

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

outbox_events() { # FIRST COUNT
        awk -v first="$1" -v count="$2" -v keys="$OUTBOX_KEYS" 'BEGIN {
                for (i = first; i < first + count; i++)
                        printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/bench\",\"type\":\"order.placed\",\"subject\":\"s%d\"," \
                               "\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d,\"name\":\"Ada Lovelace\",\"tags\":[\"first\",\"engine\"]}}\n", i, i % keys, i }'
}

outbox_topic() { # NAME
        kafkactl create "$1" 4
        within 10s knows "$1"
}

outbox_emit() { # TOPIC FIRST COUNT [OPTION..]
        outbox_events "$2" "$3" | "$B/weir" emit --brokers "$kafka" --topic "$1" --key-from subject "${@:4}" 2>"$work/emit.log" ||
                { cat "$work/emit.log" >&2; die 'emit'; }
}

handled_any() { [ "$(sql 'select count(*) from weir.batch')" -gt 0 ]; }

# COUNT TARGET: until so many have come through; $start (if 0: now) $took_us $handled_us $most_rows $most_table $most_index
outbox_watch() {
        local now table index handled sent
        most_rows=0 most_table=0 most_index=0 handled_us=0
        while :; do
                read -r table index handled < <(sql "select pg_table_size('weir.outbox') / 1024 || ' ' || pg_indexes_size('weir.outbox') / 1024
                        || ' ' || coalesce(sum(events), 0) from weir.batch")
                sent=$(sum_of "$2")
                now=${EPOCHREALTIME/[.,]/}
                most_table=$((table > most_table ? table : most_table))
                most_index=$((index > most_index ? index : most_index))
                most_rows=$((handled - sent > most_rows ? handled - sent : most_rows))
                [ "$handled" -lt "$1" ] || [ "$handled_us" != 0 ] || handled_us=$((now - start))
                [ "$sent" -lt "$1" ] || [ -n "$(sql 'select 1 from weir.outbox limit 1')" ] || break
                alive "$running" || { tail "$work/weir.log" >&2; die 'outbox: weir ended'; }
                sleep 0.1
        done
        took_us=$((now - start))
        [ "$sent" = "$1" ] || die "outbox: $sent records, not $1"
}

outbox_note() { # BENCH PAIR COUNT: and $through
        through=$(($3 * 1000000 / took_us))
        note "$1-through" "$2" a "$through"
        note "$1-rows" "$2" a "$most_rows"
        note "$1-table" "$2" a "$most_table"
        note "$1-index" "$2" a "$most_index"
}

outbox_run() { # BENCH PAIR COUNT TOPIC
        local target=$1-$2 start took_us handled_us most_rows most_table most_index
        outbox_topic "$target"
        outbox_start "$4" "$target"
        within 60s handled_any || { tail "$work/weir.log" >&2; die 'outbox: nothing is handled'; }
        start=${EPOCHREALTIME/[.,]/}
        outbox_watch "$3" "$target"
        outbox_stop
        note "$1-handled" "$2" a $(($3 * 1000000 / handled_us))
        outbox_note "$1" "$2" "$3"
        kafkactl delete "$target"
}

# COUNT EVENTS-A-SECOND: they come while weir runs
outbox_steady() {
        local start took_us handled_us most_rows most_table most_index feeding
        outbox_topic steady
        outbox_topic steady-out
        outbox_start steady steady-out
        outbox_emit steady 1 "$1" --rate "$2" &
        feeding=$!
        within 60s handled_any || { tail "$work/weir.log" >&2; die 'outbox: nothing is handled'; }
        start=${EPOCHREALTIME/[.,]/}
        outbox_watch "$1" steady-out
        wait "$feeding" || die 'outbox: emit'
        outbox_stop
        outbox_note outbox-steady 1 "$1"
        kafkactl delete steady-out
}

# ROUNDS COUNT: so many at once, each time after the ones before have left
outbox_rounds() {
        local start took_us handled_us most_rows most_table most_index round
        outbox_topic rounds
        outbox_topic rounds-out
        outbox_start rounds rounds-out
        for ((round = 1; round <= $1; round++)); do
                start=${EPOCHREALTIME/[.,]/}
                outbox_emit rounds $(((round - 1) * $2 + 1)) "$2"
                outbox_watch $((round * $2)) rounds-out
                outbox_note "outbox-round$round" 1 "$2"
        done
        outbox_stop
        kafkactl delete rounds-out
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
        local pair through
        outbox_idle
        say "outbox: ${EVENTS:-200000} events, each emits one"
        outbox_topic outbox
        outbox_emit outbox 1 "${EVENTS:-200000}"
        for ((pair = 0; pair <= pairs; pair++)); do
                outbox_run outbox "$pair" "${EVENTS:-200000}" outbox
        done
        [ -z "${EVENTS:-}" ] || return 0
        say 'outbox: 1,000,000 events at once'
        outbox_topic million
        outbox_emit million 1 1000000
        outbox_run outbox-million 1 1000000 million
        say "outbox: 1,000,000 events, half as fast as that ($((through / 2)) a second)"
        outbox_steady 1000000 $((through / 2))
        say 'outbox: 300,000 events, three times'
        outbox_rounds 3 300000
}
