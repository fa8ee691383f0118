#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8813 - a rate is one for all processes: what the configuration says, and what the receiver granted
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
receiver_tell r '{ "/granted": { "options": { "status": 200, "headers": { "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "1200" } } } }'
prepare 4 plugin=notify "sinks=
  { name = \"own\"; url = \"http://127.0.0.1:${port[r]}/own\"; rate = 20; allow_plain = true; allow_private = true; },
  { name = \"granted\"; url = \"http://127.0.0.1:${port[r]}/granted\"; origin = \"events.example.com\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "own", "granted" ]; } );'
weir_start a
weir_start b
produce 160 1 64
both() { [ "$(sql "select count(distinct owner) from weir.outbox_stream where owner is not null and destination = '$1'")" = 2 ]; }
for name in own granted; do within 20s both "$name"; done
wait_caught_up
wait_relayed 60s
for name in own granted; do
        # n events at 20 a second: the n-th not before (n - 1) / 20 s; a tenth of a second's worth, 2, may come at once
        received r 'r["at"]' "r['path'] == '/$name' and r['method'] == 'POST'" | sort -n | awk -v name="$name" 'NR == 1 { first = $1 }
                { if ($1 - first < (NR - 4) / 20 - 0.05) early++; last = $1 }
                END { printf "%s: %d events in %.2f s, %.1f a second\n", name, NR, last - first, (NR - 1) / (last - first)
                      if (early) print early " came too early"
                      exit NR != 160 || early > 0 || last - first > 2 * NR / 20 }' || fail "the rate of $name"
done
weir_stop a
equal 'exit status' 0 "$status"
weir_stop b
equal 'exit status' 0 "$status"
