#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers - every header compiles as the first and only include; the public ones as C11 and C++17, pedantic
set -euo pipefail
cd "$(dirname "$0")/../.."
warn=(-Wall -Wextra -Wshadow -Wvla -Werror -fsyntax-only)
passed=0 failed=0
try() { # HEADER NAME COMPILER...
        local header=$1
        shift
        if printf '#include %s\n' "$header" | "$@" - 2>"$errors"; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'headers: %s fails with %s\n' "$header" "$*" >&2
                head -n 8 "$errors" >&2
        fi
}
mkdir -p "${B:-build}"
errors=$(mktemp "${B:-build}/headers.XXXXXX")
trap 'rm -f "$errors"' EXIT
for file in include/weir/*.h; do
        try "<weir/${file##*/}>" "${CC:-gcc}" -x c -std=c11 -pedantic "${warn[@]}" -Wstrict-prototypes -Iinclude
        try "<weir/${file##*/}>" "${CXX:-g++}" -x c++ -std=c++17 -pedantic "${warn[@]}" -Iinclude
done
for file in lib/*/*.h lib/*.h cmd/*.h; do
        [ -e "$file" ] || continue
        try "\"${file#lib/}\"" "${CC:-gcc}" -x c -std=gnu17 -D_GNU_SOURCE "${warn[@]}" -Wstrict-prototypes \
                -Ilib -Iinclude -Icmd -I. -I/usr/include/postgresql
done
printf 'headers: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
