#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8010 - on_dead = publish: the record is in the dead-letter topic as it came, with bounded weir_* headers, also the second time
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
kafkactl create "$topic.dead" 1
kafkactl create "$topic.dead.dead" 1
options='gate = true;'
configure plugin=probe options="$options" \
        more="on_dead = \"publish\"; dead_letter_topic = \"$topic.dead\"; retry = { attempts = 2; first_delay = \"10ms\"; };" \
        second=", { name = \"second\"; plugin = \"probe\"; group = \"$group-2\"; topics = [ \"$topic.dead\" ]; options = { $options };
                on_dead = \"publish\"; dead_letter_topic = \"$topic.dead.dead\"; }"
sed -i 's/ retry = {  };//' "$config"
migrate
gate bad reject
gate later retry
event bad test.made | kafkactl produce "$topic" 0 -k k1 -h content-type=application/cloudevents+json -h weir_reason=forged -h weir_other=x -h mine=1
event later test.made | kafkactl produce "$topic" 0 -k k2 -h content-type=application/cloudevents+json
echo 'no event' | kafkactl produce "$topic" 0 -k k3 -h weir_round=99999999
produce 50
weir_start a -w audit
wait_caught_up
wait_relayed
weir_stop a
id() { sql "select id from weir.dead_letter where worker = '$1' and \"offset\" = $2"; }
kafkactl headers "$topic.dead" | sort -k2n >headers.txt
cat >expected.txt <<TXT
content-type=application/cloudevents+json mine=1 weir_reason=handler weir_class=reject weir_text=the gate rejects bad weir_topic=$topic weir_partition=0 weir_offset=0 weir_attempts=1 weir_dead_letter=$(id audit 0) weir_round=1
content-type=application/cloudevents+json weir_reason=handler weir_class=attempts weir_text=the gate is closed for later weir_topic=$topic weir_partition=0 weir_offset=1 weir_attempts=2 weir_dead_letter=$(id audit 1) weir_round=1
weir_reason=not-a-cloudevent weir_class=decode weir_text=$(sql "select text from weir.dead_letter where class = 'decode'") weir_topic=$topic weir_partition=0 weir_offset=2 weir_attempts=1 weir_dead_letter=$(id audit 2) weir_round=1
TXT
diff <(cut -d' ' -f3- headers.txt | sort) <(sort expected.txt) || fail 'not these headers'
records "$topic" | awk '$2 < 3' | cut -d' ' -f3- | sort >before.txt
records "$topic.dead" | cut -d' ' -f3- | sort >after.txt
diff <(cut -d' ' -f2- before.txt) <(cut -d' ' -f2- after.txt) || fail 'key or value has changed'

weir_start b -w second # reads what is dead, and refuses it once more
topic=$topic.dead wait_caught_up
wait_relayed
kafkactl headers "$topic.dead.dead" >second.txt
equal 'headers of the second round' '9 9 9' "$(awk '{ n = 0; for (i = 1; i <= NF; i++) n += $i ~ /^weir_/; print n }' second.txt | xargs)"
equal rounds '2 2 2' "$(grep -oE 'weir_round=[0-9]+' second.txt | cut -d= -f2 | sort -n | xargs)"
grep -q "content-type=application/cloudevents+json mine=1 weir_reason=handler weir_class=reject .*weir_topic=$topic.dead " second.txt ||
        fail 'the headers are not replaced'
weir_stop b
