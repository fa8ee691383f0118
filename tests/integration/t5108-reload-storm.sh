#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5108 - a storm of SIGHUPs under load, most of them with something wrong: no rebalance, nothing lost, doubled or handed
#         over twice; each refusal says why and changes nothing; in force is the last good file, and nothing grows
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

storm=${STORM:-15} # of 200 in the nightly runs; REPORT=FILE gets the figures
mkdir plugins
cp -R "$WEIR_TEST_PLUGINS"/hostile* plugins/
cp -R "$(dirname "$WEIR")"/plugins/audit* plugins/
# cores: else only root may look at the descriptors of a worker
prepare 2 member=one plugin=hostile name=storm "options=calls = \"$TEST_DIR/calls\";" 'batch=max_events = 5; linger = "0ms";'
sed -i "s|plugin_path = .*|plugin_path = [ \"$(literal "$TEST_DIR")/plugins\" ];|" weir.cfg
echo 'crash = { core = true; }; restart = { first_delay = "10ms"; max_delay = "50ms"; limit = 4; };' >>weir.cfg
for digit in 1 2; do LC_ALL=C sed "s/hostile-1/hostile-$digit/" plugins/hostile.so >"hostile-$digit"; done
cp weir.cfg good.cfg
cp weir.cfg produce.cfg
slow 1
records=5 version=1 # of the last good file

write() { # [SED]: weir.cfg as it is good, changed so; in one piece, as an editor would
        sed -e "s/max_events = 5;/max_events = $records;/" "$@" good.cfg >new.cfg
        mv new.cfg weir.cfg
}
plugin() { # FILE: it is hostile.so from now on
        cp "$1" plugins/new.so
        chmod 755 plugins/new.so
        mv plugins/new.so plugins/hostile.so
}
count() { grep -c "$1" a.log || true; }
hup() { # EVENT: wait until so many more of it are in the log
        local before
        before=$(count "event=$1")
        kill -HUP "${pid[a]}"
        more() { [ "$(count "event=$1")" -gt "$before" ]; }
        within 20s more "$1" || fail "SIGHUP $i does not end in $1"
}
taken() { # and nothing was refused
        local refused
        refused=$(count event=reload.refused)
        hup worker.reloaded
        equal "refusals of SIGHUP $i" "$refused" "$(count event=reload.refused)"
        grep event=worker.reloaded a.log | tail -n 1 | grep -q "version=hostile-$version " || fail "SIGHUP $i: not version $version"
}
refused() { # TEXT: it says why, and nothing was taken over
        local reloaded
        reloaded=$(count event=worker.reloaded)
        hup reload.refused
        equal "takeovers of SIGHUP $i" "$reloaded" "$(count event=worker.reloaded)"
        tail -n +$((lines + 1)) a.log | grep -qE -- "$1" || fail "SIGHUP $i is refused, but not because of $1"
}
worker() { children "${pid[a]}" | tr ' ' '\n' | head -n 1; }
rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }
copies() { awk '/plugins\/hostile/ { print $5 }' "/proc/$1/maps" | sort -u | wc -l; }
one_copy() { [ "$(copies "$(worker)")" = 1 ]; }
state() { # of supervisor and worker: KiB, descriptors
        local process
        within 10s one_copy || fail "$(copies "$(worker)") copies of the plugin"
        for process in "${pid[a]}" "$(worker)"; do
                echo "$(rss "$process") $(find "/proc/$process/fd" -mindepth 1 | wc -l)"
        done | xargs
}
generation() { kafkactl ledger "$group" | awk '$1 == "generation" { n = $2 } END { print n + 0 }'; }

one() { # the i-th SIGHUP
        local grows='s/max_events = [0-9]*;/max_events = 999;/' # the trail would show that a refused file was taken over
        lines=$(wc -l <a.log)
        case $((i % 11)) in
        0)
                records=$((2 + i % 7))
                write
                taken
                ;;
        1)
                write -e "$grows" -e "\$a nonsense ="
                refused 'weir.cfg:[0-9]+: syntax'
                ;;
        2)
                write -e "$grows" -e "\$a nonsense = 1;"
                refused 'weir.cfg:[0-9]+: nonsense: '
                ;;
        3)
                rm weir.cfg
                refused 'weir.cfg: .*No such file'
                ;;
        4)
                write -e 's/group = "[^"]*"/group = "other"/' -e 's/^store = {/& connections = 3;/'
                taken
                for key in 'workers.group of=storm' store.connections; do
                        tail -n +$((lines + 1)) a.log | grep -qF "event=reload.needs_restart key=$key" || fail "$key is not named"
                done
                ;;
        5)
                version=$((3 - version))
                plugin "hostile-$version"
                write
                taken
                ! tail -n +$((lines + 1)) a.log | grep -q needs_restart || fail 'what was taken back is named as a change'
                ;;
        6)
                plugin "hostile-$((3 - version))"
                write -e "$grows" -e 's/options = {/& refuse = true;/'
                refused 'reload.refused error="[^"]*weir.cfg:[0-9]+: .*told to refuse'
                plugin "hostile-$version"
                ;;
        7)
                echo 'not a plugin' >not-a-plugin
                plugin not-a-plugin
                write -e "$grows"
                refused 'reload.refused error="[^"]*weir.cfg:[0-9]+: worker storm: .*hostile.so: cannot be loaded'
                ;;
        8)
                plugin plugins/audit.so
                write -e "$grows"
                refused "reload.refused error=\"[^\"]*weir.cfg:[0-9]+: worker storm: .*'audit' now, 'hostile' runs"
                plugin "hostile-$version"
                ;;
        9) # the second is told while the first is on its way
                write -e 's/max_events = [0-9]*;/max_events = 11;/'
                hup reload.asked
                records=12
                write
                hup reload.asked
                within 20s in_force || fail "SIGHUP $i, right behind another one, does not come into force"
                within 20s quiet
                ;;
        10)
                write -e 's/^kafka = {/& brokers = "twice";/'
                refused 'weir.cfg:[0-9]+: '
                ;;
        esac
}
in_force() { [ "$(sql "select max(records) from (select records from weir.batch order by id desc limit 20) t")" = "$records" ]; }
quiet() { # all that was told is through: the next one is answered by itself
        local before
        before=$(grep -cE 'event=(worker.reloaded|reload.asked)' a.log || true)
        read -rt 0.3 <> <(:) || true
        [ "$(grep -cE 'event=(worker.reloaded|reload.asked)' a.log || true)" = "$before" ]
}

