#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8015 - parked events take no place among the last records: a partition that halted for its share halts again after a restart,
#         with not one letter more
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 member=one plugin=probe name=probe 'options=reject_type = "test.bad"; retry_type = "test.later"; retry_times = 9;' \
        more='dead = { window = 10; max_share = 50; };' \
        'retry=order = "park"; first_delay = "60s"; max_delay = "60s"; attempts = 9;'
for i in $(seq 5); do event "bad-$i" test.bad "x$i"; done | emit
for i in $(seq 10); do event "later-$i" test.later "p$i"; done | emit
for i in $(seq 20); do event "more-$i" test.bad "y$i"; done | emit
letters() { sql 'select count(*) from weir.dead_letter'; }
for round in 1 2 3; do
        weir_start "a$round"
        within 30s halted "a$round" 0 'dead.max_share'
        equal "letters after start $round" 5 "$(letters)"
        equal 'parked' 10 "$(sql 'select count(*) from weir.parked')"
        weir_stop "a$round" "$([ $round = 2 ] && echo KILL || echo TERM)"
done
