#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hardening FILE... - what the compiler was told must be seen in what is shipped
#
# A flag that is given and lost on the way (an object built elsewhere, a link without it) is found only here.
# Canaries and FORTIFY show as calls only where a function needs them: the program does for certain, a small
# plugin may not, so those two are asked of executables.
set -euo pipefail
export LC_ALL=C
passed=0 failed=0
check() { # FILE WHAT COMMAND...
        local file=$1 what=$2
        shift 2
        if "$@"; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'hardening: %s: %s\n' "$file" "$what" >&2
        fi
}
has() { grep -qE "$2" <<<"$1"; }
lacks() { ! grep -qE "$2" <<<"$1"; }

for file; do
        header=$(readelf -hW "$file") segments=$(readelf -lW "$file") dynamic=$(readelf -dW "$file")
        symbols=$(readelf -sW --dyn-syms "$file")
        check "$file" 'not position independent' has "$header" 'Type: +DYN'
        check "$file" 'no RELRO segment' has "$segments" 'GNU_RELRO'
        check "$file" 'lazy binding: no BIND_NOW' has "$dynamic" 'BIND_NOW|FLAGS_1.*NOW'
        check "$file" 'executable stack' has "$segments" 'GNU_STACK.* RW +0x'
        check "$file" 'a segment is writable and executable' lacks "$segments" 'LOAD.* RWE '
        check "$file" 'text relocations' lacks "$dynamic" 'TEXTREL'
        check "$file" 'a search path for libraries is built in' lacks "$dynamic" 'RPATH|RUNPATH'
        check "$file" 'failpoints: a test build' lacks "$(readelf -SW "$file")" 'weir_failpoints'
        if has "$header" 'Machine: .*X86-64'; then
                # the note on the file is lost where the C library's start files lack it, so look at the code
                landings=$(objdump -d --no-show-raw-insn "$file" | grep -c endbr64 || true)
                check "$file" "no CET: built without -fcf-protection" [ "$landings" -gt 2 ]
        fi
        if has "$dynamic" 'FLAGS_1.*PIE'; then
                check "$file" 'no stack protector' has "$symbols" '__stack_chk_fail'
                check "$file" 'no _FORTIFY_SOURCE' has "$symbols" '__[a-z_]+_chk(@| |$)'
        fi
        case $file in
                */plugins/*) check "$file" 'a plugin links against nothing of ours' lacks "$dynamic" 'NEEDED.*(weir|rdkafka|libpq)' ;;
                *.so*) check "$file" 'no soname' has "$dynamic" 'SONAME' ;;
        esac
done
printf 'hardening: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
