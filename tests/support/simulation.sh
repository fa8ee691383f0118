#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# simulation PROGRAM - the fixed seeds, then some that nobody has seen; the base of those is printed
#
# SEEDS (10000) from 0 on, and a tenth as many from a base that is drawn anew each time (BASE=N: that one).
set -euo pipefail
# shellcheck source=tests/support/common.sh
. "$(dirname "$0")/common.sh"
program=$1
build=$(directory "${B:-build}")
seeds=${SEEDS:-10000} base=${BASE:-$((1000000 + (RANDOM << 30 | RANDOM << 15 | RANDOM)))}
new=$((seeds / 10 > 0 ? seeds / 10 : 1))
printf 'simulation: seeds 0 to %d, and %d new ones from %d on\n' $((seeds - 1)) "$new" "$base"
passed=0 failed=0
run() {
        local out good bad
        out=$("$program" --from "$1" --count "$2") || true
        printf '%s\n' "$out" | sed '$d'
        # one that dies without a closing line has failed as a whole
        read -r good bad < <(printf '%s\n' "$out" |
                awk -v all="$2" '/^simulation: / { g = $2; b = $4; s = 1 } END { print g + 0, s ? b + 0 : all }')
        passed=$((passed + good)) failed=$((failed + bad))
}
run 0 "$seeds"
run "$base" "$new"
printf 'simulation: %d passed, %d failed\n' "$passed" "$failed" | tee -a "$build/summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
