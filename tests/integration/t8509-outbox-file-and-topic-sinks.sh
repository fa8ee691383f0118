#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8509 - a sink that cannot take anything delays no other, and gets everything once it can
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 2
out=$topic-out
kafkactl create "$out" 2
new_db
configure sandbox= plugin=sender options='sinks = [ "stuck", "paper", "bus" ];' sinks="
  { name = \"stuck\"; file = \"$TEST_DIR/missing/lines\"; }, { name = \"paper\"; file = \"$TEST_DIR/lines\"; },
  { name = \"bus\"; topic = \"$out\"; }"
migrate
printf 'half a li' >lines # as a crash in the middle of a line leaves it
produce 2000
weir_start a
wait_caught_up
lines_at_least() { [ "$(wc -l <"$1")" -ge "$2" ]; }
within 30s lines_at_least lines 2001
left() { [ "$(sql "select string_agg(distinct destination, ' ') from weir.outbox")" = "$1" ]; }
within 30s left stuck
equal 'records of the topic sink' 2000 "$(records "$out" | awk '{ print $5 }' | sort -u | wc -l)"
in_order "$out"
waits() { [ "$(sql "select state from weir.destination where name = 'stuck'")" = waiting ]; }
within 10s waits
equal 'dead letters' 0 "$(rows weir.dead_letter)"
mkdir missing
wait_relayed 60s
opened() { [ "$(sql "select state || failures from weir.destination where name = 'stuck'")" = open0 ]; }
within 10s opened
weir_stop a
equal 'the half line' 'half a li' "$(head -n 1 lines)"
for file in lines missing/lines; do
        grep -v '^half' "$file" | jq -r .id | sort -u | wc -l >count
        equal "events of $file" 2000 "$(cat count)"
        grep -v '^half' "$file" | jq -r '.subject + " " + .id[2:]' |
                awk '$2 + 0 <= last[$1] + 0 { bad = 1 } { last[$1] = $2 } END { exit bad }' || fail "$file: the order of a key is not kept"
done
