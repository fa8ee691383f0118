#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5107 - the first signal drains, the second hurries, the third ends at once: while handlers are busy, an event waits to be
#         tried again, PostgreSQL is frozen, the broker is gone, nothing has begun, a death is being written down, and from a terminal; the
#         exit status is as documented, and nothing is lost or doubled
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

frozen=
freeze() {
        local server
        server=$(cat "$PG_DIR/pid")
        # shellcheck disable=SC2046 # several
        kill -STOP "$server" $(children "$server")
        frozen=$server
}
thaw() {
        # shellcheck disable=SC2046 # several
        [ -z "$frozen" ] || kill -CONT $(children "$frozen") "$frozen"
        frozen=
}
trap 'thaw; lib_finish' EXIT

# PROCESSES: so many have logged the event since the last start
all_said() { [ "$(grep -c "event=$2" a.log)" -ge "$1" ]; }
declare -a events=(stop.asked stop.hurried stop.forced)

# WHAT MS STATUS SIGNAL..: each is sent when supervisor and worker know the one before; MS from the last one to the end
stops() {
        local what=$1 limit=$2 wanted=$3 began took family i=0 name process
        shift 3
        family=$(children "${pid[a]}")
        for name; do
                [ $i = 0 ] || within 5s all_said 2 "${events[i - 1]}" || fail "$what: ${events[i - 1]} does not reach the worker"
                began=$(date +%s%3N)
                kill -"$name" "${pid[a]}"
                i=$((i + 1))
        done
        status=0
        wait "${pid[a]}" || status=$?
        took=$(($(date +%s%3N) - began))
        unset 'pid[a]'
        echo "$what: $* $took ms, status $status"
        equal "$what: exit status" "$wanted" "$status"
        [ "$took" -le $((limit * ${TIMEOUT_FACTOR:-1})) ] || fail "$what: took $took ms"
        for process in $family; do within 2s gone "$process" || fail "$what: process $process is left"; done
        mv a.log "a-$((++stopped)).log"
}
stopped=0

in_handler="select count(*) >= 2 from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"
sleeps() { [ "$(sql "$in_handler")" = t ]; }
start_and_sleep() {
        config=sleep.cfg weir_start a
        within 30s sleeps || fail 'no handler runs'
}
start_and_work() {
        local before
        before=$(rows probe.event)
        config=work.cfg weir_start a
        within 30s rows_at_least $((before + 30)) probe.event
}

prepare 2 file=work.cfg member=one plugin=probe name=probe 'batch=max_events = 5; linger = "0ms";'
configure file=sleep.cfg member=one plugin=probe name=probe "options=slow_us = 600000000;"
configure file=retry.cfg member=one plugin=probe name=probe "options=gate = true;" \
        'retry=first_delay = "500s"; max_delay = "500s"; attempts = 9;'
for file in work sleep retry; do echo 'stop = { deadline = "60s"; drain = "50s"; };' >>$file.cfg; done

# ---- nothing runs yet -------------------------------------------------------------------------------------------------------

# Told before its first instruction (nothing may be started then), as soon as it can hear, and at ever later moments: a stop each time. And
# it hears before it does anything: its first child is the one that tries the file.
python3 - "$WEIR" work.cfg <<'PY' || fail 'a stop during the start is no stop'
import os, signal, subprocess, sys, time
def waits(): # from before the program
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)
def hears(pid):
    status = dict(line.split(":", 1) for line in open("/proc/%d/status" % pid))
    return status["Name"].strip() == "weir" and int(status["SigBlk"], 16) >> (signal.SIGTERM - 1) & 1
def children(pid):
    return open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
def works(pid): # a worker's process, once it is one; what tries the file ends as it is. A supervisor that waits for signals shows none as blocked.
    try:
        while b"--as" not in open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0"):
            if open("/proc/%s/stat" % pid).read().rsplit(") ")[-1][0] == "Z":
                return False
        return True
    except (FileNotFoundError, ProcessLookupError):
        return False
for phase in range(-1, 12):
    with open("early.log", "w") as log:
        weir = subprocess.Popen([sys.argv[1], "run", "-c", sys.argv[2]], stderr=log, preexec_fn=waits if phase < 0 else None)
        while phase >= 0 and weir.poll() is None:
            busy = children(weir.pid)
            if hears(weir.pid):
                break
            if busy and works(busy[0]):
                break
            if busy:
                sys.exit("it does something, and could be ended in the middle of it")
        time.sleep(max(phase, 0) * 0.01)
        if phase >= 0:
            weir.send_signal(signal.SIGINT if phase % 2 else signal.SIGTERM)
        weir.wait(60)
    said = open("early.log").read()
    if weir.returncode or "event=stopped clean=yes" not in said or (phase < 0 and "sandbox.applied" in said):
        sys.exit("phase %d: status %d: %s" % (phase, weir.returncode, said))
