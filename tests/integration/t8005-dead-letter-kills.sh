#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8005 - SIGKILL at each step around a dead letter: the row, its message and the position are one transaction
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe 'options=gate = true;' 'more=on_dead = "publish"; dead_letter_topic = "'"${TEST:0:40}"'-1-dead";'
kafkactl create "$topic-dead" 1
next() { sql "select coalesce(max(next_offset), 0) from weir.position"; }
state() { echo "position $(next), letters $(rows weir.dead_letter), messages $(rows weir.outbox)"; }
nothing='position 0, letters 0, messages 0'

# what is no event is not called: condemned in its first transaction
echo 'no event' | kafkactl produce "$topic" 0 -k k
for point in apply.begun apply.handled dead.kept apply.kept; do
        weir_dies a "$point"
        equal "no event: after $point" "$nothing" "$(state)"
done
n=0
for point in apply.begun apply.handled dead.kept apply.kept apply.committed; do
        n=$((n + 1))
        gate "bad-$n" reject
        event "bad-$n" test.made | emit
        expect "bad-$n"
        # the first one of the batch: called, called as the culprit, passed as a dead letter
        case $point in
        apply.begun | apply.handled) weir_dies a "$point" 2 ;;
        *) weir_dies a "$point" 1 ;;
        esac
        [ "$point" = apply.committed ] || equal "after $point" "$nothing" "$(state)"
done
[ "$(next)" -gt 0 ] || fail 'nothing is committed after apply.committed'
equal 'dead letters after apply.committed' "$(next)" "$(rows weir.dead_letter)" # all of them are bad
produce 50
weir_start a
expect "" # what is no event has no id
check_decided_once
equal 'dead letters' 6 "$(rows weir.dead_letter)"
wait_relayed
weir_stop a
kafkactl headers "$topic-dead" | grep -oE 'weir_offset=.* weir_dead_letter=[0-9]+' | awk '{ print $1, $3 }' | sort -u >published.txt
sql "select 'weir_offset=' || \"offset\" || ' weir_dead_letter=' || id from weir.dead_letter" | sort >kept.txt
diff kept.txt published.txt || fail 'letters and messages are not the same'
