#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8507 - the broker goes away and comes back: rows wait, nothing is a dead letter, order is kept
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 2
out=$topic-out
kafkactl create "$out" 2
new_db
configure plugin=sender options="topic = \"$out\";"
migrate
produce 3000 1
weir_start a
wait_caught_up
wait_relayed
"$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
# made while nobody can take them: as a handler's transaction would leave them
sql "insert into weir.outbox (kind, destination, shard, key, header_names, header_values, body, message_id, worker)
        select 't', '$out', i % 16, ('s' || i % 16)::bytea, array['ce_id']::bytea[], array[('e-' || i)::bytea], 'x', 'e-' || i, 'sender'
        from generate_series(3001, 4000) i; notify weir_outbox"
leased() { [ "$(sql 'select count(*) from weir.outbox_stream where owner is not null')" = 16 ]; }
within 20s leased
equal 'rows that wait' 1000 "$(rows weir.outbox)"
"$SUPPORT/kafka.sh" start "$KAFKA_DIR" >/dev/null
wait_relayed 60s
equal 'dead letters' 0 "$(rows weir.dead_letter)"
weir_stop a
equal 'distinct events' 4000 "$(records "$out" | awk '{ print $5 }' | sort -u | wc -l)"
in_order "$out"
