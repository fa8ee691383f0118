#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8810 - a sink with an origin is asked by OPTIONS before its first event, and gets none until it consents
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
granted='"options": { "status": 200, "headers": { "WebHook-Allowed-Origin": "events.example.com", "WebHook-Allowed-Rate": "6000" } }'
receiver_tell r "{ \"/yes\": { $granted }, \"/later\": [ { \"options\": { \"status\": 503 } }, { $granted } ],
        \"/other\": { \"options\": { \"status\": 200, \"headers\": { \"WebHook-Allowed-Origin\": \"events.example.com.evil.example\" } } } }"
sinks=''
for name in yes later no other; do
        sinks+="${sinks:+,} { name = \"$name\"; url = \"http://127.0.0.1:${port[r]}/$name\"; origin = \"events.example.com\"; request_rate = 6000; allow_plain = true; allow_private = true; }"
done
prepare 1 plugin=notify "sinks=$sinks" 'options= rules = ( { to = [ "yes", "later", "no", "other" ]; } );'
weir_start a
produce 5
for name in yes later; do
        within 60s received_at_least r 5 "r['path'] == '/$name' and r['method'] == 'POST'"
        equal "$name: methods" 'OPTIONS POST' "$(received r 'r["method"]' "r['path'] == '/$name'" | uniq | xargs)"
        equal "$name: the origin is said with each event" 5 "$(received_count r \
                "r['path'] == '/$name' and r['method'] == 'POST' and h.get('webhook-request-origin') == 'events.example.com'")"
done
equal 'asked' 'events.example.com 6000' "$(received r 'h["webhook-request-origin"] + " " + h["webhook-request-rate"]' 'r["path"] == "/yes" and r["method"] == "OPTIONS"')"
equal 'asked again' 2 "$(received_count r 'r["path"] == "/later" and r["method"] == "OPTIONS"')"
# neither 405 nor consent to another origin is consent: the events wait, and their receiver sees none of them
for name in no other; do
        within 30s logged a "event=relay.waits .*sink=$name .*without consent"
        equal "$name: events" 0 "$(received_count r "r['path'] == '/$name' and r['method'] == 'POST'")"
        equal "$name: waiting" 5 "$(sql "select count(*) from weir.outbox where destination = '$name'")"
done
# a refusal lasts for five minutes; an operator need not wait for them
receiver_tell r "{ \"*\": { $granted } }"
asked() { received_count r "r['path'] == '/no' and r['method'] == 'OPTIONS'"; }
equal 'no: asked' 1 "$(asked)"
[ "$(sql "select not_before > now() + interval '200 s' from weir.destination where name = 'no'")" = t ] || fail 'no: it does not wait for long'
began=${EPOCHREALTIME/[.,]/}
"$WEIR" relay open sink no -c "$config"
within 20s received_at_least r 5 "r['path'] == '/no' and r['method'] == 'POST'"
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
echo "from the command to the last event: $took ms"
[ "$took" -le $((5000 * ${TIMEOUT_FACTOR:-1})) ] || fail "no: $took ms"
equal 'no: asked again' 2 "$(asked)"
equal 'other: still waiting' 5 "$(sql "select count(*) from weir.outbox where destination = 'other'")"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
