#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8503 - an idle relay: from COMMIT to the broker's log, and to a webhook's receiver, in 50 ms (median of 40)
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1 message.timestamp.type=LogAppendTime
new_db
receiver_start r
configure plugin=sender options="topic = \"$out\"; sinks = [ \"hook\" ];" \
        sinks="{ name = \"hook\"; url = \"http://127.0.0.1:${port[r]}/\"; allow_plain = true; allow_private = true; }"
migrate
weir_start a
arrived() { [ "$(kafkactl ends "$out" | awk '{ print $2 }')" -ge "$1" ] && received_at_least r "$1"; }
# rows of two shards in turn, and a pause of its own between two events: the relay falls asleep in between
asleep() { ! sql "select 1 from pg_stat_activity where application_name = 'weir relay' and state_change > now() - interval '150 ms'" | grep -q 1; }
for i in $(seq 1 40); do
        within 10s asleep
        event "e-$i" good "s$((i % 2))" | emit
        within 10s arrived "$i"
done
# weir.batch has the start of each transaction, which is before its COMMIT: an upper bound
sql "select (extract(epoch from at) * 1000)::int8 from weir.batch order by id" >began.txt
equal 'transactions' 40 "$(wc -l <began.txt)"
judge() { # WHAT, moments of arrival in ms on standard input
        paste began.txt - | awk '{ print $2 - $1 }' | sort -n >latency.txt
        equal "$1: arrivals" 40 "$(wc -l <latency.txt)"
        local median
        median=$(sed -n 20p latency.txt)
        echo "$1: from BEGIN, ms: least $(head -n 1 latency.txt), median $median, most $(tail -n 1 latency.txt)"
        [ "$median" -le $((50 * ${TIMEOUT_FACTOR:-1})) ] || fail "$1: median $median ms"
}
records "$out" | awk '{ print $3 }' | judge topic
received r 'int(r["at"] * 1000)' | judge webhook
weir_stop a
