#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8209 - on_dead = publish: what is requeued in place and fails for good is published once more a round, also over kills
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
kafkactl create "$topic.dead" 1
configure plugin=probe 'options=gate = true;' more="on_dead = \"publish\"; dead_letter_topic = \"$topic.dead\";"
migrate
gate bad reject
event bad test.made | kafkactl produce "$topic" 0 -k k1 -h content-type=application/cloudevents+json -h mine=1
weir_start a
wait_caught_up
published() { [ "$(kafkactl headers "$topic.dead" | wc -l)" = "$1" ]; }
within 30s published 1 || fail 'it is not published'
says 1 dlq requeue --wait
within 30s published 2 || fail 'it is not published again'
weir_kill a
for point in aside.failed aside.settled aside.committed; do # the row and the message: both, or none
        dlq requeue --max-rounds 9
        weir_dies b "$point"
        equal "messages after $point" "$([ "$point" = aside.committed ] && echo kept1 || echo requeue1)" "$(letters)"
        weir_start c
        kept() { [ "$(letters)" = kept1 ]; }
        within 30s kept || fail "it is not kept after $point"
        wait_relayed
        weir_kill c
done
kafkactl headers "$topic.dead" | cut -d' ' -f3- | sort -u >headers.txt
equal rounds '1 2 3 4 5' "$(grep -oE 'weir_round=[0-9]+' headers.txt | cut -d= -f2 | sort -n | xargs)"
equal 'headers of ours' '9 9 9 9 9' "$(awk '{ n = 0; for (i = 1; i <= NF; i++) n += $i ~ /^weir_/; print n }' headers.txt | xargs)"
equal 'the record stays as it came' 1 "$(records "$topic.dead" | cut -d' ' -f4- | sort -u | wc -l)"
