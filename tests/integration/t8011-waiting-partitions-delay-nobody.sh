#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8011 - three partitions wait, with fewer connections than that: the fourth is as fast as before (measured); and waits grow
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 4 plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 3; first_delay = "10min"; max_delay = "10min"; jitter = 0;'
sed -i 's/^store = {/store = { connections = 2;/' "$config"
n=0
applied() { [ "$(rows "probe.event where id = '$1'")" = 1 ]; }
ping() { # COUNT: one event at a time into partition 3, each when the one before has come into effect
        local i
        for ((i = 0; i < $1; i++)); do
                n=$((n + 1))
                put 1 "$n" 3
                expect "e-$n"
                within 20s applied "e-$n" || fail "e-$n is not handled"
        done
}
latencies() { # FIRST LAST: milliseconds from the record to the call, sorted; e-1 has offset 0, e-2 offset 1
        records "$topic" | awk -v first="$1" -v last="$2" 'NR == FNR { called[$1] = $3; next }
                $1 == 3 && $2 + 1 >= first && $2 + 1 <= last { print called["e-" $2 + 1] - $3 }' calls.txt - | sort -n
}
median() { awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

weir_start a
ping 20
for p in 0 1 2; do
        gate "later-$p"
        event "later-$p" test.made | emit --partition "$p"
        put 20 $((1000 + p * 100)) "$p"
done
waiting() { [ "$(rows weir.attempt)" = 3 ]; }
within 20s waiting || fail 'they do not wait'
ping 20
echo "before, ms: $(latencies 1 20 | xargs)"
echo "beside, ms: $(latencies 21 40 | xargs)"
before=$(latencies 1 20 | median) beside=$(latencies 21 40 | median)
equal 'measured' 40 "$(latencies 1 40 | wc -l)"
[ "$beside" -le $((3 * before + 100)) ] || fail "median $beside ms beside three that wait, $before ms without"
equal 'effects of those that wait' 0 "$(sql 'select count(*) from probe.event where partition < 3')"
equal 'calls of those that wait' '1 1 1' "$(calls later-0) $(calls later-1) $(calls later-2)"
weir_stop a
equal 'exit status' 0 "$status"

# the waits of one event: the first, doubled, the longest; then it is a dead letter
configure plugin=probe "options=gate = true; calls = \"$TEST_DIR/calls.txt\";" \
        'retry=attempts = 5; first_delay = "100ms"; max_delay = "300ms"; factor = 2; jitter = 0;'
gate grows
event grows test.made | emit --partition 3
weir_start a
dead() { [ "$(rows weir.dead_letter)" = 1 ]; }
within 30s dead || fail 'it is not condemned'
weir_stop a
equal 'attempts' '1 2 3 4 5' "$(awk '$1 == "grows" { print $2 }' calls.txt | xargs)"
awk '$1 == "grows" { if (n) print $3 - before; before = $3; n++ }' calls.txt >waits.txt
echo "waits, ms: $(xargs <waits.txt)"
paste waits.txt <(printf '%s\n' 100 200 300 300) | awk '$1 < $2 { bad = 1 } END { exit bad || NR != 4 }' || fail "waits: $(xargs <waits.txt)"
