#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8009 - PostgreSQL is killed and comes back in each phase of a failure: no attempt is used up by it, nothing is doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" 'retry=attempts = 3; first_delay = "20ms"; max_delay = "20ms";'
n=0
phase() { # FAILPOINT [N]: the process stands there while the database dies and is started again
        n=$((n + 1))
        gate "later-$n"
        gate "bad-$n" reject
        { event "later-$n" test.made "k$n"; event "bad-$n" test.made "l$n"; } | emit
        produce 20 $((n * 20)) 8
        expect "later-$n" "bad-$n"
        weir_halts a "$1" "${2:-1}"
        "$SUPPORT/pg.sh" restart "$PG_DIR" immediate >/dev/null
        weir_goes_on a
        wait_caught_up
        weir_stop a
        equal "exit status after $1" 0 "$status"
}
for point in apply.begun apply.handled attempt.failed attempt.saved retry.turn dead.kept apply.kept apply.committed; do
        phase "$point"
done
check_decided_once
equal 'attempts of those that were retried' "3 $n" "$(sql "select attempts, count(*) from weir.dead_letter where class = 'attempts' group by 1" | tr '|' ' ')"
equal 'attempts of those that were rejected' "1 $n" "$(sql "select attempts, count(*) from weir.dead_letter where class = 'reject' group by 1" | tr '|' ' ')"

configure plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 3; first_delay = "20ms"; max_delay = "20ms"; order = "park";'
for point in park.kept aside.handled aside.failed aside.settled aside.committed; do
        phase "$point"
done
weir_start b
none_parked() { [ "$(rows weir.parked)" = 0 ]; }
within 30s none_parked || fail "still parked: $(rows weir.parked)"
check_decided_once
equal 'attempts of all that were retried' "3 $n" "$(sql "select attempts, count(*) from weir.dead_letter where class = 'attempts' group by 1" | tr '|' ' ')"
equal 'effects out of order' 0 "$(sql 'select count(*) from (select "offset", lag("offset") over (partition by kkey order by seq) before
        from probe.event where kkey is not null) t where before >= "offset"')"
weir_stop b

# marked dead letters: those that wait longer use up an attempt by an answer only; and the operator's side
sql "delete from probe.gate where answer = 'reject'"
sql "update weir.dead_letter set state = 'kept', round = 1"
: >calls.txt
asked() { # FAILPOINT EXIT-STATUS WORDS [OPTION..]
        WEIR_FAILPOINT=$1:stop "$WEIR" dlq requeue -c "$config" "${@:4}" >out 2>err &
        pid[dlq]=$!
        within 40s stopped_at dlq || fail "weir dlq does not come to $1"
        "$SUPPORT/pg.sh" restart "$PG_DIR" immediate >/dev/null
        weir_goes_on dlq
        status=0
        wait "${pid[dlq]}" || status=$?
        unset 'pid[dlq]'
        equal "exit status of weir dlq after $1" "$2" "$status"
        has err "$3"
}
all=$((2 * n))
asked requeue.marked 1 "after 0 of $all, which are marked"
equal 'what was not committed' "kept$all" "$(letters)"
asked requeue.committed 1 "after 1 of $all, which are marked" --rate 5
equal 'what was' "kept$((all - 1)) requeue1" "$(letters)"
says 0 dlq requeue
equal 'all of them, once' "requeue$all" "$(letters 'round = 2')"
for point in aside.handled aside.failed aside.settled aside.committed; do
        weir_halts c "$point" 2
        "$SUPPORT/pg.sh" restart "$PG_DIR" immediate >/dev/null
        weir_goes_on c
        weir_stop c
        equal "exit status after $point" 0 "$status"
done
weir_start c
settled() { [ "$(rows "weir.dead_letter where state = 'requeue'")" = 0 ]; }
within 30s settled || fail "not settled: $(letters)"
weir_stop c
equal 'letters' "applied$n kept$n" "$(letters)"
equal 'no attempt was left out' '' "$(awk '/^later/ { seen[$1] = seen[$1] $2 }
        END { for (id in seen) { gsub(/1+/, "1", seen[id]); gsub(/2+/, "2", seen[id]); gsub(/3+/, "3", seen[id]); if (seen[id] != "123") print id, seen[id] } }' calls.txt)"
check_decided_once
