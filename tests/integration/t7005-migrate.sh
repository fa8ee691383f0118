#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7005 - migrate: the SQL before it runs, each file once, two at a time, nothing changed behind one's back
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
new_db
configure
states() { "$WEIR" migrate status --json -c "$config" | grep -o '"state":"[a-z]*"' | sort | uniq -c | xargs; }
count=$(find "$WEIR_MIGRATIONS" "$(dirname "$WEIR")/plugins/audit.migrations" -name '*.up.sql' | wc -l)

says 1 "$WEIR" migrate status -c "$config"
equal 'before' "$count state:pending" "$(states | tr -d '"')"
says 0 "$WEIR" migrate up --dry-run -c "$config"
has out 'CREATE TABLE weir.position'
has out 'CREATE TABLE audit.event'
equal 'a dry run changes nothing' f "$(sql "select exists (select from pg_namespace where nspname in ('weir', 'audit'))")"
cp out dry.sql

# eight at once: each migration is applied by exactly one of them
for i in 1 2 3 4 5 6 7 8; do "$WEIR" migrate up -c "$config" >"up$i.out" 2>"up$i.err" & ups[i]=$!; done
for i in 1 2 3 4 5 6 7 8; do wait "${ups[i]}" || fail "migrate up $i: $(cat "up$i.err")"; done
equal 'applied, all together' "$count" "$(cat up?.out | grep -c ' applied$')"
equal 'had nothing to do' 7 "$(cat up?.out | grep -c '^nothing to do$')"
says 0 "$WEIR" migrate status -c "$config"
equal 'after' "$count state:applied" "$(states | tr -d '"')"
says 0 "$WEIR" migrate up -c "$config"
has out 'nothing to do'
says 0 "$WEIR" migrate up --dry-run -c "$config"
has out '-- nothing to do'

# the SQL that was shown is the SQL that was run: another database takes it as it is
sql "create database ${TEST//[^a-z0-9]/_}_dry"
psql -Xq -v ON_ERROR_STOP=1 "${url%/*}/${TEST//[^a-z0-9]/_}_dry" -c 'create schema weir' -f dry.sql >dry.log 2>&1 || fail "$(cat dry.log)"

says 2 "$WEIR" migrate down -c "$config"
has err 'add --yes'
says 2 "$WEIR" migrate sideways -c "$config"
says 2 "$WEIR" migrate -c "$config"
says 2 "$WEIR" migrate down --yes --steps 0 -c "$config"
says 0 "$WEIR" migrate down --dry-run -c "$config"
has out 'DROP TABLE audit.event'
equal 'still there' 0 "$(rows)"
says 0 "$WEIR" migrate down --yes -c "$config"
has out 'taken back'
says 1 "$WEIR" migrate status -c "$config"
says 0 "$WEIR" migrate up -c "$config"

printf -v next '%04d_more' "$(find "$WEIR_MIGRATIONS" -name '*.up.sql' | wc -l | awk '{ print $1 + 1 }')"
# a changed file stops everything, before anything is done
cp -R "$WEIR_MIGRATIONS" changed
printf 'CREATE TABLE weir.more (n int);\n' >"changed/$next.up.sql"
printf 'DROP TABLE weir.more;\n' >"changed/$next.down.sql"
echo '-- changed' >>changed/0002_batch.up.sql
export WEIR_MIGRATIONS=$PWD/changed
says 1 "$WEIR" migrate up -c "$config"
has err '0002_batch.up.sql was changed after it was applied'
says 1 "$WEIR" migrate status -c "$config"
has out changed
equal 'the new one was not applied' '' "$(sql "select to_regclass('weir.more')")"
# one that fails leaves nothing half done
cp "$ROOT/migrations/0002_batch.up.sql" changed/
printf 'CREATE TABLE weir.more (n int);\nSELECT 1 / 0;\n' >"changed/$next.up.sql"
says 1 "$WEIR" migrate up -c "$config"
has err "$next.up.sql: division by zero"
equal 'rolled back' '' "$(sql "select to_regclass('weir.more')")"
# full disk behind the dry run
status=0
"$WEIR" migrate up --dry-run -c "$config" >/dev/full 2>err || status=$?
equal 'dry run to a full disk' 1 "$status"
# no database: a failure, in words, soon
sed -i 's#127.0.0.1:[0-9]*/#127.0.0.1:1/#' "$config"
says 1 timeout 30 "$WEIR" migrate up -c "$config"
has err 'Connection refused'
