#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t6008 - markers and aborted records between the batches leave no hole in the trail
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 'batch=max_events = 10;'
for i in 0 1 2 3 4; do
        put 10 $((i * 10 + 1)) 0 -x "$topic-0" commit
        put 10 901 0 -x "$topic-0" abort
done
expect_events 50
weir_start a
check_exactly_once
[ "$(rows weir.batch)" -ge 5 ] || fail "$(rows weir.batch) transactions: no marker lay between two"
weir_stop a
equal 'exit status' 0 "$status"
