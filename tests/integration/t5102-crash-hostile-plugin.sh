#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5102 - a plugin that segfaults, aborts, exits, overflows its stack, leaks, loops and sleeps: each such event is a dead letter
#         with its reason after crash.attempts deaths, all others are applied once
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

deadly='segfault abort overflow exit leak loop sleep'
harmless='write thread'
prepare 1 member=one plugin=hostile name=hostile "options=calls = \"$TEST_DIR/calls\";" 'batch=max_events = 20;'
cat >>weir.cfg <<'TXT'
crash = { attempts = 2; };
handler = { deadline = "1s"; };
memory = { limit = "256MiB"; };
restart = { first_delay = "10ms"; };
TXT
first=1
for kind in $deadly $harmless commit thread_dies; do
        produce 50 "$first" 1
        first=$((first + 50))
        event "hostile-$kind" "hostile.$kind" s0 | emit
done
for kind in $harmless thread_dies; do expect "hostile-$kind"; done
produce 50 "$first" 1
weir_start a
wait_caught_up 120s
letters() { sql "select event_id, class, reason, attempts from weir.dead_letter order by event_id" | xargs; }
equal 'dead letters' 'hostile-abort|crash|SIGABRT|2 hostile-commit|reject|handler|1 hostile-exit|crash|exit|2 hostile-leak|crash|SIGSEGV|2 hostile-loop|crash|stuck|2 hostile-overflow|crash|SIGSEGV|2 hostile-segfault|crash|SIGSEGV|2 hostile-sleep|crash|stuck|2' "$(letters)"
for kind in $deadly; do equal "calls of $kind" 2 "$(grep -c "^hostile-$kind " calls)"; done
sql "select text from weir.dead_letter where event_id = 'hostile-segfault'" >text
has text hostile.so
logged a 'event=handler.stuck .*hostile.so' || fail 'the stack of the stuck handler is not in the log'
check_exactly_once hostile.event
weir_stop a
equal 'exit status' 0 "$status"
