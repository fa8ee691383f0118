#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3005 - a handler that commits behind weir's back, or hides an SQL error: its event is condemned, nothing is half done
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=commit_type = "sneak"; swallow_type = "hide"; sql_error = "23505";'
produce 100
event c-1 sneak | emit
produce 100 101
event h-1 hide | emit
produce 100 201
weir_start a
check_exactly_once probe.event
equal 'dead letters' '100|reject|handler|c-1
201|reject|23505|h-1' "$(sql 'select "offset", class, reason, event_id from weir.dead_letter order by 1')"
equal 'the rule that was broken' 1 "$(sql "select count(*) from weir.dead_letter where event_id = 'c-1' and text like '%only weir may%'")"
weir_stop a
equal 'exit status' 0 "$status"
