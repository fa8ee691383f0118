#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# database keep|renew|forget PID - a copy of the database of the test program PID, and the database anew from it
#
# keep fails where the program has none: then there is nothing to renew.
set -euo pipefail
query() { psql -XqAt -d "$WEIR_TEST_PG" -c "$1"; }
name=$(query "SELECT datname FROM pg_database WHERE datname LIKE 'weir\_%\_$2'")
case $1 in
        keep)
                [ -n "$name" ] || exit 1
                query "CREATE DATABASE ${name}_copy TEMPLATE $name"
                ;;
        renew)
                name=$(query "SELECT datname FROM pg_database WHERE datname LIKE 'weir\_%\_$2\_copy'")
                name=${name%_copy}
                query "DROP DATABASE IF EXISTS $name WITH (FORCE)"
                query "CREATE DATABASE $name TEMPLATE ${name}_copy"
                ;;
        forget) query "DROP DATABASE ${name}_copy WITH (FORCE)" ;;
esac
