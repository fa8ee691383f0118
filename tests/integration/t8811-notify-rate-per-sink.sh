#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8811 - a sink's rate is kept, and holds up no other
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

receiver_start r
prepare 1 plugin=notify "sinks=
  { name = \"calm\"; url = \"http://127.0.0.1:${port[r]}/calm\"; rate = 20; allow_plain = true; allow_private = true; },
  { name = \"free\"; url = \"http://127.0.0.1:${port[r]}/free\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "calm", "free" ]; } );'
weir_start a
produce 80
wait_caught_up
wait_relayed 60s
# of n events at 20 a second, a tenth of a second's worth may come at once: the n-th not before (n - 2 - 1) / 20 s
received r 'r["at"]' 'r["path"] == "/calm"' | awk 'NR == 1 { first = $1 } { if ($1 - first < (NR - 3) / 20 - 0.05) early++ }
        END { printf "%d events in %.2f s\n", NR, $1 - first; if (early || NR != 80) { print early " came too early"; exit 1 } }'
last() { received r 'r["at"]' "r['path'] == '/$1'" | tail -n 1; }
awk -v free="$(last free)" -v calm="$(last calm)" 'BEGIN { exit !(free + 1 < calm) }' || fail "free was done at $(last free), calm at $(last calm)"
weir_stop a
equal 'exit status' 0 "$status"
