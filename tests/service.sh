#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# service PROGRAM - config/weir@.service is understood by systemd, fenced as tightly as it says, and fits the program
#
# systemd-analyze reads unit files without a running systemd. Where there is none, that part says so and is not
# counted; what can be read without it is checked anyway. Each check is also made to fail once, by a line that is spoiled:
# a check that passes whatever stands there would not be noticed otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/support/common.sh
. tests/support/common.sh
program=$(cd "$(dirname "$1")" && pwd -P)/${1##*/}
# in a unit: a path may hold blanks and percent signs; and as what sed puts in
word=$(printf '"%s"' "${program//%/%%}" | sed 's/[\\&|]/\\&/g')
unit=config/weir@.service
exposure=15 # tenths
work=$(mktemp -d "$(directory "${B:-build}")/service.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { # WHAT COMMAND...
        local what=$1
        shift
        if "$@" >"$work/out" 2>&1; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'service: %s\n' "$what" >&2
                sed 's/^/        /' "$work/out" >&2
        fi
}
bad() { # WHAT COMMAND...: must fail
        local what=$1
        shift
        if "$@" >"$work/out" 2>&1; then
                failed=$((failed + 1))
                printf 'service: not noticed: %s\n' "$what" >&2
        else
                passed=$((passed + 1))
        fi
}
# the unit as an instance, with the program that was built; FROM TO: a line changed
instance() {
        mkdir -p "$work/units"
        sed -e "s|/usr/local/bin/weir|$word|" -e "${1:+s|^$1\$|${2:-}|}" "$unit" >"$work/units/weir@audit.service"
        [ -z "${1:-}" ] || ! cmp -s <(sed "s|/usr/local/bin/weir|$word|" "$unit") "$work/units/weir@audit.service" ||
                die "there is no line $1 in $unit"
}
value() { sed -n "s/^$1=//p" "$unit"; }
seconds() { # "5s", "90s"
        [[ $1 =~ ^([0-9]+)s$ ]] || die "not in seconds: $1"
        echo "${BASH_REMATCH[1]}"
}

deadline=$(sed -n '/^stop = {/,/^};/s/.*deadline = "\(.*\)";/\1/p' config/reference.cfg)
ok 'TimeoutStopSec= must leave weir its stop.deadline' [ "$(seconds "$(value TimeoutStopSec)")" -gt "$(seconds "$deadline")" ]
ok 'a wrong configuration must not be started again: RestartPreventExitStatus=' \
        [ "$("$program" check -c /nowhere/weir.cfg >/dev/null 2>&1; echo $?)" = "$(value RestartPreventExitStatus)" ]
ok 'a refused call must be an error: by a signal the proof at the start would end the worker' \
        [ "$(value SystemCallErrorNumber)" = EPERM ]
for call in seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self; do
        ok "weir puts up its own fence with $call" grep -qE "^SystemCallFilter=.*\\b$call\\b" "$unit"
done

if ! command -v systemd-analyze >/dev/null 2>&1; then
        echo 'service: systemd-analyze: skipped: there is none on this machine (package systemd)'
else
        verify() { systemd-analyze verify --man=no "$work/units/weir@audit.service" && [ ! -s "$work/out" ]; }
        judge() { systemd-analyze security --no-pager --offline=true --threshold="$exposure" "$work/units/weir@audit.service"; }
        instance
        ok 'systemd-analyze verify' verify
        ok "systemd-analyze security: exposure beyond $exposure tenths" judge
        instance ProtectSystem=strict 'ProtectSystm=strict'
        bad 'a directive that does not exist' verify
        instance CapabilityBoundingSet= 'CapabilityBoundingSet=~CAP_KILL'
        bad 'a service with the capabilities of root' judge
fi
printf 'service: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
