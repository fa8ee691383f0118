#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1004 - what is no CloudEvent is kept whole, with class, reason and position; the others go on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1
produce 10
printf 'no event at all\n' | kcat -b "$KAFKA" -t "$topic" -p 0 -P -k somekey -H x=y
produce 10 11
weir_start a
check_exactly_once
equal 'dead letters' 'not-a-cloudevent|decode|0|10|somekey|no event at all' "$(sql "select reason, class, partition, \"offset\", convert_from(key, 'UTF8'), convert_from(value, 'UTF8') from weir.dead_letter")"
weir_stop a
equal 'exit status' 0 "$status"
