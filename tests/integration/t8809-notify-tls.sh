#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8809 - a receiver's certificate is verified against ca_file, name included; an address of this machine is refused unless allowed
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=receiver \
        -addext subjectAltName=IP:127.0.0.1 >/dev/null 2>&1
receiver_start r --cert cert.pem --key key.pem
receiver_start plain
prepare 1 plugin=notify "sinks=
  { name = \"good\"; url = \"https://127.0.0.1:${port[r]}/good\"; ca_file = \"cert.pem\"; allow_private = true; },
  { name = \"unknown\"; url = \"https://127.0.0.1:${port[r]}/unknown\"; allow_private = true; },
  { name = \"misnamed\"; url = \"https://localhost:${port[r]}/misnamed\"; ca_file = \"cert.pem\"; allow_private = true; },
  { name = \"notls\"; url = \"https://127.0.0.1:${port[plain]}/notls\"; ca_file = \"cert.pem\"; allow_private = true; },
  { name = \"private\"; url = \"http://127.0.0.1:${port[plain]}/private\"; allow_plain = true; }" \
        'options= rules = ( { to = [ "good", "unknown", "misnamed", "notls", "private" ]; } );'
weir_start a
produce 3
within 60s received_at_least r 3 'r["path"] == "/good"'
for sink in unknown misnamed notls private; do
        within 30s logged a "event=relay[.][a-z]* .*sink=$sink"
done
grep -qiE 'sink=unknown.*certificate' a.log || fail "$(grep sink=unknown a.log)"
grep -qiE 'sink=misnamed.*(certificate|name)' a.log || fail "$(grep sink=misnamed a.log)"
grep -qE 'sink=private.*127.0.0.1' a.log || fail "$(grep sink=private a.log)"
equal 'other requests' 0 "$(received_count r 'r["path"] != "/good"')"
equal 'requests in the open' 0 "$(received_count plain)"
wait_caught_up
weir_stop a
equal 'exit status' 0 "$status"
