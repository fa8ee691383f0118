#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7009 - position: shows where every partition stands; a move wants a reason, keeps it, and is obeyed
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
says 0 "$WEIR" position show -c "$config" --json
equal 'before the first run' '[]' "$(cat out)"
produce 100
weir_start a
wait_caught_up
says 0 "$WEIR" position show -c "$config"
has out "$topic/0"
has out "$topic/1"
says 0 "$WEIR" position show -c "$config" --json
equal 'sum of positions' 100 "$(psql -XqAt -v text="$(cat out)" "$url" <<<"select sum((p->>'next_offset')::int8) from jsonb_array_elements(:'text'::jsonb) p")"

for words in "audit $topic/0 5" "audit $topic/0 5 --reason" "audit $topic 5 -r x" "audit $topic/0 -- -5 -r x" "audit $topic/x 5 -r x" \
        "audit $topic/0 +5 -r x" "audit $topic/0 99999999999999999999 -r x" "audit $topic/0 5x -r x" "$topic/0 5 -r x"; do
        # shellcheck disable=SC2086
        says 2 "$WEIR" position set -c "$config" $words
done
says 2 "$WEIR" position set audit "$topic/0" 5 --reason ' ' -c "$config"
for word in $'caf\xe9' $'\xff' $'cut \xe2\x82'; do # as a terminal of another encoding would send it
        says 2 "$WEIR" position set audit "$topic/0" 5 --reason "$word" -c "$config"
        has err 'is not UTF-8'
        says 2 "$WEIR" position set "$word" "$topic/0" 5 --reason x -c "$config"
        for order in 'list --worker' 'stats --reason' 'requeue --topic' 'requeue --note' 'drop --all --yes --note'; do
                # shellcheck disable=SC2086
                says 2 dlq $order "$word"
                has err 'is not UTF-8'
                iconv -f utf-8 -t utf-8 err >/dev/null || fail "the message is not UTF-8: $order"
        done
        says 2 "$WEIR" relay open sink "$word" -c "$config"
done
says 2 "$WEIR" position set nobody "$topic/0" 5 --reason x -c "$config"
has err 'no position of worker nobody'
says 2 "$WEIR" position -c "$config"
equal 'nothing moved' 100 "$(sql 'select sum(next_offset) from weir.position')"

# backward under a running worker: it takes the partition anew, reads again, and applies nothing twice
at=$(sql 'select next_offset from weir.position where partition = 0')
epoch=$(sql "select epoch from weir.position where partition = 0")
says 0 "$WEIR" position set audit "$topic/0" 0 --reason 'to see it come back' -c "$config"
has out "next offset 0, was $at"
produce 50 101 # the next transaction finds the fence
wait_caught_up
[ "$(sql "select epoch > $epoch from weir.position where partition = 0")" = t ]
equal 'the reason is kept' "to see it come back|$at|0" "$(sql 'select reason, before, after from weir.position_change order by id desc limit 1')"
equal 'rows' 150 "$(rows)"
equal 'doubled' 0 "$(sql 'select count(*) - count(distinct id) from audit.event')"
weir_stop a
equal 'exit status' 0 "$status"

# without tables the command that makes them is named
"$WEIR" migrate down --yes --steps 99 -c "$config" >migrate.log
says 1 "$WEIR" position show -c "$config"
has err 'weir migrate up'
