#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t0001 - the program starts, says what it is, and refuses what it does not know
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
WEIR=${WEIR%-test} # it asks both

"$WEIR" version >version.log
grep -q '^weir [0-9]' version.log
grep -qi 'librdkafka' version.log

for command in run check migrate position dlq claims relay emit tail decode dev config version; do
        "$WEIR" "$command" --help >help.txt || fail "$command --help: exit $?"
        grep -qi '^usage: weir' help.txt || fail "$command --help: no usage line"
        grep -qi 'example' help.txt || fail "$command --help: no example"
done

"$WEIR" nonsense 2>err.log && status=0 || status=$?
equal 'exit status of an unknown command' 2 "$status"
grep -q nonsense err.log
"$WEIR" run -c /nowhere/weir.cfg 2>err.log && status=0 || status=$?
equal 'exit status without a configuration' 78 "$status"
grep -q /nowhere/weir.cfg err.log

# failpoints are the test build's alone
"$WEIR" version --failpoints >points 2>err.log && fail 'what is shipped has failpoints'
equal 'failpoints of what is shipped' '' "$(cat points)"
has err.log 'no failpoints'
"$WEIR-test" version --failpoints >points
grep -rhoE 'WEIR_FAILPOINT\("[a-z._]+"\)' "$ROOT/lib" "$ROOT/cmd" | grep -oE '[a-z]+\.[a-z_]+' | LC_ALL=C sort -u | diff - points
prepare 1
WEIR_FAILPOINT=apply.begun:kill says 2 "$WEIR" run -c "$config"
has err 'this build has no failpoints'
WEIR_FAILPOINT=apply.started:kill says 2 "$WEIR-test" run -c "$config"
has err 'weir version --failpoints'
