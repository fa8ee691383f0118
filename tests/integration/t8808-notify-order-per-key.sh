#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8808 - failures in the middle of many keys at a time: per key nothing overtakes, nothing is missing; two processes share it
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r "{ \"/in\": [ $(for ((i = 1; i <= 60; i++)); do
        case $((i % 20)) in
        7) printf '{ "status": 408 }, ' ;;
        15) printf '{ "cut": "before" }, ' ;;
        *) printf '{ "delay_ms": %d }, ' $((i % 3 * 5)) ;;
        esac
done) { } ] }"
prepare 4 plugin=notify "sinks= { name = \"in\"; url = \"http://127.0.0.1:${port[r]}/in\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "in" ]; } );'
weir_start a
weir_start b
produce 400 1 12
wait_caught_up
wait_relayed 100s
equal 'events' 400 "$(received r 'h["ce-id"]' 'r["answered"] == 204' | sort -u | wc -l)"
equal 'repeats that were answered well before' 0 "$(received r 'h["ce-id"]' 'r["answered"] == 204' | sort | uniq -d | wc -l)"
equal 'order within a key' '' "$(received r 'h["ce-subject"] + " " + str(json.loads(body)["n"])' 'r["answered"] == 204' |
        awk '$2 <= last[$1] { print } { last[$1] = $2 }')"
# and what failed was not overtaken while it waited
equal 'overtaken' '' "$(received r 'h["ce-subject"] + " " + str(json.loads(body)["n"])' |
        awk '$2 < last[$1] { print } { last[$1] = $2 }')"
[ "$(received_count r 'r["answered"] != 204')" -ge 3 ] || fail 'too few failures to show anything'
weir_stop a
weir_stop b
