#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8805 - redirects are not followed, 400 is not repeated, 410 retires the sink: dead letters, and the others get theirs
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r '{ "/redirect": { "status": 302, "headers": { "Location": "/elsewhere" } },
        "/moved": { "status": 308, "headers": { "Location": "/elsewhere" } },
        "/bad": { "status": 400, "body": "no such tenant" }, "/gone": { "status": 410 } }'
sinks=''
for name in redirect moved bad gone good; do
        sinks+="${sinks:+,} { name = \"$name\"; url = \"http://127.0.0.1:${port[r]}/$name\"; allow_plain = true; allow_private = true; }"
done
prepare 1 plugin=notify "sinks=$sinks" 'options= rules = ( { to = [ "redirect", "moved", "bad", "gone", "good" ]; } );'
weir_start a
produce 1
wait_caught_up
wait_relayed 60s
equal 'requests' '/bad
/gone
/good
/moved
/redirect' "$(received r 'r["path"]' | sort)"
equal 'dead letters' 'deliver|sink bad|e-1|kept
deliver|sink gone|e-1|kept
deliver|sink moved|e-1|kept
deliver|sink redirect|e-1|kept' "$(sql 'select class, destination, event_id, state from weir.dead_letter order by destination')"
equal 'the answer is kept' 4 "$(sql "select count(*) from weir.dead_letter where text ~ case destination
        when 'sink bad' then '400.*no such tenant' when 'sink gone' then '410' when 'sink moved' then '308' else '302' end")"
equal 'retired' gone "$(sql "select name from weir.destination where state = 'retired'")"
produce 20 2
within 60s received_at_least r 21 'r["path"] == "/good"'
wait_caught_up
wait_relayed 60s
equal 'to the retired sink' 1 "$(received_count r 'r["path"] == "/gone"')"
equal 'dead letters for the retired sink' 21 "$(sql "select count(*) from weir.dead_letter where destination = 'sink gone'")"
equal 'to where the redirect points' 0 "$(received_count r 'r["path"] == "/elsewhere"')"
equal 'to good' 21 "$(received r 'h["ce-id"]' 'r["path"] == "/good"' | sort -u | wc -l)"
weir_stop a
equal 'exit status' 0 "$status"
