#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8817 - an answer is kept with the removal of the row that it answers, or not at all: where another relay has delivered and
#         removed the row meanwhile, that one has an answer already
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
replies=$topic
receiver_start r
receiver_tell r "{ \"*\": { \"ids\": {
        \"e-1\": { \"until\": \"$TEST_DIR/go\", \"event\": { \"id\": \"r-1\", \"source\": \"/receiver\", \"type\": \"answer.made\", \"data\": \"1\" } },
        \"e-2\": { \"until\": \"$TEST_DIR/go\", \"event\": { \"id\": \"r-2\", \"source\": \"/receiver\", \"type\": \"answer.made\", \"data\": \"2\" } } } } }"
prepare 1 plugin=notify "sinks=
  { name = \"ask\"; url = \"http://127.0.0.1:${port[r]}/ask\"; reply_topic = \"$replies\"; allow_plain = true; allow_private = true; }" \
        'options= rules = ( { to = [ "ask" ]; } );'
weir_start a
produce 2
within 30s received_at_least r 2
# the relay loses its session, and with it its leases; what another one does then, the test does
sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weir relay' and datname = current_database()"
sql "delete from weir.outbox where convert_from(body, 'UTF8') like '%\"n\":1%'"
equal 'rows left' 1 "$(rows weir.outbox)"
touch go
wait_relayed 30s
equal 'answers' r-2 "$(records "$replies" | awk '{ print $5 }' | xargs)"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'exit status' 0 "$status"
