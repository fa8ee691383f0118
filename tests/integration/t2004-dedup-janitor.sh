#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t2004 - weir run begins and drops generations by itself: not while a topic keeps longer, not while a letter needs them, not
#         without the right; weir claims shows it and does it by hand
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

claims() { "$WEIR" claims "$@" -c "$config"; }
role=${TEST//[^a-z0-9]/_}

new_topic 1
kafkactl create "$topic-short" 1 retention.ms=3000 segment.ms=1000
kafkactl create "$topic-long" 1 retention.ms=3600000 segment.ms=60000
within 10s kafkactl ends "$topic-short" >/dev/null
within 10s kafkactl ends "$topic-long" >/dev/null
topic=$topic-short
new_db
configure plugin=probe 'options=gate = true;'
rotate='claims = { period = "2s"; retention = "4s"; };'
echo "$rotate" >>"$config"
migrate

# ---- by hand, nothing runs
says 0 claims
has out 'newest: claims go there'
says 2 claims drop --force
has err '--force wants the one GENERATION'
says 2 claims shwo
has err 'did you mean show?'
says 1 claims drop 1
has err 'is the newest'
says 1 claims drop 9
has err 'no generation 9'
says 0 claims switch
has out 'generation 2 begun'
says 1 claims drop 1
has err 'is kept by claims.retention, for '
says 0 claims drop 1 --force --dry-run
has out 'generation 1 would go'
says 0 claims show --exact --json
equal 'generations by JSON' '1 2' "$(sql "select string_agg(g->>'generation', ' ' order by 1) from jsonb_array_elements('$(cat out)'::jsonb) g")"
says 0 claims drop 1 --force
equal 'who dropped it' "1 true" "$(sql "select generation || ' ' || (dropped_by = session_user) from weir.claim_dropped")"

# ---- a dead letter whose duplicate was applied keeps the generation of that
gate lost reject
weir_start a
within 30s logged a 'event=lane.runs' # records live for a few seconds here
event lost test.made | emit
within 30s logged a 'event=event.dead'
gate_open
event lost test.made | emit # the producer sends it again, and this one is applied
expect lost
produce 50
within 30s rows_at_least 51 probe.event
generation=$(sql "select generation from weir.claim where key = weir.claim_key('audit', '/test', 'lost')")
feed() { # what makes the newest old enough to be followed
        local i=$((51 + SECONDS * 10))
        events 1 "$i" | emit && expect "e-$i"
}
kept() { feed; logged a "event=claims.kept generation=$generation .*reason=dead_letter"; }
within 60s kept
claims show >shown.txt
grep -E "^ *$generation .*dead_letter: dead letter 1 of worker audit: a duplicate" shown.txt >/dev/null || fail "not shown: $(cat shown.txt)"
says 1 claims drop "$generation"
has err 'is kept by dead letter 1 of worker audit'
# it is run again: recognised, although its duplicate was long ago; then its generation goes
says 0 dlq requeue --id 1 --wait
equal 'the letter' 'duplicate1' "$(letters 'id = 1')"
gone() { [ -z "$(sql "select 1 from weir.claim_generation where generation = $generation")" ]; }
within 60s gone
logged a "event=claims.dropped generation=$generation "
within 20s logged a 'event=claims.switched'
wait_caught_up
weir_stop a
equal 'status' 0 "$status"

# ---- a topic that keeps its records longer than claims.retention
configure plugin=probe 'options=gate = true;' topics="\"$topic\", \"${topic%-short}-long\""
echo "$rotate" >>"$config"
says 0 "$WEIR" check --connect -c "$config"
grep -qE "^warn +claims +topic ${topic%-short}-long keeps records for 61min: claims are kept so long, not 4s" out || fail "$(cat out)"
claims switch >/dev/null
weir_start b
within 20s logged b "event=claims.topic_keeps_longer topic=${topic%-short}-long keeps=61min retention=4s"
topic_keeps() { logged b 'event=claims.kept .*reason=topic '; }
within 30s topic_keeps
oldest=$(sql 'select min(generation) from weir.claim_generation')
says 0 claims drop
has out 'none may go'
equal 'the oldest' "$oldest" "$(sql 'select min(generation) from weir.claim_generation')"
weir_stop b

# ---- a compacted topic: the last record of a key stays for ever, and so do claims
kafkactl create "${topic%-short}-compacted" 1 cleanup.policy=compact retention.ms=3000 segment.ms=1000
within 10s kafkactl ends "${topic%-short}-compacted" >/dev/null
configure plugin=probe 'options=gate = true;' topics="\"${topic%-short}-compacted\""
echo "$rotate" >>"$config"
says 0 claims
has out "topic: topic ${topic%-short}-compacted keeps records of any age"

# ---- a role without the right: everything but this works
configure plugin=probe 'options=gate = true;'
echo "$rotate" >>"$config"
sql "create role $role login password '$(cat password)'; grant usage on schema weir, probe to $role;
        grant select, insert, update, delete on all tables in schema weir, probe to $role;
        grant usage, select on all sequences in schema weir, probe to $role"
sed -i "s#//weir@#//$role@#" "$config"
says 0 "$WEIR" check --connect -c "$config"
grep -qE "^warn +claims, rights +GRANT EXECUTE ON FUNCTION weir.claim_drop.* TO $role" out || fail "$(cat out)"
weir_start c
within 30s logged c 'event=lane.runs'
within 20s logged c "event=claims.not_ours next=\"GRANT EXECUTE ON FUNCTION weir.claim_drop.* TO $role\""
produce 10 9000
within 30s rows_at_least "$(sort -u produced | wc -l)" probe.event
equal 'said once' 1 "$(grep -c claims.not_ours c.log)"
weir_stop c
sql "drop owned by $role; drop role $role"
