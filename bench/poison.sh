# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # names of run.sh, which sources this
# poison - what one bad event in a thousand costs the thousand
#
# The same topic, the same bytes, the same plugin: one side is told to refuse every thousandth event (or to fail in
# a statement of it), the other is not. So the ratio is the price of rolling back, cutting around the culprit and
# keeping it, and of nothing else. After each run effects and dead letters are counted: no figure without the promise.

POISON_EVERY=1000

poisoned() { # BENCH PAIR SIDE PARTITIONS DEAD OPTIONS
        run_worker "$1" "$2" "$3" probe probe "poison$4" '' "$6"
        [ "$(sql 'select count(*) from probe.event')" = $((count - $5)) ] || die "$1: effects are missing or too many"
        [ "$(sql "select count(distinct event_id) from weir.dead_letter where class = 'reject'")" = "$5" ] ||
                die "$1: dead letters are missing or too many"
}

bench_poison() {
        local partitions pair result count=${EVENTS:-100000} bad
        bad=$((count / POISON_EVERY))
        for partitions in 1 4; do
                fill "$partitions" poison $POISON_EVERY
                say "poison, $partitions partitions: rejected, failed in a statement, neither, in turn"
                for ((pair = 0; pair <= pairs; pair++)); do # pair 0 warms up
                        poisoned "poison$partitions" "$pair" a "$partitions" $bad 'reject_type = "user.poisonUser";'
                        poisoned "poison$partitions-sql" "$pair" a "$partitions" $bad 'sql_error_type = "user.poisonUser";'
                        poisoned "poison$partitions" "$pair" b "$partitions" 0 ''
                        # shellcheck disable=SC2086 # five figures
                        note "poison$partitions-sql" "$pair" b $result
                done
        done
}
