#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8806 - a receiver that takes requests and does not answer holds max_concurrent of them, and nobody else's
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r "{ \"/stuck\": { \"until\": \"$TEST_DIR/go\" } }"
prepare 4 plugin=notify "sinks=
  { name = \"stuck\"; url = \"http://127.0.0.1:${port[r]}/stuck\"; timeout = \"5min\"; max_concurrent = 3; allow_plain = true; allow_private = true; },
  { name = \"good\"; url = \"http://127.0.0.1:${port[r]}/good\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "stuck", "good" ]; } );'
weir_start a
produce 500
within 60s received_at_least r 500 'r["path"] == "/good"' || fail "good has $(received_count r 'r["path"] == "/good"')"
wait_caught_up
within 10s received_at_least r 3 'r["path"] == "/stuck"'
equal 'requests that hang' 3 "$(received_count r 'r["path"] == "/stuck"')"
touch go
within 60s received_at_least r 500 'r["path"] == "/stuck"'
wait_relayed 30s
for path in stuck good; do
        equal "$path: events" 500 "$(received r 'h["ce-id"]' "r['path'] == '/$path'" | sort -u | wc -l)"
        equal "$path: requests" 500 "$(received_count r "r['path'] == '/$path'")"
done
weir_stop a
equal 'exit status' 0 "$status"
