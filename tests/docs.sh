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
#   `lane.waits`                   an event of the log, where its first part is that of one
#   [text](path)                   a link inside the tree: there
# In a table whose last column is called "test" each row names at least one, and nothing else there: t1234, test_name,
# or the name of a START_TEST.
# The next steps of lib/store/reason.c stand in docs/FAILURES.md, word by word.
# And the rules of the code (`Always true   K1  …` in the head of a file): each letter and number stands in one place,
# header and source of one name counting as one, and docs/ARCHITECTURE.md names it, alone or in a range (A1–A4).
# I1, I2 … are ARCHITECTURE's own, and heads repeat them.
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

declare -A events=() # "lane.waits", and "lane." for the family
while read -r word; do events[$word]=1 events[${word%%.*}.]=1; done < <(cat "${sources[@]}" |
        grep -oE '"[a-z]+\.[a-z_]+"' | tr -d '"' | grep -vE '^(weir|ssl|sasl)\.|\.(c|h|so|cfg|sql|json)$' | sort -u)
declare -A unit_tests=()
while read -r word; do unit_tests[$word]=1; done < <(grep -rhoE '^START_TEST\([A-Za-z0-9_]+' tests/unit 2>/dev/null | cut -d'(' -f2)

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
                        [[ $token =~ ^(t[0-9]{4}(-[a-z0-9-]+)?|t[0-9]{1,4}\*)$ ]] || { bad 'no name of a test: four digits, or fewer and *'; return 0; }
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
                        [ -z "${events[$token]:-}" ] || { checked=$((checked + 1)); return 0; }
                        if [ -n "${events[${token%%.*}.]:-}" ] && [[ " $keys" != *[\ .]"${token%%.*}."* ]]; then
                                bad 'no such event in the sources'
                                return 0
                        fi
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

judge_row() { # LINE: the last cell of a table of failures
        local cell=${1%|*} any=0
        cell=${cell##*|}
        while [[ $cell =~ \`([^\`]+)\`(.*) ]]; do
                token=${BASH_REMATCH[1]} cell=${BASH_REMATCH[2]} any=1
                [[ $token =~ ^(t[0-9]|test_) ]] || [ -n "${unit_tests[$token]:-}" ] || bad 'no such test'
        done
        token=${1:0:40}
        [ $any = 1 ] || bad 'this row names no test'
}

for file in "${files[@]}"; do
        tests_last=0 number=0 block=0 folder=$(dirname "$file")
        while IFS= read -r line || [ -n "$line" ]; do
                number=$((number + 1)) source=''
                if [[ $line =~ ^\ *\`\`\` ]]; then
                        block=$((1 - block))
                        continue
                fi
                [ "$block" = 0 ] || continue
                case $line in
                        '|'*'| test |') tests_last=1 ;;
                        '|---'*) ;;
                        '|'*'|') [ $tests_last = 0 ] || judge_row "$line" ;;
                        *) tests_last=0 ;;
                esac
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

file=lib/store/reason.c
while IFS=: read -r number token; do
        checked=$((checked + 1))
        grep -qF "| $token |" docs/FAILURES.md || bad 'docs/FAILURES.md does not say so'
done < <(awk -F'"' '/^ *X\(/ { print FNR ":" $6 }' "$file" 2>/dev/null)

rules() { # CODE FILE:LINE of each rule; a line that only refers to rules has another one behind the first
        local folder folders=()
        for folder in lib cmd workers; do [ ! -d $folder ] || folders+=("$folder"); done
        find "${folders[@]}" -type f -name '*.[ch]' -exec awk '
                match($0, /^ \*( Always true| COMMIT)? +[A-Z][A-Z]?[0-9] +/) {
                        rest = substr($0, RLENGTH + 1)
                        split(substr($0, 1, RLENGTH), word, " ")
                        for (code = ""; code == "";) for (i in word) if (word[i] ~ /^[A-Z][A-Z]?[0-9]$/) code = word[i]
                        if (rest !~ /^[A-Z][A-Z]?[0-9]( |$)/ && code !~ /^I/) print code, FILENAME ":" FNR
                }' {} +
}
named=" $({ grep -oE '[A-Z]{1,2}[0-9](–[A-Z]{0,2}[0-9])?' docs/ARCHITECTURE.md 2>/dev/null || true; } | sort -u | awk '{
        gsub(/–/, " ")
        letters = $1
        sub(/[0-9]$/, "", letters)
        last = NF > 1 ? $2 : $1
        for (i = substr($1, length($1)); i <= substr(last, length(last)); i++) printf "%s%d ", letters, i }')"
declare -A where=()
while read -r token at; do
        file=${at%:*} number=${at##*:} checked=$((checked + 1))
        stem=${file%.*}
        [ "${where[$token]:-$stem}" = "$stem" ] || bad "this rule stands in ${where[$token]} already: give it other letters"
        where[$token]=$stem
        [[ $named == *" $token "* ]] || bad 'docs/ARCHITECTURE.md does not name this rule'
done < <(rules)
[ "$wrong" = 0 ] || exit 1
[ "$checked" -gt 0 ] || { echo 'docs: nothing to check in the documents' >&2; exit 2; }
printf 'docs: %d names in %d documents, each found\n' "$checked" "${#files[@]}"
