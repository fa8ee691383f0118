#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8504 - two relays share the streams: nothing twice, the order of each key kept, both at work
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 4
out=$topic-out
kafkactl create "$out" 4
new_db
configure plugin=sender options="topic = \"$out\";"
migrate
weir_start a
weir_start b
owners() { sql 'select count(distinct owner) from weir.outbox_stream where owner is not null'; }
both_own() { [ "$(owners)" = 2 ]; }
# a stream is taken by whoever sees rows of it: some at a time, until both have had the luck
made=0
make_some() {
        produce "$1" $((made + 1)) 64
        made=$((made + $1))
}
more_and_both_own() { make_some 200 && both_own; }
within 30s more_and_both_own || fail "$(owners) of the relays has all"
for _ in 1 2 3 4; do make_some 4000; done
wait_caught_up
wait_relayed
even=$(sql 'select min(n) from (select count(*) n from weir.outbox_stream where owner is not null group by owner) t')
echo "streams of the smaller share: $even of $(sql 'select count(*) from weir.outbox_stream where owner is not null')"
[ "$even" -ge 4 ] || fail 'one of them has nearly nothing'
weir_stop a
weir_stop b
records "$out" >records.txt
equal 'records' "$made" "$(wc -l <records.txt)"
equal 'distinct' "$made" "$(awk '{ print $5 }' records.txt | sort -u | wc -l)"
in_order "$out"