# ---- to processes that are just starting: orders, no deaths ---------------------------------------------------------

i=start
weir_start a
born() { [ -n "$(children "${pid[a]}")" ]; }
within 10s born
for _ in $(seq 100); do
        # shellcheck disable=SC2046 # several
        kill -HUP $(children "${pid[a]}") "${pid[a]}" 2>/dev/null || true
        logged a 'event=lane.runs' && break
done
within 30s logged a 'event=lane.runs'
within 20s quiet
equal 'deaths of processes that were told while they started' 0 "$(count event=process.died)"

# ---- the storm ----------------------------------------------------------------------------------------------------------

touch go-on
nearly_done() { [ ! -e go-on ] || [ "$(rows hostile.event)" -ge $(($1 - 600)) ]; }
load() { # until the storm is over
        local first=1
        while [ -e go-on ]; do
                config=produce.cfg produce 300 $first
                first=$((first + 300))
                within 60s nearly_done "$first"
        done
}
load &
loader=$!
within 30s rows_at_least 100 hostile.event
before=$(generation)
first_state=
for ((i = 0; i < storm; i++)); do
        one
        [ $i != $((storm / 4)) ] || first_state=$(state)
done
i=last
records=9 version=2
plugin hostile-2
write
lines=$(wc -l <a.log)
taken
last_state=$(state)
rm go-on
wait "$loader"
config=produce.cfg wait_caught_up
mark=$(sql 'select coalesce(max(id), 0) from weir.batch')
config=produce.cfg produce 600 1000001
config=produce.cfg check_exactly_once hostile.event
equal 'records in a batch, by the last good file' 9 "$(sql "select max(records) from weir.batch where id > $mark")"
equal 'the version in use' hostile-2 "$(sql "select distinct plugin_version from weir.batch where id > $mark")"
equal 'batches that were as no good file says' 0 "$(sql 'select count(*) from weir.batch where records > 12')"
equal 'rebalances, by the broker' "$before" "$(generation)"
equal 'assignments' 1 "$(count event=group.assigned)"
equal 'deaths' 0 "$(count event=process.died)"
equal 'events handed over twice' 0 "$(cut -d' ' -f1 calls | LC_ALL=C sort | uniq -d | wc -l)"
equal 'relays that were hurried' 0 "$(grep -cE 'event=stop.(hurried|forced)' a.log || true)"
echo "$storm SIGHUPs: KiB and descriptors of supervisor and worker: $first_state, then $last_state" | tee -a "${REPORT:-/dev/null}"
read -ra was <<<"$first_state"
read -ra is <<<"$last_state"
for at in 1 3; do [ "${is[at]}" -le $((was[at] + 3)) ] || fail "descriptors grow: $first_state, then $last_state"; done
for at in 0 2; do [ "${is[at]}" -le $((was[at] + 4096)) ] || fail "memory grows: $first_state, then $last_state"; done

# ---- a bad file changes nothing, also for a process that has to be started again while it lies there -----------------------------

write -e "\$a nonsense ="
lines=$(wc -l <a.log)
refused 'weir.cfg:[0-9]+: syntax'
runs=$(count event=lane.runs)
mark=$(sql 'select max(id) from weir.batch')
kill -KILL "$(worker)"
again() { [ "$(count event=lane.runs)" -ge $((runs + 2)) ]; }
within 30s again || fail 'a process that dies is not started again while the file is broken'
config=produce.cfg produce 600 1500001
config=produce.cfg wait_caught_up
equal 'records in a batch, by the last good file' 9 "$(sql "select max(records) from weir.batch where id > $mark")"
equal 'deaths' 1 "$(count event=process.died)"
i=mended
write
taken

# ---- while it stops: nothing begins any more --------------------------------------------------------------------------------

config=produce.cfg produce 2000 2000001
within 20s rows_at_least $(($(rows hostile.event) + 50)) hostile.event
lines=$(wc -l <a.log)
kill -TERM "${pid[a]}"
while alive "${pid[a]}"; do
        # shellcheck disable=SC2046 # several
        kill -HUP "${pid[a]}" $(children "${pid[a]}") 2>/dev/null || true
        read -rt 0.02 <> <(:) || true
done
weir_stop a
equal 'exit status' 0 "$status"
tail -n +$((lines + 1)) a.log >end.log
! grep -qE 'event=(process.died|stop.forced|worker.started)' end.log || fail "$(cat end.log)"
config=good.cfg weir_start a
config=produce.cfg check_exactly_once hostile.event
weir_stop a
