#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7004 - check says what run would say: properties, plugins, options, topics, schema, rights
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 3
says 0 "$WEIR" check -c "$config"
says 0 "$WEIR" check -c "$config" --connect
has out "topic $topic"
has out '3 partitions'
has out "group $group"
hasnt out WRONG
equal 'log lines of a good check' 0 "$(wc -c <err)"
says 0 "$WEIR" check -c "$config" --connect --json
psql -XqAt -v ON_ERROR_STOP=1 -v text="$(cat out)" "$url" >facts.txt <<<"select fact->>'ok', fact->>'what' from jsonb_array_elements(:'text'::jsonb) fact"
has facts.txt "true|topic $topic"
[ "$(wc -l <facts.txt)" -ge 8 ]

# refused CODE-OF-CHECK CODE-OF-RUN WORDS: check names it, run does not start and says the same
refused() {
        says "$1" "$WEIR" check -c "$config" ${4:+"$4"}
        has out WRONG
        has out "$3"
        says "$2" timeout 30 "$WEIR" run -c "$config"
        has err "$3"
}

# the fence around a worker process: what this kernel has is proved, what is not there is named
says 0 "$WEIR" check -c "$config"
for part in memory core parent privileges landlock seccomp; do
        grep -qE "^ok +sandbox $part +(active|not in this kernel): " out || fail "no line for sandbox $part"
done
grep -qE '^ok +sandbox seccomp +active: ' out || fail 'no filter'
configure sandbox='landlock = false; seccomp = false;'
echo 'crash = { core = true; };' >>"$config"
says 0 "$WEIR" check -c "$config"
equal 'parts that are off' 3 "$(grep -cE '^ok +sandbox (landlock|seccomp|core) +off: ' out)"
configure
"$WEIR" check -c "$config" >out
if grep -qE '^ok +sandbox landlock +active' out; then
        configure sandbox='write = [ "nowhere" ];'
        says 1 "$WEIR" check -c "$config"
        has out 'nowhere: No such file or directory; make it, or take it out of the list'
fi
configure

# properties that librdkafka does not take: all of them, at their line, whoever reads the file
configure properties='"no.such.property=1",
  "session.timeout.ms=soon"'
at=$(grep -n no.such.property "$config" | cut -d: -f1)
sed -i 's/^store = {/store = { connections = 0;/' "$config"
for command in check run "migrate status" "config show" "tail $topic" "position show" "emit --topic $topic"; do
        # shellcheck disable=SC2086 # several words
        says 78 timeout 30 "$WEIR" $command -c "$config" </dev/null
        has err "weir.cfg:$at: kafka.properties: no.such.property: librdkafka"
        has err "weir.cfg:$((at + 1)): kafka.properties: session.timeout.ms: "
        has err 'store.connections: 0 is out of range'
        has err '3 problems in the configuration'
done

version=$("$WEIR" version --json | sed 's/.*"librdkafka":"\([0-9.]*\).*/\1/')
configure properties='"sasl.mechanisms=SCRAM-SHA-512", "security.protocol=SASL_PLAINTEXT", "sasl.username=x"'
if [ "$(printf '2.6.1\n%s\n' "$version" | sort -V | head -1)" != 2.6.1 ]; then
        says 78 "$WEIR" check -c "$config"
        has err 'use librdkafka 2.6.1 or later, or sasl.mechanisms=PLAIN over security.protocol=SASL_SSL, or client certificates'
        says 78 timeout 30 "$WEIR" run -c "$config"
        has err 'weir.cfg:1: kafka.properties: sasl.mechanisms=SCRAM-SHA-512: librdkafka'
else
        says 0 "$WEIR" check -c "$config"
fi

# plugins: another ABI, no symbol, writable by everybody, not there, no plugin at all
configure plugin=bad_abi
refused 1 1 'this weir speaks ABI'
configure plugin=bad_symbol
refused 1 1 'exports no symbol weir_worker'
configure plugin=nosuch
refused 1 1 "no nosuch.so in $(dirname "$WEIR")/plugins"
cp "$WEIR_TEST_PLUGINS/opener.so" open.so
chmod 757 open.so
configure plugin=./open.so
refused 1 1 'chmod go-w'
configure plugin=./weir.cfg
refused 1 1 'cannot be loaded'
# options are the plugin's: only opening it tells
configure options='print = true; prnt = true;'
refused 78 78 'options.prnt' --connect

# a topic that is not there; weir does not make it
configure topics='"t7004-nowhere"'
says 1 "$WEIR" check -c "$config" --connect
has out 'does not exist; create it, weir never does'
if kafkactl ends t7004-nowhere >ends.log 2>&1; then fail 'check made a topic'; fi
# a broker that is not there
configure
sed -i "s/brokers = \"[^\"]*\"/brokers = \"127.0.0.1:1\"/" "$config"
says 1 timeout 30 "$WEIR" check -c "$config" --connect
has out 'Connection refused'

# a role that may read and not write: the rights that are missing are named
configure
sql "create role ${TEST//[^a-z0-9]/_} login password '$(cat password)'; grant usage on schema weir, audit to ${TEST//[^a-z0-9]/_};
        grant select on all tables in schema weir, audit to ${TEST//[^a-z0-9]/_}"
sed -i "s#//weir@#//${TEST//[^a-z0-9]/_}@#" "$config"
says 1 "$WEIR" check -c "$config" --connect
has out 'missing: GRANT INSERT, UPDATE ON weir.batch TO'
has out 'missing: GRANT INSERT, UPDATE ON weir.position TO'
# of every table that a running process writes to, each right of its own
sql "grant insert, update, delete on all tables in schema weir to ${TEST//[^a-z0-9]/_}"
says 1 "$WEIR" check -c "$config" --connect
has out 'missing: GRANT SELECT ON SEQUENCE weir.batch_id_seq TO'
sql "grant usage on sequence weir.batch_id_seq to ${TEST//[^a-z0-9]/_}"
says 0 "$WEIR" check -c "$config" --connect
while read -r right table; do
        sql "revoke $right on weir.$table from ${TEST//[^a-z0-9]/_}"
        says 1 "$WEIR" check -c "$config" --connect
        has out "missing: GRANT $right ON weir.$table TO"
        sql "grant $right on weir.$table to ${TEST//[^a-z0-9]/_}"
done <<'END'
DELETE attempt
DELETE claim_1
SELECT claim_dropped
SELECT claim_generation
UPDATE dead_letter
UPDATE destination
DELETE outbox
INSERT outbox_stream
UPDATE parked
INSERT position_change
END
sql "drop owned by ${TEST//[^a-z0-9]/_}; drop role ${TEST//[^a-z0-9]/_}"

# the schema: behind, ahead, changed
configure
"$WEIR" migrate down --yes -c "$config" >migrate.log
refused 1 1 'this program needs' --connect
migrate
cp -R "$WEIR_MIGRATIONS" older
newest=$(cd older && printf '%s\n' 0*.up.sql | tail -1)
rm "older/${newest%.up.sql}".*
WEIR_MIGRATIONS=$PWD/older
refused 1 1 'older than the schema' --connect
cp -R "$ROOT/migrations/." older
echo '-- another word' >>"older/$newest"
refused 1 1 "$newest was changed after it was applied" --connect
