#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8814 - consent is for one url and origin; a refusal ends it, an operator who opens the sink has it asked for anew;
#         without it no event leaves
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
new_topic 1
new_db
granted() { echo "\"options\": { \"status\": 200, \"headers\": { \"WebHook-Allowed-Origin\": \"$1\" } }"; }
sink_at() { # PATH ORIGIN
        configure plugin=notify options='rules = ( { to = [ "hook" ]; } );' sinks="{ name = \"hook\"; url = \"http://127.0.0.1:${port[r]}$1\";
                origin = \"$2\"; allow_plain = true; allow_private = true; }"
}
requests() { received_count r "r['path'] == '$1' and r['method'] == '$2'"; }
asked() { [ "$(requests "$1" OPTIONS)" -ge "$2" ]; }
consent() { sql "select count(*) from weir.destination where allowed_until > now()"; }
no_consent() { [ "$(consent)" = 0 ]; }
waiting() { [ "$(rows weir.outbox)" = "$1" ]; }
restart() {
        weir_stop a
        equal 'exit status' 0 "$status"
        weir_start a
}

sink_at /one events.example.com
migrate
receiver_tell r "{ \"/one\": { $(granted events.example.com) } }"
weir_start a
produce 3 1 1
within 30s received_at_least r 3 "r['method'] == 'POST'"
wait_relayed
equal 'consent' 1 "$(consent)"

# it holds over a restart
restart
produce 1 4 1
within 30s received_at_least r 4 "r['method'] == 'POST'"
wait_relayed
equal 'asked' 1 "$(requests /one OPTIONS)"

# another url, another origin: asked again, and refused
sink_at /two events.example.com
restart
produce 2 5 1
within 30s asked /two 1
within 30s waiting 2
equal 'events without consent' 0 "$(requests /two POST)"
sink_at /one other.example.com
restart
"$WEIR" relay open sink hook -c "$config"
within 30s asked /one 2
equal 'events to an origin that was not granted' 4 "$(requests /one POST)"

# granted after all; then an operator opens, and the answer has changed
receiver_tell r "{ \"/one\": { $(granted other.example.com) } }"
"$WEIR" relay open sink hook -c "$config"
wait_relayed 30s
equal 'events' 6 "$(requests /one POST)"
asked_so_far=$(requests /one OPTIONS)
receiver_tell r '{}'
"$WEIR" relay open sink hook -c "$config"
within 10s no_consent
produce 2 7 1
within 30s asked /one $((asked_so_far + 1))
within 30s logged a "event=relay.waits .*sink=hook .*without consent"
restart
produce 1 9 1
wait_caught_up
within 10s waiting 3
"$WEIR" relay open sink hook -c "$config"
within 30s asked /one $((asked_so_far + 2))
equal 'events after the refusal' 6 "$(requests /one POST)"
equal 'consent' 0 "$(consent)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
