#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8206 - weir dlq drop: says why, asks, takes only what is named, and deletes nothing
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe 'options=gate = true;' 'more=dead = { max_share = 100; };'
for i in $(seq 1 12); do gate "bad-$i" reject; done
for i in $(seq 1 12); do event "bad-$i" test.made "s$i"; done | emit
weir_start a
wait_caught_up
weir_stop a
equal 'dead letters' kept12 "$(letters)"

says 2 dlq drop --note why --yes
has err 'say which ones to drop, or --all'
says 2 dlq drop --state kept --limit 3 --note why --yes
has err '--all'
says 2 dlq drop --all --yes
has err '--note'
says 2 dlq drop --all --worker audit --note why --yes
says 2 dlq drop --all --note why </dev/null
has err 'nobody is there to be asked'
says 2 dlq drop --id 1 --state applied --note why --yes
equal 'nothing was touched' kept12 "$(letters 'marked_at is null')"
dlq drop --all --dry-run >out
has out '12 would be dropped'

# on a terminal: no, then yes
answer() { # ANSWER OPTION..
        python3 - "$@" <<'PY'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(os.environ["WEIR"], ["weir", "dlq", "drop", "-c", os.environ["CONFIG"], *sys.argv[2:]])
seen = b""
sent = False
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if not sent and b"[y/N]" in seen:
        os.write(fd, sys.argv[1].encode() + b"\n")
        sent = True
sys.stdout.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}
export CONFIG=$config
says 1 answer n --id 1-3 --note why
has out 'nothing was dropped'
equal 'nothing was touched' kept12 "$(letters)"
says 0 answer y --id 1-3 --note 'test data'
has out 'the gate rejects'
has out '3 dropped'
equal 'after yes' 'dropped3 kept9' "$(letters)"
equal 'why and who' 3 "$(rows "weir.dead_letter where state = 'dropped' and note = 'test data' and marked_by like '%@%' and marked_at is not null and id <= 3 and value is not null")"
says 0 dlq drop --reason 'rejects bad-7' --note 'this one' --yes --json
equal 'as JSON' '1 0' "$(jq -r '"\(.dropped) \(.left)"' out)"
says 0 dlq drop --all --limit 2 --note 'two of them' --yes
equal 'with a limit' 'dropped6 kept6' "$(letters)"

# somebody takes one of the six while they are dropped, and another one dies: that one was in nobody's plan
coproc other { exec psql -XqAt -v ON_ERROR_STOP=1 "$url"; }
echo "begin; update weir.dead_letter set state = 'dropped' where id = 12; select 'taken';" >&"${other[1]}"
read -r -t 20 answer <&"${other[0]}"
equal answer taken "$answer"
dlq drop --all --note 'the rest' --yes >rest.txt 2>&1 &
rest=$!
waits() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'weir dlq' and wait_event_type = 'Lock'")" = 1 ]; }
within 20s waits || fail 'the drop does not wait for the other one'
columns=$(sql "select string_agg(quote_ident(column_name), ', ') from information_schema.columns where table_schema = 'weir' and table_name = 'dead_letter' and column_name <> 'id'")
sql "insert into weir.dead_letter ($columns) select $columns from weir.dead_letter where id = 12"
echo 'commit;' >&"${other[1]}"
wait "$rest" || fail "$(cat rest.txt)"
grep -q '^5 dropped$' rest.txt || fail "$(cat rest.txt)"
grep -q '1 were taken by somebody else meanwhile' rest.txt || fail "$(cat rest.txt)"
equal 'what died meanwhile' 'dropped12 kept1' "$(letters)"
says 0 dlq drop --all --note 'the rest' --yes
has out '1 dropped'
says 0 dlq drop --all --note 'the rest' --yes
has out '0 dropped'
equal 'nothing was deleted' dropped13 "$(letters)"
equal 'still to be seen' 13 "$(dlq list --state dropped --json | jq length)"
