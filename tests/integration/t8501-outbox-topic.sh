#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8501 - what a handler emits is in the topic, once, unchanged, in the order of its key; the outbox is empty again
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 4
out=$topic-out
kafkactl create "$out" 4
new_db
configure plugin=sender options="topic = \"$out\"; made = true;"
migrate
produce 20000
weir_start a
wait_caught_up
wait_relayed
weir_stop a
equal 'exit status' 0 "$status"
records "$out" >records.txt
awk '$6 != "-" { print $5 }' records.txt | LC_ALL=C sort >sent.txt
equal 'events passed on' 20000 "$(wc -l <sent.txt)"
LC_ALL=C sort produced | diff -q - sent.txt || fail 'not the same events'
equal 'events made' 20000 "$(awk '$6 == "-" { print $5 }' records.txt | sort -u | wc -l)"
awk '$6 != "-"' records.txt >passed.txt
# e-17 has {"n":17}: data bytes unchanged, and the key is the subject
awk '{ n = $5; sub(/^e-/, "", n); if ($6 != "{\"n\":" n "}" || $4 != "s" n % 16) { print; bad = 1 } } END { exit bad }' passed.txt
in_order "$out"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
equal 'leases left' 0 "$(sql 'select count(*) from weir.outbox_stream where owner is not null')"