PY
config=work.cfg
slow 3
produce 4000

# ---- handlers are busy ------------------------------------------------------------------------------------------------------

start_and_sleep
stops 'in a handler' 2000 0 TERM INT
start_and_sleep
stops 'in a handler' 500 1 INT TERM TERM
equal 'rows of handlers that were left' 0 "$(rows probe.event)"

# ---- an event waits for its next try: nothing to finish -------------------------------------------------------------------

for id in $(sql "select 'e-' || i from generate_series(1, 40) i"); do gate "$id"; done
config=retry.cfg weir_start a
waits() { [ "$(sql 'select count(*) from weir.attempt')" -ge 2 ]; }
within 30s waits
stops 'in a wait' 2000 0 INT
gate_open
sql 'delete from weir.attempt'

# ---- PostgreSQL does not answer ----------------------------------------------------------------------------------------

start_and_work
freeze
stops 'PostgreSQL frozen' 2000 0 TERM TERM
thaw
start_and_work
freeze
stops 'PostgreSQL frozen' 500 1 INT INT INT
thaw

# ---- the broker is gone --------------------------------------------------------------------------------------------------

start_and_work
"$SUPPORT/kafka.sh" kill "$KAFKA_DIR"
within 10s logged a 'event=kafka.error'
stops 'without the broker' 2000 0 TERM TERM
"$SUPPORT/kafka.sh" start "$KAFKA_DIR" >/dev/null

# ---- a death cannot be written down: the stop does not wait for the next try ----------------------------------------------

sed -i 's/^stop = .*/stop = { deadline = "1s"; drain = "500ms"; };/' sleep.cfg
start_and_sleep
"$SUPPORT/pg.sh" stop "$PG_DIR" immediate
victim=$(worker_of a probe)
before=$(grep -c 'event=process.started' a.log || true)
kill -ABRT "$victim"
within 30s gone "$victim" || fail 'it does not die'
within 30s logged a 'event=event.not_blamed' || fail 'nobody tries to write the death down'
equal 'starts before it is written down' "$before" "$(grep -c 'event=process.started' a.log || true)"
stops 'a death unwritten' 3000 0 TERM
has "a-$stopped.log" 'event=stopped clean=no'
"$SUPPORT/pg.sh" start "$PG_DIR" >/dev/null

# ---- Ctrl-C: the terminal signals the whole foreground group, and each process is told once ----------------------------------

# CONFIG TIMES: prints exit status and milliseconds from the last Ctrl-C
terminal() {
        python3 - "$WEIR" "$1" "$2" a.log "$url" "$in_handler" <<'PY'
import os, pty, re, subprocess, sys, time
weir, config, times, log, url, in_handler = sys.argv[1:7]
def events(name):
    try:
        return len(re.findall("event=" + name, open(log).read()))
    except OSError:
        return 0
def wait_for(condition, what):
    end = time.monotonic() + 30 * int(os.environ.get("TIMEOUT_FACTOR", "1"))
    while not condition():
        if time.monotonic() > end:
            sys.exit("no " + what)
        time.sleep(0.02)
def busy():
    if config != "sleep.cfg":
        return events("lane.runs") >= 2 and events("relay.started")
    return subprocess.run(["psql", "-XqAt", url, "-c", in_handler], capture_output=True, text=True).stdout == "t\n"
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    os.execv(weir, [weir, "run", "-c", config])
wait_for(busy, "work")
for count, name in enumerate(["", "stop.asked", "stop.hurried"][: int(times)]):
    if name:
        wait_for(lambda: events(name) >= 2, name)
    began = time.monotonic()
    os.write(terminal, b"\x03")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, int((time.monotonic() - began) * 1000))
PY
}
typed() { # WHAT CONFIG TIMES MS STATUS
        local got
        got=$(terminal "$2" "$3")
        echo "$1: $3 Ctrl-C: status and ms: $got"
        equal "$1: exit status" "$5" "${got% *}"
        [ "${got#* }" -le $(($4 * ${TIMEOUT_FACTOR:-1})) ] || fail "$1: took ${got#* } ms"
}
sed -i 's/^stop = .*/stop = { deadline = "60s"; drain = "50s"; };/' sleep.cfg
typed 'at work' work.cfg 1 2000 0
equal 'processes that were told: supervisor, worker, relay' 3 "$(grep -c event=stop.asked a.log)"
hasnt a.log 'event=stop.hurried'
mv a.log typed-1.log
typed 'in a handler' sleep.cfg 2 2000 0
mv a.log typed-2.log
typed 'in a handler' sleep.cfg 3 500 1
mv a.log typed-3.log

sql 'drop trigger slow on weir.batch'
config=work.cfg
weir_start a
check_exactly_once probe.event
weir_stop a
equal 'exit status' 0 "$status"
