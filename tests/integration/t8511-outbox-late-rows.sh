#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8511 - a row whose transaction takes long turns up behind higher ids: it leaves, and before what is later in its key
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
out=$topic-out
kafkactl create "$out" 1
new_db
configure plugin=sender options="topic = \"$out\";"
migrate
weir_start a
within 20s logged a lane.runs

# FIRST COUNT KEY: rows of one stream, as lanes write them
insert() {
        echo "insert into weir.outbox (kind, destination, shard, key, header_names, header_values, body, message_id, worker)
                select 't', '$out', 7, '$3', array['ce_id']::bytea[], array['e-' || i]::bytea[], 'x', 'e-' || i, 'sender'
                from generate_series($1, $1 + $2 - 1) i;"
}
arrived() { [ "$(kafkactl ends "$out" | awk '{ print $2 }')" -ge "$1" ]; }

coproc late { exec psql -XqAt -v ON_ERROR_STOP=1 "$url"; }
tell() { printf '%s\n' "$1" >&"${late[1]}"; }
# like a lane, it has written something before it draws ids
tell "begin; insert into weir.destination (kind, name) values ('t', 'elsewhere'); $(insert 1 5 slow) select 'drawn';"
read -r -t 20 -u "${late[0]}" answer
equal 'the late one' drawn "$answer"
sent=0
for round in 1 2 3 4 5; do # each a reading of its own, and the rows of each are gone before the next
        sql "$(insert $((round * 1000)) 900 quick) notify weir_outbox"
        sent=$((sent + 900))
        within 20s arrived "$sent"
        within 20s relayed
done
# a full backlog, so that the relay reads ahead while the late one commits in the middle of it
sql "$(insert 10000 60000 quick) notify weir_outbox"
within 20s arrived $((sent + 2000))
tell "commit; $(insert 90000 5 slow) select 'done';"
read -r -t 20 -u "${late[0]}" answer
equal 'the late one' 'done' "$answer"
sql 'notify weir_outbox'
wait_relayed
weir_stop a
equal 'exit status' 0 "$status"
records "$out" >records.txt
equal 'records' 64510 "$(wc -l <records.txt)"
equal 'distinct' 64510 "$(awk '{ print $5 }' records.txt | sort -u | wc -l)"
equal 'the slow ones, in order' 'e-1 e-2 e-3 e-4 e-5 e-90000 e-90001 e-90002 e-90003 e-90004' \
        "$(awk '$4 == "slow" { print $5 }' records.txt | xargs)"
in_order "$out"
