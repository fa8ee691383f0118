#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4101 - rolling restarts of three members under load: no event is handed to a handler twice, by weir's own count and by the
#         handler's; with static members no rebalance either
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

restarts=${RESTARTS:-12} # of 100 in the nightly runs
new_topic 6
new_db
for name in a b c; do
        configure file=$name.cfg plugin=hostile name=roll "options=calls = \"$TEST_DIR/calls\";" \
                'batch=max_events = 10; linger = "0ms";' member="member-$name"
done
migrate
slow 1
load() { for chunk in $(seq 0 $((restarts * 2))); do produce 400 $((chunk * 400 + 1)); done; }
load &
loader=$!
for name in a b c; do config=$name.cfg weir_start $name; done
for name in a b c; do within 30s logged $name 'event=lane.runs'; done
assignments() { cat a.log b.log c.log | grep -c 'event=group.assigned'; }
slowest=0
before=$(assignments)
for ((i = 0; i < restarts; i++)); do
        name=$(cut -c$((i % 3 + 1)) <<<abc)
        began=$(date +%s%3N)
        weir_stop $name
        took=$(($(date +%s%3N) - began))
        [ "$took" -le "$slowest" ] || slowest=$took
        equal "exit status of $name" 0 "$status"
        runs=$(grep -c 'event=lane.runs' $name.log)
        config=$name.cfg weir_start $name
        again() { [ "$(grep -c 'event=lane.runs' $name.log)" -gt "$runs" ]; }
        within 30s again
done
wait "$loader"
config=a.cfg check_exactly_once hostile.event
for name in a b c; do weir_stop $name; done
equal 'calls that were abandoned' 0 "$(cat a.log b.log c.log | grep -oE ' abandoned=[1-9][0-9]*' | wc -l)"
equal 'events handed over twice' 0 "$(cut -d' ' -f1 calls | LC_ALL=C sort | uniq -d | wc -l)"
equal 'assignments beyond those of the restarts' 0 $(($(assignments) - before - restarts))
[ "$slowest" -le $((5000 * ${TIMEOUT_FACTOR:-1})) ] || fail "the slowest stop took $slowest ms"
echo "$restarts restarts, the slowest stop took $slowest ms"
