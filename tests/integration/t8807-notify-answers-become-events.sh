#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8807 - a CloudEvent in the answer goes to the sink's reply_topic, once; an answer that is none, nowhere; one that is
#         an event but a bad one is named in the log, and the delivery counts
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
replies=$topic
receiver_start r
receiver_tell r '{ "/ask": [ { "event": { "id": "r-1", "source": "/receiver", "type": "answer.made", "subject": "s1", "data": "{\"yes\":true}" } },
                { "status": 200, "body": "{\"ok\":true}", "headers": { "Content-Type": "application/json" } },
                { "event": { "id": "r-3", "source": "/receiver", "type": "answer.made", "data": "3" } } ],
        "/bad": [ { "status": 200, "body": "{", "headers": { "Content-Type": "application/cloudevents+json" } },
                { "status": 202, "event": { "id": "r-5", "source": "/receiver", "type": "answer.early", "data": "5" } },
                { "status": 200, "body_bytes": 70000, "headers": { "Content-Type": "application/cloudevents+json" } } ],
        "/tell": { "event": { "id": "r-9", "source": "/receiver", "type": "answer.ignored", "data": "9" } } }'
prepare 1 plugin=notify "sinks=
  { name = \"ask\"; url = \"http://127.0.0.1:${port[r]}/ask\"; reply_topic = \"$replies\"; allow_plain = true; allow_private = true; },
  { name = \"bad\"; url = \"http://127.0.0.1:${port[r]}/bad\"; reply_topic = \"$replies\"; allow_plain = true; allow_private = true; },
  { name = \"tell\"; url = \"http://127.0.0.1:${port[r]}/tell\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "ask", "tell", "bad" ]; } );'
weir_start a
produce 3 1 1
within 60s received_at_least r 9
wait_relayed 30s
equal 'answers' '["r-1", "/receiver", "answer.made", "s1"]
["r-3", "/receiver", "answer.made", null]' "$("$WEIR" tail "$replies" -c "$config" --from earliest --exit-at-end --json | python3 -c 'import json, sys
for line in sys.stdin: e = json.loads(line); print(json.dumps([e["id"], e["source"], e["type"], e.get("subject")]))')"
dropped() { grep -c "event=relay.reply_dropped .*sink=bad .*reason=$1 " a.log || true; }
equal 'dropped' '1 1 1' "$(dropped bad-json) $(dropped status-202) $(dropped over-limit)"
equal 'dropped with an id that was sent' 3 "$(grep -o 'event=relay.reply_dropped .*' a.log | sed 's/.* id=\([^ ]*\) .*/\1/' | sort -u |
        comm -12 - <(received r 'h["webhook-id"]' 'r["path"] == "/bad"' | sort) | wc -l)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
