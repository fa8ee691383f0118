#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - the fuzz targets: what is known once more, or something new
#
#   run.sh corpora OBJECTS TARGET...   each file of tests/fuzz/corpus, and FUZZ_MUTANTS (20) mutants of each by FUZZ_SEED (1)
#   run.sh fuzz OBJECTS TARGET...      libFuzzer, FUZZ_SECONDS (60) each, JOBS (2) at a time
#
# New inputs and findings go below build/fuzz/TARGET, never into the tree: what is worth keeping is a small file in
# tests/fuzz/corpus/TARGET, put there by hand. T=pattern runs only targets whose name holds it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=tests/support/common.sh
. "$here/../support/common.sh"
verb=$1 objects=$(cd "$2" && pwd -P) passed=0 failed=0 running=0 targets=()
shift 2
build=$(directory "${B:-build}")
work=$build/fuzz
mkdir -p "$work"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-$(printf "suppressions='%s':print_suppressions=0" "$here/lsan.supp")}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
finish() {
        local job
        for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null || true; done
        wait
}
trap finish EXIT
trap 'exit 130' INT TERM

corpora() { # TARGET
        local status=0
        "$objects/fuzz_$1" "$here/corpus/$1" "${FUZZ_MUTANTS:-20}" "${FUZZ_SEED:-1}" >"$work/$1.out" 2>&1 || status=$?
        sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/$1.out" >"$work/$1.counts"
        [ -s "$work/$1.counts" ] || echo 0 1 >"$work/$1.counts"
        [ "$status" = 0 ] || { echo "fuzz_$1: exit $status"; tail -n 40 "$work/$1.out"; }
}
fuzz() { # TARGET
        local status=0 found
        mkdir -p "$work/$1/found" "$work/$1/corpus"
        find "$work/$1/found" -type f -exec mv -t "$work/$1/corpus" {} + # of an earlier run: found again, if it is still there
        (cd "$work/$1" && exec "$objects/fuzz_$1" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
                -print_final_stats=1 -artifact_prefix="$work/$1/found/" corpus "$here/corpus/$1") >"$work/$1.out" 2>&1 || status=$?
        found=$(find "$work/$1/found" -type f | wc -l)
        if [ "$status" = 0 ] && [ "$found" = 0 ]; then
                echo 1 0 >"$work/$1.counts"
                printf 'ok      %-12s %s\n' "$1" "$(awk '/number_of_executed_units/ { n = $2 } / cov: / { sub(/.* cov: /, ""); c = $1 }
                        END { printf "%d inputs, %d edges", n, c }' "$work/$1.out")"
        else
                echo 0 1 >"$work/$1.counts"
                printf 'not ok  %-12s exit %d; inputs are in %s\n' "$1" "$status" "$work/$1/found"
                grep -m 3 -E 'broken:|ERROR|runtime error' "$work/$1.out" || tail -n 20 "$work/$1.out"
        fi
}

for target; do
        case $target in *"${T:-}"*) targets+=("$target") ;; esac
done
for target in "${targets[@]}"; do
        if [ "$running" -ge "${JOBS:-2}" ]; then
                wait -n || true
                running=$((running - 1))
        fi
        rm -f "$work/$target.counts"
        "$verb" "$target" &
        running=$((running + 1))
done
wait
for target in "${targets[@]}"; do # one that ended without counts: a failure
        read -r good bad < <(cat "$work/$target.counts" 2>/dev/null || echo 0 1)
        passed=$((passed + good)) failed=$((failed + bad))
done
line=$(printf '%s: %d passed, %d failed' "$verb" "$passed" "$failed")
if [ "$verb" = corpora ]; then echo "$line" | tee -a "$build/summary"; else echo "$line"; fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
