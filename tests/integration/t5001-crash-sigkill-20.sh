#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5001 - SIGKILL at 20 random moments: nothing lost, nothing doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# A member with a name of its own takes its partitions back at once, as a service that is restarted should; one without waits
# until the group has forgotten its former self. Most rounds are of the first kind, the last three of the second.
one='"session.timeout.ms=3000", "heartbeat.interval.ms=500", "fetch.wait.max.ms=20"'
prepare 2 'batch=max_events = 1; linger = "0ms";' properties="$one, \"group.instance.id=one\""
transactions() { sql 'select count(*) from weir.batch'; }
more_than() { [ "$(transactions)" -gt "$1" ]; }
produce 12000
for round in $(seq 0 19); do
        [ "$round" != 17 ] || configure 'batch=max_events = 1; linger = "0ms";' properties="$one"
        enough=$(($(transactions) + RANDOM % 300))
        weir_start a
        within 30s more_than "$enough"
        weir_kill a # in the middle of the work:
        caught_up && fail "round $round: everything was done before the kill"
done
weir_start a
check_exactly_once
weir_stop a
