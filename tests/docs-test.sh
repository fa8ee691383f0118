#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs-test - plant one sentence of each kind in a small tree: docs.sh must name what is not there, and only that
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
mkdir -p "${B:-build}"
tree=$(mktemp -d "${B:-build}/docs.XXXXXX")
trap 'rm -rf "$tree"' EXIT
passed=0 failed=0

mkdir -p "$tree"/{cmd,docs,lib/flow,tests/integration,tests/unit}
printf 'check: all ## everything\nasan tsan: all\n' >"$tree/Makefile"
printf 'void f(void) { weir_log(1, "lane.waits"); }\nstatic int take(void);\nint weir_lane_start(void);\n' >"$tree/lib/flow/lane.c"
printf 'int weir_run(void) { return WEIR_DONE; }\n' >"$tree/lib/flow/run.c"
printf 'int cmd_run(void);\n' >"$tree/cmd/run.c"
printf 'START_TEST(a_stop_ends_it)\n' >"$tree/tests/unit/test_run.c"
touch "$tree/tests/integration/t1001-flow-happy-path.sh"
# shellcheck disable=SC2016 # the backticks are those of a document
printf '| `kafka.brokers` | a string |\n' >"$tree/docs/CONFIGURATION.md"

plant() { # SENTENCE EXPECTED: "" = must be accepted
        local out status=0
        printf 'A first line.\n%s\n' "$1" >"$tree/README.md"
        out=$(bash "$here/docs.sh" "$tree" 2>&1) || status=$?
        if [ -z "$2" ] && [ "$status" = 0 ]; then
                passed=$((passed + 1))
        elif [ -n "$2" ] && [ "$status" = 1 ] && [[ $out == "README.md:2: "*"$2"* ]] && [ "$(wc -l <<<"$out")" = 1 ]; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'docs-test: %s: wanted "%s", got (exit %s) %s\n' "$1" "${2:-accepted}" "$status" "$out" >&2
        fi
}

# shellcheck disable=SC2016 # the backticks are those of a document
{
        plant 'see `lib/flow/lane.c` and `lib/flow`' ''
        plant 'see `lib/flow/gone.c`' 'no such file'
        plant 'see `lib/flow/lane.c` `take()`' ''
        plant 'see `lib/flow/run.c` `take()`' 'no such function in lib/flow/run.c'
        plant 'see `lib/flow/lane.c` `ake()`' 'no such function in lib/flow/lane.c'
        plant 'see `weir_lane_start()`' ''
        plant 'see `weir_lane_gone()`' 'no such function in the sources'
        plant 'shown by `a_stop_ends_it` and `WEIR_DONE`' ''
        plant 'shown by `a_stop_ends_all`' 'no such word'
        plant 'shown by `test_run` and `test_gone`' 'test_gone: no such unit test'
        plant 'shown by `t1001`, `t1*` and `t1001-flow-happy-path`' ''
        plant 'shown by `t1002`' 'no such integration test'
        plant 'shown by `t2*`' 'no such integration test'
        plant $'| a | b | test |\n|---|---|---|\n| PostgreSQL ends | waits | `t1001`, `a_stop_ends_it`, `test_run` |' ''
        plant 'run `make check` and `make tsan`' ''
        plant 'run `make chek`' 'no such target'
        plant 'run `weir run -c FILE`' ''
        plant 'run `weir gone`' 'no such command'
        plant 'set `kafka.brokers`, not `sasl.username`' ''
        plant 'set `kafka.borkers`' 'no such key'
        plant 'it says `lane.waits`' ''
        plant 'it says `lane.wait`' 'no such event'
        plant 'as [run](lib/flow/run.c) says, and [others](https://example.com/x)' ''
        plant 'as [run](lib/flow/gone.c) says' 'leads nowhere'
        plant $'`lib/flow/run.c`\n```\n`lib/flow/gone.c`\n```' ''
}
row() { # ROW EXPECTED: under a head whose last column is "test"
        local out status=0
        printf 'A first line.\n| a | b | test |\n|---|---|---|\n%s\n' "$1" >"$tree/README.md"
        out=$(bash "$here/docs.sh" "$tree" 2>&1) || status=$?
        if [ "$status" = 1 ] && [[ $out == "README.md:4: "*"$2"* ]]; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'docs-test: row %s: wanted "%s", got (exit %s) %s\n' "$1" "$2" "$status" "$out" >&2
        fi
}
# shellcheck disable=SC2016 # the backticks are those of a document
{
        row '| PostgreSQL ends | it waits | `t1002-gone` |' 't1002-gone: no such integration test'
        row '| PostgreSQL ends | it waits | `t1001`, `a_stop_ends_all` |' 'a_stop_ends_all: no such'
        row '| PostgreSQL ends | it waits | `t1001`, `weir_lane_start` |' 'weir_lane_start: no such test'
        row '| PostgreSQL ends | it waits | shown by nobody |' 'this row names no test'
}
rule() { # "RULES OF run.c" "RULES OF lane.c" "WHAT ARCHITECTURE SAYS" EXPECTED: "" = must be accepted
        local out status=0
        printf '/*\n%s\n */\n' "$1" >"$tree/lib/flow/run.h"
        printf '/*\n%s\n */\n' "$2" >"$tree/lib/flow/lane.h"
        printf '%s\n' "$3" >"$tree/docs/ARCHITECTURE.md"
        out=$(bash "$here/docs.sh" "$tree" 2>&1) || status=$?
        if [[ $status = 0 && -z $4 ]] || [[ $status = 1 && -n $4 && $out == *"$4"* && $out != *$'\n'* ]]; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'docs-test: rules %s: wanted "%s", got (exit %s) %s\n' "$1" "${4:-accepted}" "$status" "$out" >&2
        fi
}
# shellcheck disable=SC2016 # the backticks are those of a document
printf 'A first line, `make check`.\n' >"$tree/README.md"
rule ' * Always true   K1  one' ' *  K2  two' 'K1–K2' ''
rule ' * Always true   KX1 one' ' *  K2  two' 'KX1, K2' ''
rule ' * Always true   K1 K2 of lane.h' ' *  K1  one' 'K1' ''
rule ' * Always true   I1  one' ' * Always true   I1  one' 'nothing' ''
rule ' * Always true   K1  one' ' *  K1  two' 'K1' 'K1: this rule stands in lib/flow/'
rule ' * Always true   K1  one' ' *  K2  two' 'K1' 'K2: docs/ARCHITECTURE.md does not name'
printf 'docs: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
