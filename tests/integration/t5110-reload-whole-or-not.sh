#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5110 - a reload of two workers in three processes is in force everywhere or nowhere: one that refuses, dies or is dead
#         meanwhile leaves all as it was, also who is started afterwards; what needs a restart stays, for those started again too;
#         what was refused on the disk is nobody's plugin; who is told to leave has not died;
#         the relay is renewed only where it has to be, and systemd hears READY when the last handler has returned
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

storm=${STORM:-20} # of 300 in the nightly runs
mkdir plugins
cp -R "$WEIR_TEST_PLUGINS"/hostile* plugins/
cp -R "$(dirname "$WEIR")"/plugins/audit* plugins/
new_topic 2
busy=$topic busy_group=$group
new_topic 1
# a batch is as large as max_events lets it be, so the trail tells what it was
prepare 4 name=one 'more=processes = 2; static_membership = true;' 'batch=max_events = 5; linger = "0ms";' "second=, {
  name = \"two\"; plugin = \"hostile\"; group = \"$busy_group\"; topics = [ \"$busy\" ]; start = \"earliest\";
  static_membership = true; batch = { max_events = 5; linger = \"0ms\"; };
  options = { calls = \"$TEST_DIR/calls\"; sleep_ms = 2500; }; }"
sed -i "s|plugin_path = .*|plugin_path = [ \"$(literal "$TEST_DIR")/plugins\" ];|" weir.cfg
cat >>weir.cfg <<'TXT'
log = { level = "debug"; };
crash = { attempts = 2; };
restart = { first_delay = "10ms"; max_delay = "50ms"; };
TXT
password() { # of a role of this test's own; who is connected stays so
        printf '%s' "$1" >secret
        chmod 600 secret
        sql "alter role reloader login superuser password '$1'"
}
sql 'create role reloader'
password one
sed -i 's|//weir@|//reloader@|; s|password_file = "password"|password_file = "secret"|' weir.cfg
cp weir.cfg good.cfg
cp weir.cfg produce.cfg
config=$TEST_DIR/produce.cfg
slow 1
next=1 records=5

write() { # [SED]: weir.cfg as it is good, changed so; in one piece, as an editor would
        sed -e "s/max_events = 5;/max_events = $records;/" "$@" good.cfg >new.cfg
        mv new.cfg weir.cfg
}
count() { grep -cE "$1" a.log || true; }
since() { tail -n +$((lines + 1)) a.log | grep -E "$1" || true; }
mark() { lines=$(wc -l <a.log); }
told() { [ -n "$(since "$1")" ]; }
hup() { # EVENT: it ends so
        mark
        kill -HUP "${pid[a]}"
        within 20s told "event=$1" || fail "SIGHUP does not end in $1: $(since reload | tail -n 5)"
}
process() { # WORKER:INDEX, or :0 for the relay; the words of a process that has read them stand apart
        local child
        for child in $(children "${pid[a]}"); do
                ! tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q -- "--as ${1/:/[ :]} " || echo "$child"
        done
}
relay() { process :0; }
again() { # WORKER:INDEX PID: another process is there, and works
        local now
        now=$(process "$1")
        [ -n "$now" ] && [ "$now" != "$2" ]
}
end() { # WORKER:INDEX: SIGKILL, and it comes back
        local was
        was=$(process "$1")
        kill -KILL "$was"
        within 20s again "$1" "$was" || fail "$1 does not come back"
}
largest_is() { # RECORDS: in whatever was written from here on, by all of the processes
        local from
        from=$(sql 'select coalesce(max(id), 0) from weir.batch')
        produce 300 "$next"
        next=$((next + 300))
        wait_caught_up
        equal 'the largest batch' "$1" "$(sql "select max(records) from weir.batch where id > $from")"
}
in_two() { # ID TYPE: an event of the worker two
        event "$1" "$2" | "$WEIR" emit -c "$config" --topic "$busy" --key-from subject >>emit.log 2>&1
}

# ---- who listens, as systemd does -------------------------------------------------------------------------------------

python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
open("listens", "w").close()
while True:
    print(s.recv(4096).decode().split("\n")[0], flush=True)
' >notify.log &
within 10s test -e listens
heard() { grep -c "^$1" notify.log || true; }
ready() { [ "$(heard READY=1)" -ge "$1" ]; }
export NOTIFY_SOCKET=$TEST_DIR/notify
config=weir.cfg weir_start a
unset NOTIFY_SOCKET
within 40s ready 1
largest_is 5

# ---- one of two workers refuses -----------------------------------------------------------------------------------------

write -e 's/max_events = 5;/max_events = 999;/' -e 's/sleep_ms/refuse = true; sleep_ms/'
echo 'handler = { deadline = "1s"; };' >>weir.cfg
hup reload.refused
since 'event=reload.refused' | grep -qE 'error="[^"]*weir.cfg:1[0-9]: .*told to refuse" worker=two ' || fail "$(since reload.refused)"
in_two sleeps hostile.sleep # longer than that file allows
largest_is 5
end one:0
largest_is 5
stays() { [ "$(rows hostile.event)" = 1 ]; }
within 20s stays
equal 'handlers that were too slow' 0 "$(count event=handler.stuck)"
equal 'times READY was told' 2 "$(heard READY=1)"

# ---- what needs a restart: for who is started again too -------------------------------------------------------------------

records=7
write -e "s/group = \"$group\"/group = \"other\"/" -e 's|url = "postgresql:[^"]*"|url = "postgresql://127.0.0.1:1/nothing"|' \
        -e 's/name = "two"; plugin = "hostile"/name = "gone"; plugin = "no-such-plugin"/' -e 's/processes = 2;/processes = 5;/'
hup reload.done
for key in 'workers.group of=one' 'workers.processes of=one' store.url 'workers of=two' 'workers of=gone'; do
        equal "times that $key is named" 1 "$(since "event=reload.needs_restart key=$key" | wc -l)"
done
since event=reload.done | grep -q ' relay=kept' || fail "$(since reload)"
largest_is 7
password two # who is started from now on reads it
end one:1
end two:0
largest_is 7
in_two crashes hostile.segfault # who writes down why needs the store, and its password
died() { [ "$(sql "select class from weir.dead_letter where event_id = 'crashes'")" = crash ]; }
within 30s died || fail 'the death is not written down'
equal 'commits in the group that waits for a restart' '' "$(kafkactl ledger other)"

# ---- dead between its answer and the decision --------------------------------------------------------------------------------

write -e 's/max_events = [0-9]*;/max_events = 999;/'
mark
held=$(process two:0)
was=$(process one:0)
kill -STOP "$held"
kill -HUP "${pid[a]}"
prepared() { [ "$(since event=reload.prepared | wc -l)" = 2 ]; }
within 20s prepared || fail "$(since reload)"
equal 'in force by now' '' "$(since 'event=(worker.reloaded|reload.done)')"
kill -KILL "$was"
within 20s told event=reload.refused
since event=reload.refused | grep -q 'error="died .*" worker=one/0 ' || fail "$(since reload.refused)"
kill -CONT "$held"
within 20s again one:0 "$was"
largest_is 7
equal 'takeovers' '' "$(since event=worker.reloaded)"

# ---- dead of it -----------------------------------------------------------------------------------------------------------

was=$(process two:0)
write -e 's/max_events = [0-9]*;/max_events = 999;/' -e 's/sleep_ms/die = true; sleep_ms/'
hup reload.refused
since event=reload.refused | grep -q 'error="died .*" worker=two ' || fail "$(since reload.refused)"
within 20s again two:0 "$was"
largest_is 7

# ---- what was refused lies on the disk, and is nobody's ---------------------------------------------------------------------

for digit in 1 2 8 9; do LC_ALL=C sed "s/hostile-1/hostile-$digit/" plugins/hostile.so >"hostile-$digit"; done
put() { # FILE: as the plugin of two
        cp "$1" plugins/new.so
        chmod 755 plugins/new.so
        mv plugins/new.so plugins/hostile.so
}
started_as() { since 'event=worker.started worker=two ' | grep -q "version=hostile-$1 "; }
restart_is() { # DIGIT: of two, when it has to be started again
        mark
        end two:0
        within 20s started_as "$1" || fail "two is started as $(since 'event=worker.started')"
}
records=7
write
hup reload.done
put hostile-2
restart_is 1 # nobody has asked for it
for file in plugins/audit.so hostile-8 hostile-9; do
        put "$file"
        hup reload.refused
        [ "$file" = plugins/audit.so ] || within 20s started_as 1 # who has died of it
        restart_is 1
done
equal 'workers that were given up' 0 "$(count event=worker.failed)"
put hostile-2
write -e "\$a nonsense ="
hup reload.refused
restart_is 1
write # and what two tries is another one than what the supervisor has read
mark
held=$(process two:0)
kill -STOP "$held"
kill -HUP "${pid[a]}"
within 20s prepared || fail "$(since reload)"
put hostile-8
kill -CONT "$held"
within 20s told 'event=reload.refused error="[^"]*was replaced while it was tried' || fail "$(since reload)"
restart_is 1
put hostile-2
hup reload.done
restart_is 2
rm plugins/hostile.so
restart_is 2
put hostile-2
largest_is 7

# ---- told to leave, by somebody else ---------------------------------------------------------------------------------------

mark
for ((i = 0; i < 3; i++)); do
        was=$(process one:0)
        kill -TERM "$was"
        within 20s again one:0 "$was" || fail 'one:0 does not come back'
done
left() { [ "$(since 'event=process.left worker=one/0 ' | wc -l)" = 3 ]; }
within 20s left
equal 'deaths' '' "$(since event=process.died)"

# ---- the relay, and the end as systemd hears it ---------------------------------------------------------------------------------

was=$(relay)
records=11
write
in_two sleeps-too hostile.sleep
asleep() { grep -q sleeps-too calls; }
within 20s asleep
before=$(heard READY=1)
mark
kill -HUP "${pid[a]}"
within 20s ready $((before + 1))
told 'event=worker.reloaded worker=two ' || fail 'READY before the last worker has gone over'
within 20s told 'event=reload.done .*relay=kept'
equal 'the relay' "$was" "$(relay)"
hup reload.done
equal 'the relay, and nothing has changed' "$was" "$(relay)"
sed -i 's|^sinks = ( *)|sinks = ( { name = "lines"; file = "'"$(literal "$TEST_DIR")"'/lines"; } )|' good.cfg
write
hup 'reload.done .*relay=renewed'
within 20s again :0 "$was"

# ---- and many -------------------------------------------------------------------------------------------------------------

deaths=$(count event=process.died)
(produce 2000 "$next") &
for ((i = 0; i < storm; i++)); do
        records=$((12 + i % 5))
        case $((i % 4)) in
        3) write -e "\$a nonsense =" ;;
        2) write -e 's/sleep_ms/refuse = true; sleep_ms/' ;;
        *) write ;;
        esac
        kill -HUP "${pid[a]}"
        read -rt 0.05 <> <(:) || true
done
records=23
write
kill -HUP "${pid[a]}"
wait $!
next=$((next + 2000))
rounds() { # all that were begun are over
        [ "$(count event=reload.asked)" = "$(count 'event=reload.(done|refused)')" ]
}
within 30s rounds
hup reload.done
largest_is 23
equal 'deaths in the storm' "$deaths" "$(count event=process.died)"
check_exactly_once
weir_stop a
equal 'exit status' 0 "$status"
