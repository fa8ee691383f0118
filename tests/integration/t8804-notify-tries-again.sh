#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8804 - what may pass is sent again, the same event under the same id: 408 425 429 5xx, cut and reset connections; Retry-After
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

ways='408 425 429 500 503 before head reset slow'
receiver_start r
control='' sinks='' names=''
for way in $ways; do
        case $way in
        429) behaviour='"status": 429, "headers": { "Retry-After": "3" }' ;;
        slow) behaviour='"delay_ms": 1500' ;;
        [0-9]*) behaviour="\"status\": $way" ;;
        *) behaviour="\"cut\": \"$way\"" ;;
        esac
        control+="${control:+,} \"/$way\": [ { $behaviour }, { \"status\": 202 } ]"
        sinks+="${sinks:+,} { name = \"w$way\"; url = \"http://127.0.0.1:${port[r]}/$way\"; timeout = \"1s\"; allow_plain = true; allow_private = true; }"
        names+="${names:+, }\"w$way\""
done
receiver_tell r "{ $control }"
prepare 1 plugin=notify "sinks=$sinks" "options= rules = ( { to = [ $names ]; } );"
weir_start a
produce 1
wait_caught_up
wait_relayed 60s
for way in $ways; do
        equal "$way: requests" 2 "$(received_count r "r['path'] == '/$way'")"
        equal "$way: ids" 1 "$(received r 'h["webhook-id"] + h["ce-id"] + body' "r['path'] == '/$way'" | sort -u | wc -l)"
        equal "$way: the last answer" 202 "$(received r 'r["answered"]' "r['path'] == '/$way'" | tail -n 1)"
done
equal 'ids of different sinks' 9 "$(received r 'h["webhook-id"]' | sort -u | wc -l)"
received r 'r["at"]' 'r["path"] == "/429"' | awk 'NR == 2 && $1 - first < 2.99 { print "sent again after " $1 - first " s, 3 were asked for"; exit 1 } { first = $1 }'
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
