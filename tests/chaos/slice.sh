#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# slice - the part of the chaos runs that every `make test` has time for: two seeds that stay, and a new one, which is printed
#
# The two that stay tell whether a change broke what held yesterday; the new one looks where nobody has looked yet, and a failure of
# it says how to run it again. A minute for all; `make chaos` has the rest of the faults and all the time that it is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
B=${B:-$here/../../build}
passed=0 failed=0
some=mix:kill,kill-all,term,pg-immediate,pg-kill,pg-backend,broker-kill,point-kill,kill+pg-immediate
run() { # SEED FAULTS [OPTION..]
        local began=$SECONDS status=0 log=$B/chaos-slice.log
        python3 "$here/driver.py" --seed="$1" --events=500 --faults="$2" "${@:3}" >"$log" 2>&1 || status=$?
        if [ "$status" = 0 ]; then
                passed=$((passed + 1))
                printf 'ok      seed %-12s %-44s %3d s\n' "$1" "$2" $((SECONDS - began))
        else
                failed=$((failed + 1))
                printf 'not ok  seed %-12s %-44s %3d s\n' "$1" "$2" $((SECONDS - began))
                tail -n 40 "$log" | sed 's/^/        /'
        fi
}
mkdir -p "$B"
run 11 kill,pg-immediate --single
run 12 broker-kill+kill-all,pg-kill
run "$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')" "$some" --count=2
printf 'chaos: %d passed, %d failed\n' "$passed" "$failed" | tee -a "$B/summary"
[ "$failed" = 0 ]
