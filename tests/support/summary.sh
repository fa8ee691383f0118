#!/bin/sh
# SPDX-License-Identifier: MIT
# summary FILE RUNNERS - the closing lines of all runners and their total; 1 if one failed or kept silent
awk -v runners="$2" '
        { print; passed += $2; failed += $4; count++ }
        END {
                if (count != runners)
                        printf "%d of %d runners came to an end\n", count, runners
                printf "%d passed, %d failed\n", passed, failed
                exit failed > 0 || count != runners
        }' "$1"
