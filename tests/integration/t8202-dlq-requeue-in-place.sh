#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8202 - weir dlq requeue: the live worker runs them again; what fails again is kept, and not sent round for ever
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };' 'retry=attempts = 2; first_delay = "10ms"; max_delay = "10ms";'
for i in $(seq 1 30); do gate "bad-$i" reject; done
for i in $(seq 1 30); do event "bad-$i" test.made "s$i"; done | emit
for i in $(seq 1 30); do expect "bad-$i"; done
echo 'no event' | kafkactl produce "$topic" 0
produce 100
weir_start a
wait_caught_up
equal 'after the first round' kept31 "$(letters)"

dlq requeue --dry-run --class reject >out 2>err
has out '30 would be requeued'
grep -qE '^ +30 +audit +reject +handler +1-1 +in place +the gate rejects' out || fail "plan: $(cat out)"
hasnt err 'no live worker'
equal 'a dry run touches nothing' 'kept31' "$(letters 'marked_at is null and round = 1')"
dlq requeue --dry-run --limit 7 >out # in place first, the oldest: the record that is no event is among them or not
has out '7 would be requeued'
equal 'the plan is of those seven' 7 "$(awk '$2 == "audit" { n += $1 } END { print n + 0 }' out)"
equal 'as JSON, too' '7 7' "$(dlq requeue --dry-run --limit 7 --json | jq -r '[.rows, (.groups | map(.rows) | add)] | @text "\(.[0]) \(.[1])"')"
dlq requeue --dry-run --json --class reject >out
equal 'plan as JSON' '[30,0,"in place"]' "$(jq -c '[.rows, .skipped_rounds, .groups[0].goes]' out)"

says 1 dlq requeue --class reject --wait --note 'hoping' # nothing has changed: they are kept again
has out '30 requeued'
has out 'kept 30'
equal 'after the second round' 'kept30' "$(letters "class = 'reject' and round = 2 and attempts = 1 and note = 'hoping' and marked_by like '%@%'")"
says 1 dlq requeue --class reject --wait --json
equal 'outcome as JSON' '30 30' "$(jq -s -r '[.[0].requeued, .[1].kept] | @text "\(.[0]) \(.[1])"' out)"
says 0 dlq requeue --class reject --wait # three rounds: the guard
has out '0 requeued'
has out '30 skipped: they went through 3 rounds or more; --max-rounds'
equal 'after the guard' 'kept30' "$(letters 'round = 3')"

sql "delete from probe.gate where id not in (select event_id from weir.dead_letter where class = 'reject' order by id limit 2)"
says 1 dlq requeue --class reject --max-rounds 4 --limit 10 --wait
has out '10 requeued'
has out 'applied 8, kept 2'
equal 'the oldest came first' 10 "$(sql "select count(*) from (select round from weir.dead_letter where class = 'reject' order by id limit 10) t where round = 4")"
gate_open
weir_stop a
says 0 dlq requeue --max-rounds 10 --class reject --note 'nobody is there'
has err "no live worker audit holds $topic/"
has out '22 requeued'
equal 'marked, and waiting' 22 "$(rows "weir.dead_letter where state = 'requeue'")"
says 2 dlq requeue --state requeue
says 0 dlq drop --state requeue --id "$(sql "select max(id) from weir.dead_letter where state = 'requeue'")" --note 'not this one' --yes
has out '1 dropped'
weir_start a
settled() { [ "$(rows "weir.dead_letter where state = 'requeue'")" = 0 ]; }
within 30s settled
equal 'after the last round' 'applied29 dropped1 kept1' "$(letters)"
equal 'the dropped one was not run' 0 "$(sql "select count(*) from probe.event e join weir.dead_letter d on d.event_id = e.id where d.state = 'dropped'")"
says 0 dlq requeue --state dropped --max-rounds 10 --wait # by mistake
has out 'applied 1'
says 1 dlq requeue --class decode --wait # it is still no event
has out 'kept 1'
logged a 'event=event.dead .*requeued=yes .*class=decode reason=not-a-cloudevent .*next="see who else writes to this topic' ||
        fail 'the log does not say why it was kept again'
sql "delete from weir.dead_letter where class = 'decode'" # no event: not among those produced
check_decided_once
weir_stop a
