#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - the integration tests, one after the other, on one Apache Kafka and one PostgreSQL
#
#   run.sh [PATTERN...]     t3 or t3*: all that begin so; none: all
#
# One after the other, because some of them stop the broker or the database that all share. Each test has its
# own topic, group, database and directory, so none sees another's rows. A test that hangs is ended after
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
passed=0 failed=0 failures=()

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

up() { [ -e "$1/pid" ] && alive "$(cat "$1/pid")"; }
running=
finish() {
        trap '' INT TERM
        if [ -n "$running" ]; then
                kill -TERM "$running" 2>/dev/null || true
                wait "$running" 2>/dev/null || true
        fi
        "$support/kafka.sh" kill "$work/kafka" || true
        "$support/pg.sh" stop "$work/pg" immediate || true
        rm -rf "$work"
        rmdir "$B/integration" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$work"
rm -rf "$logs"
KAFKA=$("$support/kafka.sh" start "$work/kafka")
PG=$("$support/pg.sh" start "$work/pg")
P=$B
[ "${VARIANT:-release}" = release ] || P=$B/obj/$VARIANT
export KAFKA PG SUPPORT=$support KAFKA_DIR=$work/kafka PG_DIR=$work/pg KAFKACTL=$B/kafkactl WEIR=$P/weir
export WEIR_MIGRATIONS=$root/migrations WEIR_TEST_PLUGINS=$B/obj/${VARIANT:-release}/plugins ROOT=$root
unset WEIR_CONFIG

for file in "${tests[@]}"; do
        name=$(basename "$file" .sh)
        began=$SECONDS status=0
        mkdir -p "$work/$name"
        TEST=$name TEST_DIR=$work/$name timeout --kill-after=10 "$((${TEST_SECONDS:-180} * ${TIMEOUT_FACTOR:-1}))" \
                bash "$file" </dev/null >"$work/$name/out" 2>&1 &
        running=$!
        wait "$running" || status=$?
        running=
        if [ "$status" = 0 ]; then
                passed=$((passed + 1))
                printf 'ok      %-48s %3d s\n' "$name" $((SECONDS - began))
        else
                failed=$((failed + 1)) failures+=("$name")
                printf 'not ok  %-48s %3d s  %s\n' "$name" $((SECONDS - began)) \
                        "$([ "$status" = 124 ] && echo 'out of time' || echo "exit $status")"
                for log in "$work/$name/out" "$work/$name"/*.log; do
                        [ -s "$log" ] || continue
                        printf '        --- %s\n' "${log##*/}"
                        tail -n "${TAIL:-25}" "$log" | cut -c1-400 | sed 's/^/        /'
                done
                mkdir -p "$logs"
                cp -R "$work/$name" "$logs/"
                tail -n 100 "$work/pg/log" >"$logs/$name/postgres.log"
                tail -n 100 "$work/kafka/log" >"$logs/$name/kafka.log"
        fi
        rm -rf "${work:?}/$name"
        # a test may have left a server down; the next one finds both
        up "$work/kafka" || "$support/kafka.sh" start "$work/kafka" >/dev/null
        up "$work/pg" || "$support/pg.sh" start "$work/pg" >/dev/null
done
[ "$failed" = 0 ] || printf 'failed: %s (logs in %s)\n' "${failures[*]}" "$logs"
printf 'integration: %d passed, %d failed\n' "$passed" "$failed" | tee -a "$B/summary"
[ "$failed" = 0 ]
