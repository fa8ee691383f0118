#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6006 - transactions at the end of a log: markers and aborted records are passed, the lag becomes 0, open ones wait
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 5
put 10 1 0
put 10 11 0 -x "$topic-0" commit # its marker is the end of the log
put 10 21 1
put 10 901 1 -x "$topic-1" abort # ten records that are none, and a marker
put 10 902 2 -x "$topic-2" abort # nothing but that, from the beginning
put 10 31 3 -x "$topic-3" commit
put 10 903 3 -x "$topic-3" abort
put 10 41 3
put 10 51 4
put 10 904 4 -x "$topic-4" leave # open: the end that counts is before it
expect_events 60
weir_start a
check_exactly_once
equal 'positions' '0 21 1 21 2 11 3 32 4 10' "$(positions | xargs)"
within 5s commits_equal || fail 'the commits stay behind the positions'
put 10 61 2
put 10 71 0 -x "$topic-0" commit
expect_events 20 61
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
commits_equal
# the same from cold: the start at the record before a marker finds the end again, and nothing is done twice
weir_start b
within 20s logged b 'event=lane.runs.*partition=3'
check_exactly_once
weir_stop b
equal 'exit status' 0 "$status"
