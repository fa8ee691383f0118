#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5104 - a worker that does nothing but die is given up and named, the other goes on, and the exit status says so
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
configure second=",
{ name = \"dies\"; plugin = \"hostile\"; group = \"dies\"; topics = [ \"dies\" ]; start = \"earliest\"; options = { die = true; }; }"
cat >>weir.cfg <<'TXT'
restart = { first_delay = "10ms"; limit = 4; };
TXT
migrate
produce 500
weir_start a
within 60s logged a 'event=worker.failed worker=dies deaths=4'
produce 500 501
check_exactly_once
equal 'starts' 3 "$(grep -c 'event=process.started worker=dies' a.log)"
weir_stop a
equal 'exit status' 1 "$status"
