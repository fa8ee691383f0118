#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7102 - position export: another consumer goes on at exactly the next record; what stays behind is said; out and in is where one was
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

export_() { "$WEIR" position export audit -c "$config" "$@"; }
import() { "$WEIR" position import audit -c "$config" "$@"; }

prepare 3 plugin=probe "options=gate = true;" 'retry=attempts = 1000; first_delay = "60s"; max_delay = "60s"; order = "park";' \
        "properties=\"session.timeout.ms=6000\", \"fetch.wait.max.ms=20\""
group=$topic
other=$topic-other
says 2 export_ --group "$other" --yes --reason x
has err 'no position yet'
put 20 1 0 -k k
put 20 101 1 # partition 2 stays empty, and has a position all the same
gate e-3
gate e-104 reject
weir_start a
wait_caught_up
equal 'parked: the key of a partition, from its first failure on' 18 "$(rows weir.parked)"
equal 'dead letters' 1 "$(rows weir.dead_letter)"

# a worker that runs moves on
says 1 export_ --group "$other" --yes --reason x
has err 'runs ('
has err '--force'
says 1 export_ --yes --reason x # into its own group: Kafka would refuse it
has err 'for a group without members'
says 1 export_ --yes --reason x --force
has err 'for a group without members'
equal 'nothing written' '0 -1 1 -1 2 -1' "$(kafkactl committed "$topic" "$other" | xargs)"
says 0 export_ --group "$other" --yes --reason x --force
has out '3 of 3 partitions written to'
weir_stop a
equal 'exit status' 0 "$status"

# moving out
put 5 301 0
put 5 401 1
for words in '' '--dry-run --yes --reason x'; do
        # shellcheck disable=SC2086
        says 0 export_ --group out $words
        has out 'would be written to group'
        equal 'a dry run writes nothing' '0 -1 1 -1 2 -1' "$(kafkactl committed "$topic" out | xargs)"
done
says 2 export_ --group out --yes
has err 'needs --reason'
says 0 export_ --group out --reason 'moving out' --yes
has out '18 parked events not carried over'
has out '1 dead letter not carried over'
has out '3 of 3 partitions written to group out'
equal 'what is written' '0 20 1 20 2 0' "$(kafkactl committed "$topic" out | xargs)"
equal 'the reason is with it' 'weir: moving out' "$(kafkactl words "$topic" out | sed -n 's/^0 //p')"
says 0 export_ --group out --reason again --yes
has out '3 stand there already'
equal 'what stands there is left alone' 'weir: moving out' "$(kafkactl words "$topic" out | sed -n 's/^0 //p')"
kafkactl consume "$topic" out 10 | sort -n >next.txt
equal 'goes on at exactly the next record' '0 20 0 21 0 22 0 23 0 24 1 20 1 21 1 22 1 23 1 24' "$(awk '{ print $1, $2 }' next.txt | xargs)"

# out and in again changes nothing
before=$(sql 'select partition, next_offset, epoch from weir.position order by 1')
changes=$(rows weir.position_change)
says 0 export_ --reason out --yes # its own group now
says 0 import --reason in --yes
equal 'the same' "$before" "$(sql 'select partition, next_offset, epoch from weir.position order by 1')"
equal 'no word' "$changes" "$(rows weir.position_change)"

# a worker starts while Kafka is told
gate_open
WEIR_FAILPOINT=position.written:stop "$WEIR" position export audit -c "$config" --group late --yes --reason x >late.out 2>late.err &
pid[late]=$!
within 40s stopped_at late
weir_start a
wait_caught_up
weir_stop a
weir_goes_on late
status=0
wait "${pid[late]}" || status=$?
unset 'pid[late]'
equal 'exit status' 1 "$status"
has late.err 'the position went on to 25 while 20 was written'
says 0 export_ --group late --yes --reason 'once more'
equal 'now it is' '0 25 1 25 2 0' "$(kafkactl committed "$topic" late | xargs)"
WEIR_FAILPOINT=position.written:kill says 137 export_ --group killed --yes --reason x
says 0 export_ --group killed --yes --reason x
has out '3 stand there already'

# a position that is not in its log is no place to go on at
put 5 501 0
kafkactl delete-records "$topic" 0 28 >deleted.txt
says 1 export_ --group gone --yes --reason x
has out 'position 25 is below the log'
has err '1 of 3 partitions are refused'
equal 'nothing written' '0 -1 1 -1 2 -1' "$(kafkactl committed "$topic" gone | xargs)"
says 0 export_ --group gone --yes --reason x --partial --json
equal 'the others' '0 -1 1 25 2 0' "$(kafkactl committed "$topic" gone | xargs)"
equal 'JSON' 'true|2|1' "$(psql -XqAt -v text="$(cat out)" "$url" <<<"select :'text'::jsonb->>'written', :'text'::jsonb->>'moves', :'text'::jsonb->>'refused'")"
