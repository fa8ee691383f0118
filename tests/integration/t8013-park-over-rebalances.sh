#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8013 - parked keys move with their partitions, by a join, a SIGKILL and a leave: order of a key, attempts, one effect each
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 10000; first_delay = "20ms"; max_delay = "50ms"; order = "park";'
for id in $(seq 5 12); do gate "e-$id"; done # a key each
produce 400 1 16
weir_start a
wait_caught_up
parked=$(rows weir.parked)
[ "$parked" -ge 8 ] || fail "only $parked parked"
tried() { [ "$(rows "weir.parked where attempts >= $1")" = 8 ]; } # each of the eight so often
runs() { [ "$(grep -oE 'event=lane.runs .* partition=[0-9]' "$1.log" | sed 's/.*=//' | sort -u | wc -l)" -ge "${2:-1}" ]; } # NAME [PARTITIONS]

within 40s tried 5 || fail 'a does not try them'
weir_start b # takes some of the partitions from the living a
within 40s runs b || fail 'b gets no partition'
produce 200 401 16
weir_kill a # b gets the rest
within 40s runs b 4 || fail 'b does not get the partitions of a'
within 40s tried $(($(sql 'select max(attempts) from weir.parked') + 5)) || fail 'b does not try what a has parked'
wait_caught_up
weir_start c
within 40s runs c || fail 'c gets no partition'
weir_stop b # leaves in order
equal 'exit status of b' 0 "$status"
within 40s runs c 4 || fail 'c does not get all of them'
within 40s tried $(($(sql 'select max(attempts) from weir.parked') + 5)) || fail 'c does not try what was parked'
produce 200 601 16
wait_caught_up
[ "$(rows weir.parked)" -gt "$parked" ] || fail 'later events of parked keys are not parked'
gate_open
none_parked() { [ "$(rows weir.parked)" = 0 ]; }
within 40s none_parked || fail "still parked: $(rows weir.parked)"
check_decided_once
equal 'effects of a key out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event) t where before >= "offset"')"
equal 'dead letters' 0 "$(rows weir.dead_letter)"
# what a handler was told never goes back; a call whose count was not written is made again, at a move or a kill
awk '$2 < last[$1] { print; bad = 1 } $2 == last[$1] { again[$1]++ } { last[$1] = $2 }
        END { for (id in again) if (again[id] > 3) { print id, again[id]; bad = 1 } exit bad }' calls.txt || fail 'attempts were forgotten over a move'
equal 'events whose attempts went on over the moves' 8 "$(awk '$2 >= 15 { s[$1] = 1 } END { for (i in s) n++; print n + 0 }' calls.txt)"
weir_stop c
equal 'exit status' 0 "$status"
