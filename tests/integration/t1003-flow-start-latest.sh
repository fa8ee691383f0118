#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1003 - start: latest and a time begin where they say, once; later starts follow the position
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 start=latest
produce 100
: >produced
weir_start a
within 20s logged a 'event=lane.runs.*offset=100'
produce 50 101
check_exactly_once
weir_stop a
