#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1001 - happy path: 10,000 events, each applied once, order per partition kept
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4
produce 10000
weir_start a
check_exactly_once
weir_stop a
equal 'exit status after SIGTERM' 0 "$status"
commits_equal || fail 'the committed offsets are not at the positions after a clean stop'
