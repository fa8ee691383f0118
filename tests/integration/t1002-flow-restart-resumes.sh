#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1002 - restart resumes: nothing is done again, nothing skipped
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4
produce 3000
weir_start a
check_exactly_once
weir_stop a
trail=$(sql 'select count(*) from weir.batch')
weir_start a
within 20s logged a 'event=lane.runs.*partition=3'
produce 3000 3001
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
equal 'records handled twice' 6000 "$(sql 'select sum(records) from weir.batch')"
[ "$(sql 'select count(*) from weir.batch')" -gt "$trail" ]
