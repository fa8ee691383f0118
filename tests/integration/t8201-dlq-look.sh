#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8201 - weir dlq list, stats and show: by every word, for people and for programs, without harm to a terminal
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 2
new_db
configure plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };' 'retry=attempts = 2; first_delay = "10ms";'
says 1 dlq list
has err 'weir migrate up'
migrate
says 0 dlq list
has out none
says 0 dlq list --json
equal 'no rows' '[]' "$(cat out)"

gate bad-1 reject
gate bad-2 reject
gate late retry
event bad-1 test.made | kafkactl produce "$topic" 0 -k k1 -h content-type=application/cloudevents+json -h mine=1
event bad-2 test.made | kafkactl produce "$topic" 1 -k k2 -h content-type=application/cloudevents+json
event late test.made | kafkactl produce "$topic" 1 -k k3 -h content-type=application/cloudevents+json
printf 'no \033[31mevent\a\0\377' | kafkactl produce "$topic" 1 -k k4
produce 20
weir_start a
wait_caught_up
weir_stop a
equal 'dead letters' 4 "$(rows weir.dead_letter)"

ids() { dlq list --json "$@" | jq -r '[.[] | .event_id // .class] | sort | join(" ")'; }
equal all 'bad-1 bad-2 decode late' "$(ids)"
equal class 'bad-1 bad-2' "$(ids --class reject)"
equal partition 'bad-1' "$(ids --partition 0)"
equal 'reason, in any case' bad-2 "$(ids --reason 'REJECTS BAD-2')"
equal worker '' "$(ids --worker other)"
equal topic 'bad-1 bad-2 decode late' "$(ids --topic "$topic")"
equal since 'bad-1 bad-2 decode late' "$(ids --since 1h)"
equal until '' "$(ids --until 1h)"
equal 'until a date' '' "$(ids --until 2024-01-01)"
bad_2=$(sql "select id from weir.dead_letter where event_id = 'bad-2'")
equal id bad-2 "$(ids --id "$bad_2")"
equal 'id, ranges' 'bad-1 bad-2 decode late' "$(ids --id "1-$bad_2" --id "$bad_2-")"
equal state '' "$(ids --state dropped)"
equal 'any state' 4 "$(dlq list --state any --json | jq length)"
dlq list --limit 1 >out
equal 'lines of a list of one' 3 "$(wc -l <out)"
has out '3 more'

dlq list --class decode >out
grep -qP '^ID +FAILED +STATE +WORKER +RECORD +CLASS' out || fail "no table: $(cat out)"
has out "$topic/1@"
COLUMNS=130 dlq list >narrow
equal 'a line is as long as the terminal' 130 "$(LC_ALL=C.UTF-8 wc -L <narrow)"
! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' out || fail 'a control character reached the terminal'

id=$(dlq list --class decode --json | jq '.[0].id')
dlq show "$id" >out
! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' out || fail 'a control character reached the terminal'
has out '6e 6f 20 1b 5b 33 31 6d'
dlq show "$id" --raw >raw
printf 'no \033[31mevent\a\0\377' | cmp - raw || fail 'the value is not byte for byte'
dlq show "$id" --json | jq -r .value_base64 | base64 -d | cmp - raw || fail 'value_base64 is not the value'
id=$(dlq list --partition 0 --json | jq '.[0].id')
dlq show "$id" >out
for word in 'mine = 1' 'the gate rejects bad-1' '"id":"bad-1"' 'k1' 'kept'; do has out "$word"; done
grep -qxE 'next +mend the event or the plugin by its words, then requeue' out || fail "no next step: $(cat out)"
equal 'next step' 'mend the event or the plugin by its words, then requeue' "$(dlq show "$id" --json | jq -r .next)"
equal header '1' "$(dlq show "$id" --json | jq -r '.headers[] | select(.name == "mine") | .value_base64' | base64 -d)"

dlq stats >out
has out '4 in all'
grep -qE '^ +2 +50 % +audit +reject +handler +1 ' out || fail "stats: $(cat out)"
grep -qE '^20[0-9-]+T[0-9]+:00Z +[1-4] #+$' out || fail "no bars: $(cat out)"
for line in 'decode +not-a-cloudevent +see who else writes to this topic, and mend that' \
        'reject +handler +mend the event or the plugin by its words, then requeue' \
        'attempts +handler +mend what the plugin waits for, or raise retry.attempts, then requeue'; do
        equal "lines of the next step: $line" 1 "$(grep -cxE "$line" out)"
done
equal 'next steps as JSON' 3 "$(dlq stats --json | jq '[.groups[].next | strings] | unique | length')"
sql "insert into weir.dead_letter (position, worker, topic, partition, \"offset\", header_names, header_values, class, reason, text, attempts,
        plugin_version, first_failed_at) select position, 'other', topic, 0, 0, '{}', '{}', 'reject', 'handler', '', 1, '1', now() from weir.dead_letter limit 1"
equal 'a next step is said once, not for each worker' 1 "$(dlq stats | grep -cE 'mend the event or the plugin')"
sql "update weir.dead_letter set state = 'dropped' where worker = 'other'"
dlq stats --state dropped >out
has out '1 in all'
hasnt out 'mend the' # what is dropped waits for nobody
equal 'nothing to do' null "$(dlq stats --state dropped --json | jq '.groups[0].next')"
dropped=$(sql "select id from weir.dead_letter where worker = 'other'")
! dlq show "$dropped" | grep -q '^next' || fail 'what is dropped has a next step'
equal 'nothing to do' null "$(dlq show "$dropped" --json | jq .next)"
equal 'sum of groups' 4 "$(dlq stats --json | jq '[.groups[].rows] | add')"
equal 'sum of hours' 4 "$(dlq stats --json | jq '[.hours[].rows] | add')"
equal 'stats, filtered' '[["attempts","handler"]]' "$(dlq stats --class attempts --json | jq -c '[.groups[] | [.class, .reason]]')"

says 1 dlq show 999
has err 'no dead letter 999'
says 2 dlq show bad
says 2 dlq list --id 5-3
has err 'from the lower id to the higher one'
says 2 dlq list --since yesterday
has err 2026-01-31
says 2 dlq list --class wrong
has err deliver
says 2 dlq list --state lost
has err requeue
says 2 dlq list --wait
has err '--wait is not for list'
says 2 dlq lst
has err 'did you mean list'
says 2 dlq list 5
has err unexpected
says 78 "$WEIR" dlq list -c /nowhere/weir.cfg
