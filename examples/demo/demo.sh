#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demo [real] - 20,000 events, 1,000 of them duplicates; the worker is killed twice in the middle of the work
#
# Without "real" the broker is the one inside `weir dev`, so nothing but a C toolchain and PostgreSQL is needed;
# with it, Apache Kafka. The events are made by rule (ids e-1 to e-19000), so that a query alone can tell what
# should be there. A kill counts only if it came in the middle: after the first commit, before the last.
# KEEP=1 leaves the servers up at the end, until Ctrl-C, for looking around.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
# shellcheck source=tests/support/common.sh
. tests/support/common.sh
B=$(directory "${B:-build}")
export B WEIR_MIGRATIONS=$root/migrations
unset WEIR_CONFIG
weir=$B/weir
work=$B/demo
broker=${1:-}
total=20000 distinct=19000
dev='' worker=''

mkdir -p "$B"
exec 7>"$B/demo.lock"
flock -n 7 || die "another demo runs in $B"
rm -rf "$work"
mkdir "$work"

# The supervisor and its processes at once, as when a machine goes down.
kill_worker() {
        # shellcheck disable=SC2046 # several
        kill -KILL "$worker" $(cat "/proc/$worker/task/$worker/children" 2>/dev/null)
}
finish() {
        local code=$?
        trap '' INT TERM HUP
        [ -z "$worker" ] || kill_worker 2>/dev/null || true
        if [ -n "$dev" ]; then
                kill -TERM "$dev" 2>/dev/null || true
                wait "$dev" 2>/dev/null || true
        fi
        if [ "$broker" = real ]; then
                tests/support/kafka.sh kill "$work/kafka" || true
                tests/support/pg.sh stop "$work/pg" immediate || true
        fi
        if [ "$code" != 0 ] && [ "$code" != 130 ]; then
                for log in "$work"/*.log; do
                        [ -s "$log" ] || continue
                        printf -- '--- the end of %s\n' "${log##*/}" >&2
                        tail -n 15 "$log" >&2
                done
        fi
        rm -rf "$work" "$B/demo.lock"
        exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# Ctrl-C goes to every process of the terminal's group: the servers stay out of it, or those that still talk to
# them would wait for an answer. Should this script be killed, the kernel tells them.
apart=(setsid)
! setpriv --pdeathsig TERM true 2>/dev/null || apart=(setpriv --pdeathsig TERM setsid)

began=$(date +%s%N)
say() { printf '%6.1f s  %s\n' "$(awk -v a="$began" -v b="$(date +%s%N)" 'BEGIN { print (b - a) / 1e9 }')" "$*"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$url" -c "$1"; }

start_servers() {
        if [ "$broker" = real ]; then
                address=$(tests/support/kafka.sh start "$work/kafka")
                "$B/kafkactl" "$address" create audit 4
                url=$(tests/support/pg.sh start "$work/pg")
                password=$work/pg/password
                say "Apache Kafka at $address, PostgreSQL at ${url%%\?*}"
        else
                "${apart[@]}" "$weir" dev --dir "$work/dev" --topics audit --partitions 4 --ready-file "$work/ready" >"$work/dev.log" 2>&1 7>&- &
                dev=$!
                within 60s ready
                alive "$dev" || die 'weir dev ended at once'
                address=$(sed -n 's/^brokers=//p' "$work/ready")
                url=$(sed -n 's/^url=//p' "$work/ready")
                password=$work/dev/password
                say "weir dev: development broker at $address, PostgreSQL at ${url%%\?*}"
        fi
        # a path may hold what sed, or a string of the configuration, takes for its own: so the file comes to the file
        cp -p "$password" "$work/password"
        sed -e "s|^  brokers = .*|  brokers = \"$address\";|" -e "s|^  url = .*|  url = \"${url%%\?*}\";|" \
                -e 's|^  password_file = .*|  password_file = "password";|' config/demo.cfg >"$work/weir.cfg"
}
ready() { [ -e "$work/ready" ] || gone "$dev"; }

# Every 20th event repeats an earlier one: at once (the same batch), later (another batch), or under another
# subject, which is the key (another partition).
events() {
        awk -v total=$total 'BEGIN {
                for (i = 1; i <= total; i++) {
                        if (i % 20 == 0) {
                                kind = (i / 20) % 3
                                id = kind == 0 ? made : 1 + int(made / 2)
                                subject = id % 97 + (kind == 2 ? 1 : 0)
                        } else {
                                id = ++made
                                subject = id % 97
                        }
                        printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/demo\",\"type\":\"demo.counted\"," \
                               "\"subject\":\"s%d\",\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d}}\n", id, subject, id
                }
        }'
}

start_worker() {
        "${apart[@]}" "$weir" run -c "$work/weir.cfg" >>"$work/worker.log" 2>&1 7>&- &
        worker=$!
}

# Waits inside PostgreSQL, so that the kill comes within milliseconds of the condition.
wait_applied() {
        sql "DO \$\$ BEGIN
                FOR i IN 1..6000 LOOP
                        EXIT WHEN (SELECT coalesce(sum(next_offset), 0) FROM weir.position) >= $1;
                        PERFORM pg_sleep(0.005);
                END LOOP;
        END \$\$"
}
at_end() { [ "$(sql 'SELECT coalesce(sum(next_offset), 0) FROM weir.position')" = "$total" ]; }

kill_in_the_middle() { # EVENTS: once so many offsets are passed
        local passed
        start_worker
        say "worker $worker started"
        wait_applied "$1"
        kill_worker
        wait "$worker" 2>/dev/null || true
        worker=
        passed=$(sql 'SELECT coalesce(sum(next_offset), 0) FROM weir.position')
        say "SIGKILL after $passed of $total records, $(sql 'SELECT count(*) FROM audit.event') events applied"
        if [ "$passed" -lt "$1" ] || [ "$passed" -ge $total ]; then
                die "that was not in the middle of the work: the kill proves nothing"
        fi
}

start_servers
"$weir" migrate up -c "$work/weir.cfg" >"$work/migrate.log" 2>&1
say 'schema migrated'
events | "$weir" emit -c "$work/weir.cfg" --topic audit --key-from subject >"$work/emit.log" 2>&1
say "$total CloudEvents produced, $((total - distinct)) of them duplicates"
kill_in_the_middle 4000
kill_in_the_middle 11000
start_worker
say "worker $worker started"
within 60s at_end || die "the worker does not reach the end of the log"
say 'every partition is at the end of its log'
kill -TERM "$worker"
wait "$worker" || die "the worker did not stop in order (exit $?)"
worker=
say 'worker stopped in order (SIGTERM)'

printf '\n'
grep -v '^--' examples/demo/check.sql
printf '\n'
psql -Xq -v ON_ERROR_STOP=1 "$url" -f examples/demo/check.sql
result=$(psql -XqAt -F ' ' -v ON_ERROR_STOP=1 "$url" -f examples/demo/check.sql)
if [ "$result" != "$total $distinct $distinct $((total - distinct)) 0 0" ]; then
        say "WRONG: wanted $total $distinct $distinct $((total - distinct)) 0 0"
        exit 1
fi
say "exactly once: nothing lost, nothing doubled, two SIGKILLs (the query is in examples/demo/check.sql)"
if [ -n "${KEEP:-}" ]; then
        printf '\nThe servers stay until Ctrl-C. Try:\n  psql "%s" -f examples/demo/check.sql\n  %s tail -c %s audit --from earliest --count 3\n' \
                "$url" "${weir#"$root"/}" "${work#"$root"/}/weir.cfg"
        within 86400s false || true
fi
