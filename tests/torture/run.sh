#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - tortured unit test programs, JOBS (2) at a time, on one PostgreSQL; closing line "torture: N passed, N failed"
#
#   run.sh NAME OBJECTS PROGRAM...      NAME: torture, or torture-slice
#
# T=pattern runs only programs whose name holds it, TORTURE_TEST=pattern only such tests of them. TORTURE_SEED (1),
# TORTURE_EVERY (1), TORTURE_PLACES and TORTURE_MS (0 = no end) say how many places are taken, and TORTURE_FRESH is a second seed; for
# the slice it is drawn anew each time. See runner.c.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/support/common.sh
. "$here/../support/common.sh"
name=$1 objects=$(cd "$2" && pwd -P) passed=0 failed=0 running=0 started=()
shift 2
build=$(directory "${B:-build}")
work=$build/$name.$$
mkdir -p "$work"
finish() {
        local job
        trap '' INT TERM
        for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null || true; done
        wait
        "$here/../support/pg.sh" stop "$work/pg" immediate
        rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

WEIR_TEST_PG=$("$here/../support/pg.sh" start "$work/pg")
export WEIR_TEST_PG WEIR_TEST_PLUGINS=$objects/plugins WEIR_MIGRATIONS=$here/../../migrations
export TMPDIR=$work
export ASAN_OPTIONS=exitcode=86:abort_on_error=0:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:exitcode=86
export LSAN_OPTIONS=exitcode=86:print_suppressions=0:suppressions=\'$here/../support/lsan.supp\'

if [ "$name" = torture-slice ]; then
        export TORTURE_FRESH=${TORTURE_FRESH:-$((RANDOM * 32768 + RANDOM + 1))}
        printf '%s: the places of seed %d and TORTURE_FRESH=%d\n' "$name" "${TORTURE_SEED:-1}" "$TORTURE_FRESH"
fi
judge() { # PROGRAM
        local program=$1 base=${1##*/} status=0
        "$program" >"$work/$base.out" 2>&1 || status=$?
        sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/$base.out" | tail -n 1 >"$work/$base.counts"
        [ -s "$work/$base.counts" ] || { echo 0 1 >"$work/$base.counts"; printf 'not ok  %s: exit %d\n' "$base" "$status"; }
        cat "$work/$base.out" >>"$build/$name.log"
        # without the closing counts, and what programs say for themselves
        grep -E -A 40 '^(not ok|test_.*places)' "$work/$base.out" | grep -vE '^[0-9]+ passed' || true
}
: >"$build/$name.log"
for program; do
        case ${program##*/} in *"${T:-}"*) ;; *) continue ;; esac
        if [ "$running" -ge "${JOBS:-2}" ]; then
                wait -n || true
                running=$((running - 1))
        fi
        judge "$program" &
        running=$((running + 1)) started+=("${program##*/}")
done
wait
for program in "${started[@]}"; do
        read -r good bad < <(cat "$work/$program.counts" 2>/dev/null || echo 0 1)
        passed=$((passed + good)) failed=$((failed + bad))
done
line=$(printf '%s: %d passed, %d failed' "$name" "$passed" "$failed")
if [ "$name" = torture ]; then echo "$line"; else echo "$line" | tee -a "$build/summary"; fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
