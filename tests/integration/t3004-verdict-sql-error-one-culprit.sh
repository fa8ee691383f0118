#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3004 - an SQL error in a batch of many: in a statement, in a COPY, at COMMIT; only the culprit is condemned
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=sql_error_type = "boom";'
sql "alter table probe.event add constraint copied check (id <> 'copied')"
sql 'alter table probe.event add constraint late unique (type, kkey) deferrable initially deferred' # null: any number
put 500 1 0
event b-1 boom | emit --partition 0
put 400 501 0
event copied test.made | emit --partition 0
put 300 901 0
event l-1 late | kafkactl produce "$topic" 0 -k same -h content-type=application/cloudevents+json
put 10 1201 0
event l-2 late | kafkactl produce "$topic" 0 -k same -h content-type=application/cloudevents+json
put 100 1211 0
expect_events 1310
expect l-1
weir_start a
check_exactly_once probe.event
equal 'dead letters' '500|reject|22012|b-1
901|reject|23514|copied
1213|reject|23505|l-2' "$(sql 'select "offset", class, reason, event_id from weir.dead_letter order by 1')"
batches=$(rows weir.batch)
[ "$batches" -lt 100 ] || fail "$batches transactions: good events were run one by one"
weir_stop a
equal 'exit status' 0 "$status"
