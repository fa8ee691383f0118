#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1008 - the README's first plugin: built by its one cc line, it says hello once to each event
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

recipe=$(sed -n 's|^ *\(cc .*hello\.c\)$|\1|p' "$ROOT/README.md")
[ -n "$recipe" ] || fail 'README.md has no cc line for the first plugin'
grep -qF "$recipe" "$ROOT/examples/hello/README.md" || fail "examples/hello/README.md says something else than: $recipe"
mkdir hello
recipe=${recipe/-o examples\//-o \"\$TEST_DIR\"/}
(cd "$ROOT" && umask 022 && eval "$recipe")
cp -R "$ROOT/examples/hello/migrations" hello/

prepare 1 name=hello plugin=./hello/hello.so
produce 20
produce 10 1 # the same ids again
weir_start a
wait_caught_up
weir_stop a
equal 'exit status' 0 "$status"
equal greetings 20 "$(sql 'select count(distinct name) from hello.greeting')"
equal 'greetings, doubled ones counted' 20 "$(rows hello.greeting)"
equal 'the words' 'hello, e-7' "$(sql "select name from hello.greeting where name ~ 'e-7$'")"
equal 'duplicates recognised' 10 "$(sql 'select sum(events - fresh) from weir.batch')"
