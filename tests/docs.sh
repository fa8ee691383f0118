#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs [ROOT] - what the documents name in `backticks` exists: files, functions, tests, make targets, keys, commands
#
# A document rots where nobody reads it against the code, so the code is read against it here:
#   `lib/a/b.c`, `tests/unit`      a path that begins with a folder of the tree, or names a file: there
#   `weir_name()`, `name()`        a function: in the last `.c` or `.h` named before it in the line, else anywhere in the
#                                  sources
#   `a_name_with_underscores`, `WEIR_NAME`   a word somewhere in the sources
#   `test_name`                    the unit test tests/unit/test_name.c
#   `t1234`, `t1234-name`          an integration test; `t1*` at least one
#   `make TARGET`, `weir COMMAND`  in the Makefile, in cmd/
#   `kafka.brokers`                a key of docs/CONFIGURATION.md, where its first part is one
#   [text](path)                   a link inside the tree: there
# Placeholders (NAME, FILE, NNNN) and what lies below build/ are no names. Blocks between ``` lines are left alone. What
# fits no form is not judged; the closing line says how many names were.
set -euo pipefail
export LC_ALL=C
cd "${1:-.}"
wrong=0 checked=0
files=()
for file in *.md docs/*.md */README.md */*/README.md; do # CONFIGURATION.md is made from the keys themselves
        [ ! -f "$file" ] || [ "$file" = docs/CONFIGURATION.md ] || files+=("$file")
done
[ ${#files[@]} -gt 0 ] || { echo 'docs: no document found: is this the top of the tree?' >&2; exit 2; }

mapfile -t sources < <(find lib include cmd workers examples migrations tests Makefile -type f \
        \( -name '*.[ch]' -o -name '*.sh' -o -name '*.sql' -o -name Makefile \) 2>/dev/null)
[ ${#sources[@]} -gt 0 ] || { echo 'docs: no sources found: is this the top of the tree?' >&2; exit 2; }
# shellcheck disable=SC2016 # the backticks are those of the document
keys=$(sed -n '/^## Properties/q; s/^| `\([^`]*\)` .*/\1/p' docs/CONFIGURATION.md 2>/dev/null | tr '\n' ' ')
declare -A words=()
while read -r word; do words[$word]=1; done < <(cat "${sources[@]}" | grep -oE '[A-Za-z][A-Za-z0-9_]*' | sort -u)

bad() { # WHY
        wrong=$((wrong + 1))
        printf '%s:%d: %s: %s\n' "$file" "$number" "$token" "$1"
}
found() { compgen -G "$1" >/dev/null; }

judge() {
        local name
        case $token in
                NAME.* | *[/_]NAME* | *[/_]FILE* | *NNNN* | .* | *_ | build/*) return 0 ;; # a form, or made by make: no name
                *' '*)
                        name=${token#* }
                        name=${name%% *}
                        case $token in
                                'make '[a-z]*) sed -n 's/^\([a-z][a-z -]*\):.*/\1/p' Makefile | tr ' ' '\n' | grep -qxF -- "$name" ||
                                        bad 'no such target in the Makefile' ;;
                                'weir '[a-z]*) [ -f "cmd/$name.c" ] || bad "no such command: there is no cmd/$name.c" ;;
                                *) return 0 ;;
                        esac
                        ;;
                t[0-9]*)
                        [[ $token =~ ^t[0-9]{1,4}(-[a-z0-9-]+|\*)?$ ]] || return 0
                        found "tests/integration/${token%\*}*.sh" || bad 'no such integration test'
                        ;;
                test_*) [ -f "tests/unit/$token.c" ] || bad 'no such unit test' ;;
                *\(\))
                        name=${token%??}
                        if [ -n "$source" ]; then
                                grep -qE "(^|[^A-Za-z0-9_])$name\\(" "$source" || bad "no such function in $source"
                        else
                                [ -n "${words[$name]:-}" ] || bad 'no such function in the sources'
                        fi
                        ;;
                [a-z]*/*)
                        [ -d "${token%%/*}" ] || return 0
                        found "$token" || bad 'no such file'
                        case $token in *.[ch]) [ ! -f "$token" ] || source=$token ;; esac
                        ;;
                *.sh | *.c | *.h | *.cfg | *.md) found "$token" || found "*/$token" || found "*/*/$token" || bad 'no such file' ;;
                [a-z]*.[a-z]*)
                        [[ $token =~ ^[a-z_]+(\.[a-z_]+)+$ ]] || return 0
                        [[ " $keys" == *" ${token%%.*}."* ]] || return 0
                        [[ " $keys" == *" $token "* ]] || grep -qxF "## $token" docs/CONFIGURATION.md ||
                                bad 'no such key in docs/CONFIGURATION.md'
                        ;;
                *_*)
                        [[ $token =~ ^[A-Za-z][A-Za-z0-9_]*$ ]] || return 0
                        [ -n "${words[$token]:-}" ] || bad 'no such word in the sources'
                        ;;
                *) return 0 ;;
        esac
        checked=$((checked + 1))
}

for file in "${files[@]}"; do
        number=0 block=0 folder=$(dirname "$file")
        while IFS= read -r line || [ -n "$line" ]; do
                number=$((number + 1)) source=''
                if [[ $line =~ ^\ *\`\`\` ]]; then
                        block=$((1 - block))
                        continue
                fi
                [ "$block" = 0 ] || continue
                rest=$line
                while [[ $rest =~ \`([^\`]+)\`(.*) ]]; do
                        token=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]}
                        judge
                done
                rest=$line
                while [[ $rest =~ \]\(([^\)]+)\)(.*) ]]; do
                        token=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]}
                        case $token in *:* | '#'*) continue ;; esac
                        checked=$((checked + 1))
                        [ -e "$folder/${token%%#*}" ] || bad 'the link leads nowhere'
                done
        done <"$file"
done
[ "$wrong" = 0 ] || exit 1
[ "$checked" -gt 0 ] || { echo 'docs: nothing to check in the documents' >&2; exit 2; }
printf 'docs: %d names in %d documents, each found\n' "$checked" "${#files[@]}"
