#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t2001 - duplicates inside one batch, across batches and across partitions have one effect
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 3 'batch=max_events = 100;'
produce 500
events 500 1 | emit                                   # across batches: the same ids once more, behind
{ events 50 501; events 50 501; } | emit              # inside one batch
awk 'BEGIN { for (i = 501; i <= 550; i++) print "e-" i }' >>produced
for partition in 0 1 2; do events 200 551 | emit --partition "$partition"; done # the same ids in three partitions
awk 'BEGIN { for (i = 551; i <= 750; i++) print "e-" i }' >>produced
weir_start a
check_exactly_once
equal 'duplicates recognised' 950 "$(sql 'select sum(events - fresh) from weir.batch')"
weir_stop a
