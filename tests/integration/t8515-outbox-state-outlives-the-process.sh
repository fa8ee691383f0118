#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8515 - what a receiver said of itself holds after a restart from the first event on, and for its url only; a late
#         200 does not undo a Retry-After
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
receiver_start r
sinks_at() { # PATH: the hook there, and beside it a file that shows that the relay has been here
        configure plugin=sender options='sinks = [ "hook", "paper" ];' sinks="
  { name = \"hook\"; url = \"http://127.0.0.1:${port[r]}$1\"; allow_plain = true; allow_private = true; },
  { name = \"paper\"; file = \"$TEST_DIR/lines\"; }"
}
lines() { [ "$(wc -l <lines)" -ge "$1" ]; }
state() { sql "select state from weir.destination where name = 'hook'"; }
state_is() { [ "$(state)" = "$1" ]; }
posts() { received_count r "r['path'] == '$1'"; }
restart() {
        weir_stop a
        equal 'exit status' 0 "$status"
        weir_start a
}

# retired stays retired, without one more request
sinks_at /old
migrate
receiver_tell r '{ "/old": { "status": 410 }, "/busy": { "status": 429, "headers": { "Retry-After": "3600" } } }'
weir_start a
produce 1 1 1
within 30s state_is retired
restart
produce 5 2 1
within 30s lines 6
wait_relayed
equal 'requests after 410' 1 "$(posts /old)"
equal 'dead letters' 'http-410 1|retired 5' "$(sql "select string_agg(reason || ' ' || n, '|' order by reason) from
        (select reason, count(*) n from weir.dead_letter group by 1) t")"

# a new url has answered nothing yet
sinks_at /new
restart
produce 5 7 1
within 30s received_at_least r 5 "r['path'] == '/new'"
wait_relayed
equal 'state' open "$(state)"
equal 'dead letters' 6 "$(rows weir.dead_letter)"

# the wait that a receiver asked for goes on after a restart
sinks_at /busy
restart
produce 1 12 1
within 30s state_is waiting
restart
produce 5 13 4
within 30s lines 17
equal 'requests within Retry-After' 1 "$(posts /busy)"
equal 'waiting rows' 6 "$(rows weir.outbox)"
receiver_tell r '{}'
"$WEIR" relay open sink hook -c "$config"
wait_relayed 30s

# 1. a request is held  2. another is answered 429  3. the first is answered 200
sinks_at /late
receiver_tell r "{ \"/late\": [ { \"status\": 200, \"until\": \"$TEST_DIR/go\" }, { \"status\": 429, \"headers\": { \"Retry-After\": \"3600\" } } ] }"
restart
produce 1 18 8
within 30s received_at_least r 1 "r['path'] == '/late'"
produce 1 19 8
within 30s state_is waiting
touch go
one_left() { [ "$(rows weir.outbox)" = 1 ]; }
within 30s one_left
produce 3 20 8
within 30s lines 22
equal 'requests within Retry-After' 2 "$(posts /late)"
equal 'state' waiting "$(state)"
weir_stop a
equal 'exit status' 0 "$status"
