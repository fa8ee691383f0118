#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - deliberate bugs of weir, each of which a harness must catch
#
#   run.sh [NAME...]      those whose name begins so; none: all
#   MUTANTS=3 run.sh      so many, by lot (SEED=), and that the patches of all apply
#
# A mutant is a patch below tests/mutants, with its words in front of the diff:
#
#   # bug: what is wrong with it, in a line
#   # caught-by: simulate --count 10000           what must fail: the simulation; "unit apply": tests/unit/test_apply.c;
#                                                 "corpora key": what a fuzzer found; or any command that is typed here
#
# Always true   a harness that fails anyway catches nothing: each command has passed on the tree without a bug before.
#               A patch that does not apply, or a tree that does not build with it, is a failure of its own: the bug was
#               not there. A command that does not end within LIMIT has not caught it.
# The tree      is a copy of what git knows, as it lies here, below $B: nothing is changed where somebody works. It stays, so
#               that a mutant costs one source file and a link.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
# shellcheck source=tests/support/common.sh
. "$root/tests/support/common.sh"
B=$(directory "${B:-$root/build}")
tree=$B/mutants/tree
limit=${LIMIT:-600}
unset MAKEFLAGS MAKELEVEL MFLAGS VARIANT T

word() { sed -n "/^\(diff\|---\) /q; s/^# $2: //p" "$1"; } # PATCH KEY
bugs() { # NAME...: the patches meant
        local name
        [ $# -gt 0 ] || set -- ''
        for name in "$@"; do
                compgen -G "$here/$name*.patch" || die "no mutant begins with: $name"
        done | sort -u
}

# A run that was cut short left a bug there, or its objects: then all is made anew. Otherwise objects of $B serve, since times
# are kept.
copy() {
        local file
        [ ! -e "$tree.bug" ] || rm -rf "$tree" "$tree.bug"
        if [ ! -d "$tree" ]; then
                mkdir -p "$tree/build/obj"
                git init -q "$tree" # git apply would take the paths for those of the repository around it
                [ ! -d "$B/obj/release/lib" ] || cp -a "$B/obj/release" "$tree/build/obj/"
        fi
        (cd "$root" && git ls-files -z -- . ':!tests/mutants' | while IFS= read -r -d '' file; do
                [ ! -e "$file" ] || printf '%s\0' "$file"
        done | tar --null -cf - -T -) | tar -xf - -C "$tree"
        # what had a bug is old again by its time, and its object, which has the bug, would do
        while read -r file; do
                [ ! -e "$tree/$file" ] || touch "$tree/$file"
        done < <(sort -u "$tree.had" 2>/dev/null)
        rm -f "$tree.had"
}
patched() { git -C "$tree" apply --whitespace=nowarn "$@" -; }
harness() { # LOG COMMAND: as it ended; 124 is no answer
        local objects=build/obj/release command=$2
        case $2 in
        unit\ *) command="bash tests/support/unit.sh unit $objects $objects/test_${2#* }" ;;
        corpora\ *) command="bash tests/fuzz/run.sh corpora $objects ${2#* }" ;;
        esac
        (cd "$tree" && B=build PATH=$tree/$objects:$PATH timeout -k 10 "$limit" bash -c "$command") >"$1" 2>&1 </dev/null
}
build() { # COMMAND: what it needs
        local objects=build/obj/release targets=(all)
        case $1 in
        simulate*) targets=("$objects/simulate") ;;
        unit\ *) targets=(test-plugins "$objects/test_${1#* }") ;;
        corpora\ *) targets=("$objects/fuzz_${1#* }") ;;
        esac
        (cd "$tree" && B=build make --no-print-directory -j"$(getconf _NPROCESSORS_ONLN)" "${targets[@]}")
}

pass=0 fail=0
say() { printf '%s\n' "$*"; }
good() { pass=$((pass + 1)); say "ok      $*"; }
bad() { fail=$((fail + 1)); say "FAILED  $*"; }

declare -A sound=()
sound() { # COMMAND: it passes without a bug
        local command=$1 log=$B/mutants/sound.log
        if [ -z "${sound[$command]:-}" ]; then
                if build "$command" >"$log" 2>&1 && harness "$log" "$command"; then sound[$command]=yes; else sound[$command]=no; fi
                [ "${sound[$command]}" = yes ] || { bad "$command, without a bug:"; tail -n 20 "$log" | sed 's/^/        /'; }
        fi
        [ "${sound[$command]}" = yes ]
}

run() { # PATCH
        local patch=$1 name bug command log status=0 began=$SECONDS
        name=$(basename "$patch" .patch)
        bug=$(word "$patch" bug)
        command=$(word "$patch" caught-by)
        log=$B/mutants/$name.log
        if [ -z "$bug" ] || [ -z "$command" ]; then
                bad "$name: '# bug:' and '# caught-by:' are wanted in front of the diff"
                return
        fi
        sound "$command" || { bad "$name: its harness fails without it"; return; }
        : >"$tree.bug"
        sed -n 's|^+++ b/||p' "$patch" >>"$tree.had"
        patched <"$patch" >"$log" 2>&1 || { bad "$name: does not apply: $(head -n 1 "$log")"; return; }
        if build "$command" >"$log" 2>&1; then
                harness "$log" "$command" || status=$?
        else
                status=build
        fi
        patched --reverse <"$patch"
        rm "$tree.bug"
        case $status in
        0) bad "$name: not caught: $bug" ;;
        build) bad "$name: does not build: $(grep -m 1 error "$log" || tail -n 1 "$log")" ;;
        124 | 137) bad "$name: no answer within $limit s" ;;
        *) good "$(printf '%-28s %3d s  %s' "$name" $((SECONDS - began)) "$bug")" ;;
        esac
}

apply_all() { # a bug whose place has moved is no bug: known at once, not when its lot comes
        local patch
        while read -r patch; do
                patched --check <"$patch" >/dev/null 2>&1 || bad "$(basename "$patch" .patch): does not apply"
        done < <(bugs)
        [ $fail -gt 0 ] || good "$(bugs | wc -l) mutants apply"
}

bugs "$@" >/dev/null
copy
apply_all
seed=${SEED:-$RANDOM}
[ -z "${MUTANTS:-}" ] || say "mutants: $MUTANTS by lot, SEED=$seed"
while read -r patch; do
        run "$patch"
done < <(if [ -n "${MUTANTS:-}" ]; then
        bugs "$@" | shuf -n "$MUTANTS" --random-source=<(yes "$seed")
else
        bugs "$@"
fi)
say "mutants: $pass passed, $fail failed" | tee -a "$B/summary"
[ $fail -eq 0 ]
