#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8207 - a requeue keeps its rate, shows how far it is, ends after a chunk at Ctrl-C and goes on where it ended
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1 plugin=probe
insert() {
        sql "insert into weir.dead_letter (position, worker, topic, partition, \"offset\", header_names, header_values, class, reason,
                text, attempts, plugin_version, first_failed_at) select 1, 'audit', '$topic', 0, i, '{}', '{}', 'reject', 'handler', 'words',
                1, '1', now() from generate_series(1, $1) i"
}
insert 5000
marked() { rows "weir.dead_letter where state = 'requeue'"; }
marked_at_least() { [ "$(marked)" -ge "$1" ]; }

"$WEIR" dlq requeue -c "$config" --rate 500 >out 2>err &
requeue=$!
within 20s marked_at_least 300
kill -INT "$requeue"
status=0
wait "$requeue" || status=$?
equal 'exit status' 1 "$status"
done_so_far=$(marked)
[ "$done_so_far" -lt 5000 ] || fail 'it was over before it was interrupted'
has out "$done_so_far requeued"
has err "interrupted: $((5000 - done_so_far)) are left; the same command goes on"

# the rate, by the marks that the database wrote: 500 a second, in slices of a fifth of a second
span=$(sql "select extract(epoch from max(marked_at) - min(marked_at)) from weir.dead_letter where state = 'requeue'")
awk -v n="$done_so_far" -v s="$span" 'BEGIN { exit !(n <= 500 * s + 200) }' || fail "$done_so_far in $span s is more than 500 a second"

says 0 dlq requeue
has out "$((5000 - done_so_far)) requeued"
equal 'all of them, once' 5000 "$(rows "weir.dead_letter where state = 'requeue' and round = 2")"

# on a terminal: how far, how fast, how long still
sql "update weir.dead_letter set state = 'kept', round = 1"
export CONFIG=$config
python3 - >terminal.txt <<'PY'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(os.environ["WEIR"], ["weir", "dlq", "requeue", "-c", os.environ["CONFIG"], "--rate", "4000"])
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.write(data.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
grep -aqE '[0-9]+ of 5000 requeued \([0-9]+ %\), [0-9]+/s, [0-9]+ s left' terminal.txt || fail "no progress: $(cat -v terminal.txt)"
has terminal.txt '5000 requeued'

# waiting for a worker that is not there is ended by Ctrl-C too, and says what is still to come
sql "update weir.dead_letter set state = 'kept', round = 1; delete from weir.dead_letter where id > 10"
"$WEIR" dlq requeue -c "$config" --wait >out 2>err &
requeue=$!
within 20s marked_at_least 10
waiting() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'weir dlq' and query like '%marked_by = %'")" = 1 ]; }
within 20s waiting
kill -INT "$requeue"
status=0
wait "$requeue" || status=$?
equal 'exit status' 1 "$status"
has out 'requeue 10'
has err 'will be run all the same'
