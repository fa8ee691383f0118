#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1004 - start: a time begins at the first record that is not older, in each partition; the position decides afterwards
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

from=$(($(date +%s) - 3600)) # an hour ago; much older ones would fall to the broker's retention
prepare 3 start="$(date -u -d "@$from" +%FT%TZ)"
put 5 1 0 -T "$((from - 40))000"
put 5 101 0 -T "${from}000" # this one counts
put 5 106 0 -T "$((from + 1))000"
put 5 6 1 -T "$((from - 40))000" # nothing so late in partition 1: its end
put 5 201 2                      # now: all of partition 2
expect_events 10 101
expect_events 5 201
weir_start a
check_exactly_once
equal 'first offsets' '0 5 15|1 5 5|2 0 5' "$(sql 'select p.partition, c.after, p.next_offset from weir.position p
        join weir.position_change c on c.position = p.id order by 1' | tr '|' ' ' | paste -sd '|')"
weir_stop a
configure start=earliest
weir_start a
within 20s logged a 'event=lane.runs.*partition=1 offset=5'
put 5 11 1 -T "$((from - 40))000"
expect_events 5 11
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
