#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8204 - weir dlq requeue --to: row of the outbox and state are one transaction, the record is as it came, rounds are counted
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };'
kafkactl create "$topic-again" 1
count=700
for i in $(seq 1 "$count"); do event "bad-$i" test.made "s$i"; done >bad.jsonl
sql "insert into probe.gate select 'bad-' || i, 'reject' from generate_series(1, $count) i"
kafkactl produce "$topic" 0 -k k -h content-type=application/cloudevents+json -h weir_reason=forged -h mine=1 <bad.jsonl
seq -f 'bad-%.0f' 1 "$count" >>produced
weir_start a
wait_caught_up
equal 'dead letters' "kept$count" "$(letters)"
weir_stop a

says 2 dlq requeue --to 'no topic'
says 2 dlq requeue --to "$topic-again" --wait
says 2 dlq requeue --to "$topic-again" --class deliver
for more in '' --dry-run; do
        says 2 dlq requeue --to "$topic-typo" ${more:+"$more"}
        has err "topic $topic-typo does not exist at $KAFKA; mend the name, or create it"
done
equal 'nothing is touched' "kept$count 0" "$(letters 'marked_at is null and round = 1') $(rows weir.outbox)"
! kafkactl ends "$topic-typo" >/dev/null 2>&1 || fail 'the question has created the topic'
sed "s/brokers = \"[^\"]*\"/brokers = \"127.0.0.1:$(free_port)\"/" "$config" >away.cfg
says 1 "$WEIR" dlq requeue --to "$topic-again" -c away.cfg
has err 'nothing was requeued'
equal 'nothing is touched' "kept$count 0" "$(letters 'marked_at is null and round = 1') $(rows weir.outbox)"
dlq requeue --to "$topic-again" --dry-run >out
grep -qE "^ +$count +audit +reject +handler +1-1 +topic " out || fail "plan: $(cat out)"
dlq_dies requeue.marked:kill requeue --to "$topic-again"
equal 'killed before COMMIT' "kept$count 0" "$(letters) $(rows weir.outbox)"
dlq_dies requeue.committed:kill requeue --to "$topic-again" --note 'for the others'
equal 'killed after COMMIT' "kept$((count - 500)) sent500 500" "$(letters) $(rows weir.outbox)"
equal note "to topic $topic-again: for the others" "$(sql "select distinct note from weir.dead_letter where state = 'sent'")"
note=ends_here$(printf 'ä%.0s' $(seq 1 300)) # longer than a line, and its letters longer than a byte
says 0 dlq requeue --to "$topic-again" --note "$note"
has out "$((count - 500)) requeued"
equal 'a long note' "$((count - 500))" "$(rows "weir.dead_letter where note = 'to topic $topic-again: $note'")"
equal 'all sent' "sent$count $count" "$(letters) $(rows weir.outbox)"
says 0 dlq requeue --to "$topic-again"
has out '0 requeued'
weir_start a
wait_relayed
weir_stop a
records "$topic" | cut -d' ' -f4- | sort >before.txt
records "$topic-again" | cut -d' ' -f4- | sort >after.txt
cmp before.txt after.txt || fail 'not the same records'
kafkactl headers "$topic-again" | sed -n 1p >headers.txt
grep -q "mine=1 weir_reason=handler weir_class=reject weir_text=the gate rejects bad-1 weir_topic=$topic weir_partition=0 weir_offset=0 weir_attempts=1 weir_dead_letter=1 weir_round=1\$" headers.txt ||
        fail "headers: $(cat headers.txt)"
hasnt headers.txt forged

# back into the topic it came from, twice refused, until the guard: rounds go with the record
sql "delete from weir.dead_letter where id > 3; update weir.dead_letter set state = 'kept'"
weir_start a
for round in 1 2; do
        says 0 dlq requeue --to "$topic"
        has out '3 requeued'
        wait_relayed
        wait_caught_up
        equal "letters of round $((round + 1))" 3 "$(rows "weir.dead_letter where state = 'kept' and round = $((round + 1))")"
done
says 0 dlq requeue --to "$topic"
has out '0 requeued'
has out '3 skipped: they went through 3 rounds or more'
gate_open
says 0 dlq requeue --to "$topic" --max-rounds 4
wait_relayed
wait_caught_up
equal effects 3 "$(rows probe.event)"
kafkactl headers "$topic" | tail -n 1 >headers.txt
equal 'headers of weir' 9 "$(tr ' ' '\n' <headers.txt | grep -c '^weir_')"
grep -q 'weir_round=3$' headers.txt || fail "round: $(cat headers.txt)"
weir_stop a
