#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7006 - emit: every event is acknowledged or named, whatever goes wrong, and soon
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 3
url=postgresql:///none
configure
sed -i 's/; password_file = "password"//' "$config"
seen() { "$WEIR" tail "$topic" -c "$config" --from earliest --exit-at-end --json; }
fresh() { new_topic 1; configure; sed -i 's/; password_file = "password"//' "$config"; }

# 50,000 from standard input, keyed: all there, a subject in one partition, in order
events 50000 1 7 >events.jsonl
says 0 "$WEIR" emit -c "$config" --topic "$topic" --key-from subject <events.jsonl
has err '50000 sent, 50000 acknowledged, 0 failed'
seen >seen.jsonl
equal 'events there' 50000 "$(wc -l <seen.jsonl)"
sed 's/.*"subject":"\([^"]*\)".*"partition":\([0-9]*\).*/\1 \2/' seen.jsonl | sort -u >spread.txt
equal 'a subject, a partition' 7 "$(wc -l <spread.txt)"
sed 's/.*"id":"e-\([0-9]*\)".*"subject":"\([^"]*\)".*/\2 \1/' seen.jsonl | awk '$2 <= last[$1] { exit 1 } { last[$1] = $2 }' || fail 'out of order'

# a file; structured; a fixed key; a partition
fresh
head -5 events.jsonl >five.jsonl
says 0 "$WEIR" emit -c "$config" --topic "$topic" --structured --key k five.jsonl
kcat -b "$KAFKA" -t "$topic" -C -o beginning -e -q -f '%k|%h|%s\n' >records.txt
equal 'structured records' 5 "$(grep -c '^k|content-type=application/cloudevents+json.*|{"specversion":"1.0","id":"e-' records.txt)"
says 0 "$WEIR" emit -c "$config" --topic "$topic" --partition 0 --key-from none --type a.b --source /s --id 1 --subject 's p' \
        --time 2026-01-31T08:00:00.5+01:00 --dataschema urn:x --ext shard=7 --data '{"a": 1.0}'
kcat -b "$KAFKA" -t "$topic" -C -o 5 -e -q -f '%K|%h|%s\n' >record.txt
for part in '-1|' ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=a.b 'ce_subject=s p' ce_time=2026-01-31T08:00:00.5+01:00 \
        ce_dataschema=urn:x ce_shard=7 content-type=application/json '|{"a": 1.0}'; do
        has record.txt "$part"
done
hasnt record.txt ce_datacontenttype
says 0 "$WEIR" emit -c "$config" --topic "$topic" --type a.b --source /s --time none
kcat -b "$KAFKA" -t "$topic" -C -o 6 -e -q -f '%S|%h\n' >record.txt
has record.txt '-1|' # no data: a null value
hasnt record.txt ce_time

# a bad line: named, the exit status says so, and what was acknowledged before it is told
fresh
{
        head -3 five.jsonl
        echo '{"specversion":"1.0","id":"x","type":"t"}'
        tail -2 five.jsonl
} >bad.jsonl
says 1 "$WEIR" emit -c "$config" --topic "$topic" bad.jsonl
has err 'line 4: missing-attribute at byte 0: source is missing'
has err '3 acknowledged, 1 failed'
equal 'before the bad line' 3 "$(seen | wc -l)"
says 1 "$WEIR" emit -c "$config" --topic "$topic" --skip-bad bad.jsonl
has err '5 acknowledged, 1 failed'
# a record over the limit: named with its size
head -c 3000000 /dev/zero >large
says 1 "$WEIR" emit -c "$config" --topic "$topic" --type t --source s --data-file large
has err 'a record of 3000'

# flags that make no event
for flags in '--type t' '--source s' '--type t --source s --data a --data-file b' '--type t --source s --ext =1' \
        '--type t --source s extra.jsonl' '--rate 0' '--key-from colour' '--timeout never'; do
        # shellcheck disable=SC2086
        says 2 "$WEIR" emit -c "$config" --topic "$topic" $flags
done
for flags in '--type t --source s --time yesterday' '--type t --source s --ext Big=1' '--type t --source s --ext id=1' \
        '--type t --source s --data-file /nowhere' '--type t --source s --content-type nonsense'; do
        # shellcheck disable=SC2086
        says 1 "$WEIR" emit -c "$config" --topic "$topic" $flags
        hasnt err ' 1 acknowledged'
done
says 2 "$WEIR" emit -c "$config" --type t --source s
says 2 "$WEIR" emit -c "$config" --topic "$topic" --partition 1 --type t --source s
has err 'no partition 1, it has 1'
says 1 "$WEIR" emit -c "$config" --topic "$topic" <&-
has err 'standard input'
says 1 "$WEIR" emit -c "$config" --topic "$topic" nowhere.jsonl
status=0
"$WEIR" emit --dry-run --type t --source s >/dev/full 2>err || status=$?
equal 'a dry run to a full disk' 1 "$status"

# a typing error makes no topic
says 2 timeout 30 "$WEIR" emit -c "$config" --topic "$topic-typo" five.jsonl
has err 'does not exist'
if kafkactl ends "$topic-typo" >ends.log 2>&1; then fail 'emit made a topic'; fi
# nobody there: told soon, and not once for each line
says 1 timeout 30 "$WEIR" emit -b 127.0.0.1:1 --topic "$topic" events.jsonl
has err 'Connection refused'
[ "$(wc -l <err)" -le 3 ]

# the broker goes away in the middle: each event is acknowledged or failed, and the sum is right
fresh
mkfifo pipe
"$WEIR" emit -c "$config" --topic "$topic" --timeout 3 <pipe >out 2>err &
sender=$!
exec 5>pipe
head -100 events.jsonl >&5
arrived() { [ "$(seen 2>/dev/null | wc -l)" -ge 100 ]; }
within 20s arrived
"$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
head -200 events.jsonl | tail -100 >&5
exec 5>&-
status=0
wait "$sender" || status=$?
equal 'exit status' 1 "$status"
has err '200 sent, 100 acknowledged, 100 failed'
has err 'line 101: not delivered'
