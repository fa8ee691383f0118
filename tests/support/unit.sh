#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# unit - run Check test programs, several at a time, and add up what they say
#
#   unit.sh NAME OBJECTS PROGRAM...     T=pattern runs only programs whose name holds it
#
# A program that dies without a result counts as one failure, one that prints no result line, or ran no check, too:
# silence is never a pass. PostgreSQL is started once for those that ask for it by WEIR_TEST_PG; each makes a
# database of its own in it. Most of a test's time is waiting, so JOBS (4) of them run side by side, those that took longest
# the last time, in whatever variant, first.
set -euo pipefail
# shellcheck source=tests/support/common.sh
. "$(dirname "$0")/common.sh"
support=$(cd "$(dirname "$0")" && pwd -P)
name=$1 objects=$(cd "$2" && pwd -P) passed=0 failed=0
shift 2
build=$(directory "${B:-build}")
work=$build/$name.$$
mkdir -p "$work"
finish() {
        local job
        trap '' INT TERM
        for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null || true; done
        wait
        "$support/pg.sh" stop "$work/pg" immediate
        rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

WEIR_TEST_PG=$("$support/pg.sh" start "$work/pg")
export WEIR_TEST_PG WEIR_TEST_PLUGINS=$objects/plugins WEIR_MIGRATIONS=$support/../../migrations
export CK_DEFAULT_TIMEOUT=$((30 * ${TIMEOUT_FACTOR:-1})) TMPDIR=$work
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-$(printf "suppressions='%s':print_suppressions=0" "$support/lsan.supp")}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-$(printf "suppressions='%s':second_deadlock_stack=1" "$support/tsan.supp")}
# judge PROGRAM: run it; what it said goes to standard output in one piece, the counts to a file
judge() {
        local program=$1 base=${1##*/} began=$SECONDS status=0 checks bad good
        "$program" >"$work/$base.out" 2>&1 &
        trap 'kill -TERM $! 2>/dev/null; exit 143' TERM # the shell would wait for it otherwise
        wait $! || status=$?
        read -r checks bad < <(sed -n \
                's/.*: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' "$work/$base.out" |
                awk '{ c += $1; b += $2 + $3 } END { print c + 0, c ? b : 1 }')
        [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
        good=$((checks > bad ? checks - bad : 0))
        echo $((SECONDS - began)) >"$build/seconds/$base"
        printf '%d %d\n' "$good" "$bad" >"$work/$base.counts"
        if [ "$bad" = 0 ]; then
                printf 'ok      %-24s %4d  %3d s\n' "$base" "$good" $((SECONDS - began)) >"$work/$base.report"
        else
                { printf 'not ok  %-24s exit %d\n' "$base" "$status"; tail -n 60 "$work/$base.out" | sed 's/^/        /'; } >"$work/$base.report"
        fi
        cat "$work/$base.report" # one write: lines of two programs do not mix
}

slowest_first() { # PROGRAM...: what is not known yet counts as 0 s
        local program
        for program; do
                printf '%d %s\n' "$(cat "$build/seconds/${program##*/}" 2>/dev/null || echo 0)" "$program"
        done | sort -s -k1,1nr | cut -d' ' -f2-
}

mkdir -p "$build/seconds"
mapfile -t programs < <(slowest_first "$@")
running=0 started=()
for program in "${programs[@]}"; do
        case ${program##*/} in *"${T:-}"*) ;; *) continue ;; esac
        if [ "$running" -ge "${JOBS:-4}" ]; then
                wait -n || true
                running=$((running - 1))
        fi
        judge "$program" &
        running=$((running + 1)) started+=("${program##*/}")
done
wait
for program in "${started[@]}"; do # one whose judge died has no counts: a failure
        read -r good bad < <(cat "$work/$program.counts" 2>/dev/null || echo 0 1)
        passed=$((passed + good)) failed=$((failed + bad))
done
printf '%s: %d passed, %d failed\n' "$name" "$passed" "$failed" | tee -a "$build/summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
