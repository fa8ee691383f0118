#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# slice - the part of the chaos runs that every `make test` has time for: two seeds that stay, and a new one, which is printed
#
# The two that stay tell whether a change broke what held yesterday; the new one looks where nobody has looked yet, and a failure of
# it says how to run it again. A minute for all, side by side, since each waits most of its time; `make chaos` has the rest of
# the faults and all the time that it is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
B=${B:-$here/../../build}
mkdir -p "$B"
work=$B/chaos-slice.$$
mkdir "$work"
finish() {
        local job
        trap '' INT TERM
        for job in $(jobs -p); do kill -TERM "$job" 2>/dev/null || true; done
        wait
        rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

some=mix:kill,kill-all,term,pg-immediate,pg-kill,pg-backend,broker-kill,point-kill,kill+pg-immediate
run() { # SEED FAULTS [OPTION..]: its report is one write
        local began=$SECONDS status=0 driver
        python3 "$here/driver.py" --seed="$1" --events=500 --faults="$2" "${@:3}" >"$work/$1.log" 2>&1 &
        driver=$!
        trap 'kill -TERM $driver 2>/dev/null; wait $driver; exit 143' TERM
        wait "$driver" || status=$?
        if [ "$status" = 0 ]; then
                printf 'ok      seed %-12s %-32.32s %3d s\n' "$1" "$2" $((SECONDS - began)) >"$work/$1.report"
                touch "$work/$1.passed"
        else
                { printf 'not ok  seed %-12s %-32.32s %3d s\n' "$1" "$2" $((SECONDS - began)); tail -n 40 "$work/$1.log" | sed 's/^/        /'; } >"$work/$1.report"
        fi
        cat "$work/$1.report"
}
new=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
run 11 kill,pg-immediate --single &
run 12 broker-kill+kill-all,pg-kill &
run "$new" "$some" --count=2 &
wait
passed=0
for seed in 11 12 "$new"; do [ ! -e "$work/$seed.passed" ] || passed=$((passed + 1)); done
printf 'chaos: %d passed, %d failed\n' "$passed" $((3 - passed)) | tee -a "$B/summary"
[ "$passed" = 3 ]
