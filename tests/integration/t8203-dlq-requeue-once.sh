#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8203 - an event comes into effect once: workers and requeues killed in the middle, two requeues at once, the producer's duplicate
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

count=1200
prepare 3 member=one plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };'
sql "insert into probe.gate select 'bad-' || i, 'reject' from generate_series(1, $count) i"
bad() { seq 1 "$count" | while read -r i; do event "bad-$i" test.made "s$i"; done; }
bad >bad.jsonl
emit bad.jsonl
seq -f 'bad-%.0f' 1 "$count" >>produced
produce 100
weir_start a
wait_caught_up
equal 'dead letters' "kept$count" "$(letters)"
gate_open
weir_kill a

# killed before the COMMIT of its first chunk, then after that of its second: 500 each
dlq_dies requeue.marked:kill:1 requeue
equal 'a chunk that was not committed' "kept$count" "$(letters)"
dlq_dies requeue.committed:kill:2 requeue
equal 'two chunks that were' "kept$((count - 1000)) requeue1000" "$(letters)"
equal rounds "1 2" "$(sql 'select distinct round from weir.dead_letter order by 1' | xargs)"

# the worker dies in the middle of running them, at each step
for point in aside.handled:3 aside.settled:50 aside.committed:50; do
        weir_dies b "${point%:*}" "${point#*:}"
done

# the producer sends all of it once more, two operators requeue what is left, and the worker is killed twice meanwhile
slow 2
out="(select count(*) from weir.dead_letter where state in ('applied', 'duplicate'))"
before=$(sql "select $out")
weir_start c
emit bad.jsonl &
sender=$!
pids=()
for i in 1 2; do
        dlq requeue --rate 400 >"requeue-$i.txt" 2>&1 &
        pids+=($!)
done
when 40s "$out >= $((before + 100))" || fail "c runs nothing: $(letters)"
weir_kill c
weir_start d
when 40s "$out >= $((before + 300))" || fail "d runs nothing: $(letters)"
weir_kill d
[ "$(sql "select $out")" -lt "$count" ] || fail 'all was over before the second kill'
weir_start e
for one in "${pids[@]}" "$sender"; do wait "$one" || fail "a requeue or the producer: $(cat requeue-*.txt emit.log)"; done
settled() { [ "$(rows "weir.dead_letter where state in ('requeue', 'kept')")" = 0 ]; }
within 60s settled || fail "not settled: $(letters)"
equal 'taken by the two' "$((count - 1000))" "$(awk '/^[0-9]+ requeued$/ { n += $1 } END { print n + 0 }' requeue-*.txt)"
equal 'each in one more round' 2 "$(sql 'select distinct round from weir.dead_letter')"
check_decided_once
equal 'applied by letter or by the duplicate' "$count" "$(sql "select count(*) from weir.dead_letter where state in ('applied', 'duplicate')")"
equal effects "$((count + 100))" "$(rows probe.event)"
equal 'effects, distinct' "$((count + 100))" "$(sql 'select count(distinct id) from probe.event')"

# requeued by hand although it is applied: the claim stands
sql "update weir.dead_letter set state = 'kept' where state = 'applied' and id in (select id from weir.dead_letter where state = 'applied' limit 20)"
says 0 dlq requeue --wait
has out 'duplicate 20'
equal 'effects after that' "$((count + 100))" "$(rows probe.event)"
weir_stop e
