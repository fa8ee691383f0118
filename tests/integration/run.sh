#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - the integration tests, in three rows side by side
#
#   run.sh [PATTERN...]     t3 or t3*: all that begin so; none: all
#
# Each row (ROWS of them) has an Apache Kafka and a PostgreSQL of its own and takes the next test when it is done with
# one: inside a row they run one after the other, because some of them stop the broker or the database. Each test has its
# own topic, group, database and directory, so none sees another's records. A test that hangs is ended after
# TEST_SECONDS. Whatever happens here, by failure or by Ctrl-C, the servers are stopped and only logs are
# left, in $B/integration/logs, of the tests that failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
support=$here/../support
# shellcheck source=tests/support/common.sh
. "$support/common.sh"
root=$(cd "$here/../.." && pwd -P)
B=$(directory "${B:-$root/build}")
export B
work=$B/integration/$$
logs=$B/integration/logs

tests=()
for file in "$here"/t[0-9]*.sh; do
        name=${file##*/}
        [ $# -gt 0 ] || tests+=("$file")
        for pattern; do
                # shellcheck disable=SC2053 # the pattern is meant as one
                if [[ $name == ${pattern%\*}* ]]; then
                        tests+=("$file")
                        break
                fi
        done
done
[ ${#tests[@]} -gt 0 ] || die "no test begins with: $*"

rows=${ROWS:-3}
[ "$rows" -le ${#tests[@]} ] || rows=${#tests[@]}
up() { [ -e "$1/pid" ] && alive "$(cat "$1/pid")"; }

# ---- one row: a process of its own -------------------------------------------------------------------------------

running=
row_finish() {
        trap '' INT TERM
        if [ -n "$running" ]; then
                kill -TERM "$running" 2>/dev/null || true
                wait "$running" 2>/dev/null || true
        fi
        "$support/kafka.sh" kill "$home/kafka" || true
        "$support/pg.sh" stop "$home/pg" immediate || true
}

report() { # NAME SECONDS STATUS: what goes to standard output, in one piece
        local name=$1 log
        if [ "$3" = 0 ]; then
                printf 'ok      %-48s %3d s\n' "$name" "$2"
                return
        fi
        printf 'not ok  %-48s %3d s  %s\n' "$name" "$2" "$([ "$3" = 124 ] && echo 'out of time' || echo "exit $3")"
        for log in "$home/$name/out" "$home/$name"/*.log; do
                [ -s "$log" ] || continue
                printf '        --- %s\n' "${log##*/}"
                tail -n "${TAIL:-25}" "$log" | cut -c1-400 | sed 's/^/        /'
        done
}

run_test() { # FILE
        local name began=$SECONDS status=0
        name=$(basename "$1" .sh)
        mkdir -p "$home/$name"
        # those that end it at a named place need a build that has such places; all others run what is shipped
        WEIR=$P/weir
        ! grep -qE 'WEIR_FAILPOINT|weir_(at|dies|halts) |dlq_dies ' "$1" || WEIR=$P/weir-test
        TEST=$name TEST_DIR=$home/$name timeout --kill-after=10 "$((${TEST_SECONDS:-180} * ${TIMEOUT_FACTOR:-1}))" \
                bash "$1" </dev/null >"$home/$name/out" 2>&1 &
        running=$!
        wait "$running" || status=$?
        running=
        report "$name" $((SECONDS - began)) "$status" >"$home/report"
        cat "$home/report" # one write: lines of two rows do not mix
        if [ "$status" = 0 ]; then
                touch "$work/passed/$name"
        else
                mkdir -p "$logs"
                cp -R "$home/$name" "$logs/"
                tail -n 100 "$home/pg/log" >"$logs/$name/postgres.log"
                tail -n 100 "$home/kafka/log" >"$logs/$name/kafka.log"
        fi
        rm -rf "${home:?}/$name"
        # a test may have left a server down; the next one finds both
        up "$home/kafka" || "$support/kafka.sh" start "$home/kafka" >/dev/null
        up "$home/pg" || "$support/pg.sh" start "$home/pg" >/dev/null
}

row() { # its directory
        local file P=$B
        home=$1
        trap row_finish EXIT
        trap 'exit 130' INT TERM
        mkdir -p "$home"
        KAFKA=$("$support/kafka.sh" start "$home/kafka")
        PG=$("$support/pg.sh" start "$home/pg")
        [ "${VARIANT:-release}" = release ] || P=$B/obj/$VARIANT
        export KAFKA PG SUPPORT=$support KAFKA_DIR=$home/kafka PG_DIR=$home/pg KAFKACTL=$B/kafkactl WEIR=$P/weir
        export WEIR_MIGRATIONS=$root/migrations WEIR_TEST_PLUGINS=$B/obj/${VARIANT:-release}/plugins ROOT=$root
        unset WEIR_CONFIG
        for file in "${tests[@]}"; do
                mkdir "$work/taken/$(basename "$file" .sh)" 2>/dev/null || continue # the other row has it
                run_test "$file"
        done
}

# ---- all of them -------------------------------------------------------------------------------------------------

finish() {
        local job
        trap '' INT TERM
        for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null || true; done
        wait
        rm -rf "$work"
        rmdir "$B/integration" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$work/taken" "$work/passed"
rm -rf "$logs"
for ((i = 1; i <= rows; i++)); do
        (row "$work/$i") &
done
wait
failures=()
for file in "${tests[@]}"; do # one that no row came to has failed too
        name=$(basename "$file" .sh)
        [ -e "$work/passed/$name" ] || failures+=("$name")
done
[ ${#failures[@]} = 0 ] || printf 'failed: %s (logs in %s)\n' "${failures[*]}" "$logs"
printf 'integration: %d passed, %d failed\n' $((${#tests[@]} - ${#failures[@]})) ${#failures[@]} | tee -a "$B/summary"
[ ${#failures[@]} = 0 ]
