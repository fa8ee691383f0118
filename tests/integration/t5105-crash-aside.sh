#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5105 - a dead letter that crashes the plugin when it is run again, and a parked event that does: blamed by their rows, kept
#         again after crash.attempts deaths, and the partition flows on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe name=probe 'retry=order = "park"; attempts = 10; first_delay = "50ms"; max_delay = "50ms";' \
        'options=crash_type = "test.deadly"; gate = true;'
echo 'crash = { attempts = 2; }; restart = { first_delay = "10ms"; };' >>weir.cfg
gate letter reject
sql "insert into probe.gate (id, answer) values ('parked', 'retry')"
event letter test.deadly s98 | emit
event parked test.deadly s99 | emit
produce 50
weir_start a
wait_caught_up
within 20s test "$(sql 'select count(*) from weir.dead_letter')" = 1
sql "delete from probe.gate"
"$WEIR" dlq requeue -c weir.cfg >requeue.log 2>&1
done_with() { [ "$(sql "select count(*) from weir.dead_letter where class = 'crash' and state = 'kept'")" = 2 ]; }
within 60s done_with || fail "$(sql 'select event_id, class, reason, state, deaths from weir.dead_letter')"
equal 'what they say' 'letter|crash|SIGABRT parked|crash|SIGABRT' "$(sql 'select event_id, class, reason from weir.dead_letter order by 1' | xargs)"
equal 'parked' 0 "$(sql 'select count(*) from weir.parked')"
equal 'deaths' 4 "$(grep -c 'event=process.died' a.log)"
produce 50 51
check_exactly_once probe.event
weir_stop a
