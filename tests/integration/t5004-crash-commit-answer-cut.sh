#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5004 - the connection cut around COMMIT, also between COMMIT and its answer: the row tells what happened
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'batch=max_events = 20;'
produce 10000
direct=$url
python3 "$SUPPORT/cutproxy.py" "$(cat "$PG_DIR/port")" 25 "$TEST_DIR/cuts.json" >proxy.port &
within 10s test -s proxy.port
url="postgresql://weir@127.0.0.1:$(cat proxy.port)/${direct##*/}"
configure 'batch=max_events = 20;'
url=$direct
weir_start a
check_exactly_once
cat cuts.json
python3 -c 'import json,sys; c = json.load(open("cuts.json")); sys.exit(min(c["unsent"], c["unheard"], c["unwaited"]) < 3)' ||
        fail 'too few connections were cut'
logged a 'event=commit.looked.*outcome=committed' || fail 'no unknown COMMIT was found committed'
weir_stop a
