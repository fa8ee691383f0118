#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5102 - a plugin that segfaults, aborts, exits, overflows its stack, leaks, loops, sleeps, traps and closes all: each such event is a dead letter
#         with its reason after crash.attempts deaths; one that closes the connection or commits is refused at once; one that
#         loses it, writes to its event or starts threads is applied; all others are applied once, and every restart is counted
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

deadly='segfault abort overflow exit leak loop sleep trap null usr1 descriptors'
refused='finish close commit' # twice: among others, and when the batch is prepared for another one
harmless='write thread disconnect limits fork'
prepare 1 member=one plugin=hostile name=hostile "options=calls = \"$TEST_DIR/calls\";" 'batch=max_events = 20;'
cat >>weir.cfg <<'TXT'
crash = { attempts = 2; };
handler = { deadline = "1s"; };
memory = { limit = "256MiB"; };
restart = { first_delay = "10ms"; };
TXT
first=1
for kind in $deadly $harmless $refused thread_dies; do
        produce 50 "$first" 1
        first=$((first + 50))
        event "hostile-$kind" "hostile.$kind" s0 | emit
done
for kind in $harmless thread_dies; do expect "hostile-$kind"; done
produce 50 "$first" 1
first=$((first + 50))
for kind in $refused; do event "again-$kind" "hostile.$kind" s0 | emit; done
produce 50 "$first" 1
weir_start a
wait_caught_up 120s
crash='hostile-%s|crash|%s|2\n'
# shellcheck disable=SC2059 # it is a format
{
        for kind in abort:SIGABRT descriptors:SIGABRT exit:exit leak:SIGSEGV loop:stuck null:SIGSEGV overflow:SIGSEGV segfault:SIGSEGV sleep:stuck trap:SIGTRAP usr1:SIGUSR1; do printf "$crash" "${kind%:*}" "${kind#*:}"; done
        for kind in $refused; do printf '%s-'"$kind"'|reject|handler|1\n' again hostile; done
} | LC_ALL=C sort >wanted
equal 'dead letters' "$(xargs <wanted)" "$(sql "select event_id, class, reason, attempts from weir.dead_letter" | LC_ALL=C sort | xargs)"
restarts() { grep -c 'event=process.started worker=hostile' a.log; }
restarted() { [ "$(restarts)" -ge 23 ]; }
within 20s restarted || true # that thread may die when all is done
equal 'deaths' 23 "$(grep -c 'event=process.died' a.log)" # two of each kind, and that of the thread
equal 'restarts' 23 "$(restarts)"
for kind in finish close; do
        sql "select text from weir.dead_letter where event_id = 'hostile-$kind'" >text
        has text "closed weir's connection"
done
logged a 'event=lane.waits .* for=database ' || fail 'the lost connection is not in the log'
logged a 'event=lane.resumed ' || fail 'the lane does not say that it goes on'
for kind in $deadly; do equal "calls of $kind" 2 "$(grep -c "^hostile-$kind " calls)"; done
sql "select text from weir.dead_letter where event_id = 'hostile-segfault'" >text
has text hostile.so
sql "select text from weir.dead_letter where event_id = 'hostile-null'" >text
has text hostile.so # who called what is not there
logged a 'event=handler.stuck .*hostile.so' || fail 'the stack of the stuck handler is not in the log'
check_exactly_once hostile.event
logged a 'event=process.stray ' || fail 'what was forked is not told'
weir_stop a
equal 'exit status' 0 "$status"
