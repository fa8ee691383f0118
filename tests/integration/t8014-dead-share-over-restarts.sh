#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8014 - dead.max_share over restarts: a halted partition halts again after SIGKILL, a move, a stop; not one letter more is made
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

share='dead = { max_share = 20; window = 100; };'
prepare 2 plugin=probe 'options=gate = true;' more="$share"
sql "insert into probe.gate select 'bad-' || i, 'reject' from generate_series(1, 80) i"
for p in 0 1; do
        put 200 $((1 + 200 * p)) "$p"
        for i in $(seq $((1 + 40 * p)) $((40 + 40 * p))); do event "bad-$i" bad; done | emit --partition "$p"
done
expect_events 400
all_halted() { [ "$(positions | xargs)" = '0 220 1 220' ] && halted "$1" "$2" dead.max_share; }
stands() { equal "dead letters, $1" 40 "$(rows weir.dead_letter)"; }

weir_start a
within 30s all_halted a 0 || fail 'partition 0 does not halt'
within 30s all_halted a 1 || fail 'partition 1 does not halt'
stands 'at first'
weir_start b
within 30s logged b 'event=lane.halted' || fail 'a partition that moved does not halt again'
stands 'after a move'
weir_kill a
within 30s halted b 0 'dead.max_share' || fail 'partition 0 does not halt again after SIGKILL'
within 30s halted b 1 'dead.max_share' || fail 'partition 1 does not halt again after SIGKILL'
stands 'after SIGKILL'
weir_kill b
weir_start c
within 30s logged c 'lane.halted .*partition=0 .*offset 220 .*once mended: weir position set audit .* 220 --reason again' || fail 'it does not halt after a start'
within 30s logged c 'lane.halted .*partition=1 .*the same with 221 loses that event: nothing is kept of it' || fail 'it does not halt after a start'
stands 'after a start'
equal positions '0 220 1 220' "$(positions | xargs)"

# the way that is named first goes on without losing anything, with a new count; and that count is kept, too
resolve c 0
at() { [ "$(sql "select next_offset from weir.position where partition = $1")" = "$2" ]; }
within 30s at 0 240 || fail 'partition 0 does not go on'
equal 'dead letters' 60 "$(rows weir.dead_letter)"
weir_kill c
weir_start d
within 30s halted d 1 'offset 220' || fail 'partition 1 does not halt'
# mended without a new version: what is left comes into effect, and what was refused can be sent again
gate_open
resolve d 1
for i in $(seq 61 80); do expect "bad-$i"; done
wait_caught_up
equal 'dead letters' 60 "$(rows weir.dead_letter)"
dlq requeue
gone_round() { [ "$(letters)" = applied60 ]; }
within 30s gone_round || fail "not all came into effect: $(letters)"
equal 'effects' 480 "$(rows probe.event)"
weir_stop d
equal 'exit status' 0 "$status"
