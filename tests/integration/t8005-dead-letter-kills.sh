#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8005 - SIGKILL at each step around a dead letter: the row, its message and the position are one transaction
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=gate = true;' 'more=on_dead = "publish"; dead_letter_topic = "'"${TEST:0:40}"'-1-dead";'
kafkactl create "$topic-dead" 1
next() { sql "select coalesce(max(next_offset), 0) from weir.position"; }
n=0
for point in apply.begun apply.handled dead.kept apply.kept apply.committed; do
        n=$((n + 1))
        gate "bad-$n" reject
        event "bad-$n" test.made | emit
        expect "bad-$n"
        before=$(next) dead=$(rows weir.dead_letter)
        # alone in its batch: called, called as the culprit, passed as a dead letter
        case $point in
        apply.begun | apply.handled) weir_dies a "$point" 2 ;;
        *) weir_dies a "$point" 1 ;;
        esac
        if [ "$point" = apply.committed ]; then
                [ "$(next)" -gt "$before" ] || fail "nothing is committed after $point"
                equal "dead letters after $point" "$(next)" "$(rows weir.dead_letter)" # all of them are bad
        else
                equal "position after $point" "$before" "$(next)"
                equal "dead letters after $point" "$dead" "$(rows weir.dead_letter)"
        fi
done
produce 50
weir_start a
check_decided_once
equal 'dead letters' 5 "$(rows weir.dead_letter)"
weir_stop a
