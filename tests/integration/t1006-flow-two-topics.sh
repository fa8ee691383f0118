#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1006 - two topics in one worker: positions by topic, one set of claims, so that an event in both has one effect
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
first=$topic
prepare 2 topics="\"$first\", \"${TEST:0:40}-2\""
topic=$first produce 1000
produce 1000 501 # 501..1000 once more, in the other topic
weir_start a
check_exactly_once
topic=$first check_exactly_once
equal 'duplicates recognised across topics' 500 "$(sql 'select sum(events - fresh) from weir.batch')"
equal 'positions' 3 "$(sql 'select count(*) from weir.position')"
weir_stop a
equal 'exit status' 0 "$status"
