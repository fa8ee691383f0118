#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4101 - rolling restarts of three members under load: no offset is delivered twice, by weir's own count, by the handler's, by
#         the trail and by what the group had committed at each takeover; every stop is in time; with static members, by
#         a property of three programs or by static_membership of three processes of one, nobody else is rebalanced
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

restarts=${RESTARTS:-3} # of 100 in the nightly runs; REPORT=FILE gets the figures
kinds=${KINDS:-dynamic property processes}

logs() { cat "$kind"-*.log; }
runs() { cat "$kind-$1.log" | grep -c 'event=lane.runs' || true; }
generation() { kafkactl ledger "$group" | awk '$1 == "generation" { n = $2 } END { print n + 0 }'; }

begin() {
        local name options="options=calls = \"$TEST_DIR/$kind.calls\";" batch='batch=max_events = 10; linger = "0ms";'
        new_topic 6
        for name in a b c; do
                case $kind in
                dynamic) configure file="$kind-$name.cfg" plugin=hostile name="$kind" "$options" "$batch" ;;
                property) configure file="$kind-$name.cfg" plugin=hostile name="$kind" "$options" "$batch" member="member-$name" ;;
                processes) configure file="$kind-all.cfg" plugin=hostile name="$kind" "$options" "$batch" \
                        more='processes = 3; static_membership = true;' ;;
                esac
        done
        [ "$kind" != processes ] || echo 'restart = { first_delay = "10ms"; };' >>"$config"
        migrate
        slow 1
}

start() { # the log's name holds the kind, the config's too
        config=$kind-$1.cfg
        "$WEIR" run -c "$config" >>"$kind-$1.log" 2>&1 &
        pid[$1]=$!
}

# ---- one restart: its time goes to $kind.times ---------------------------------------------------------------------

restart_program() { # NAME
        local before began
        before=$(runs "$1")
        began=$(date +%s%3N)
        weir_stop "$1"
        echo $(($(date +%s%3N) - began)) >>"$kind.times"
        equal "exit status of $1" 0 "$status"
        start "$1"
        again() { [ "$(runs "$1")" -gt "$before" ]; }
        within 30s again "$1" || fail "$1 gets no partition after a restart"
}

process_of() { # INDEX
        local process line
        for process in $(children "${pid[all]}"); do
                line=$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null) || continue
                [[ $line != *"--as $kind"[:\ ]"$1 "* ]] || echo "$process"
        done
}
restart_process() { # INDEX
        local before began process
        before=$(runs all)
        process=$(process_of "$1")
        [ -n "$process" ] || fail "no process $1"
        began=$(date +%s%3N)
        kill -TERM "$process"
        within 20s gone "$process" || fail "process $1 does not end"
        echo $(($(date +%s%3N) - began)) >>"$kind.times"
        again() { [ -n "$(process_of "$1")" ] && [ "$(runs all)" -gt "$before" ]; }
        within 30s again "$1" || fail "process $1 gets no partition after a restart"
}

percentile() { sort -n "$kind.times" | awk -v p="$1" '{ t[NR] = $1 } END { i = int((NR * p + 99) / 100); print t[i < 1 ? 1 : i] }'; }

# A takeover begins where the trail's epoch changes. What the group had committed for that partition is the last
# commit before those of the new owner: one at that very offset, or a plain consumer had got something again.
uncommitted_takeovers() {
        kafkactl ledger "$group" | awk -v topic="$topic" '$1 == "commit" && $2 == topic { print $3, $4 }' >"$kind.commits"
        sql "select p.partition, t.first_offset from (select position, first_offset, epoch, lag(epoch) over
                (partition by position order by id) before from weir.batch) t join weir.position p on p.id = t.position
                where p.worker = '$kind' and t.epoch <> t.before" | tr '|' ' ' >"$kind.takeovers"
        awk 'NR == FNR { known[$1, $2] = 1; next } !(($1, $2) in known)' "$kind.commits" "$kind.takeovers"
}

nearly_done() { [ ! -e go-on ] || [ "$(rows hostile.event)" -ge $(($1 - 800)) ]; }
load() { # until the last restart: something is left to do at each of them
        local made
        made=$(cat made)
        while [ -e go-on ]; do
                config=$kind-$first.cfg produce 400 $((made + 1))
                made=$((made + 400))
                echo "$made" >made
                within 60s nearly_done "$made"
        done
}

roll() {
        local i name before after loader
        begin
        touch go-on
        load &
        loader=$!
        for name in $names; do start "$name"; done
        joined() { [ "$(logs | grep -c 'event=lane.runs')" -ge 6 ] && [ "$(logs | grep -oE 'event=lane.runs .*partition=[0-9]' | grep -oE '[0-9]$' | sort -u | wc -l)" = 6 ]; }
        within 30s joined
        three() { [ "$(logs | grep 'event=group.assigned' | grep -v 'assigned=0' | grep -oE 'client=[^ ]*' | sort -u | wc -l)" = 3 ]; }
        within 30s three
        before=$(generation)
        for ((i = 0; i < restarts; i++)); do
                case $kind in
                processes) restart_process $((i % 3)) ;;
                *) restart_program "$(cut -c$((i % 3 + 1)) <<<abc)" ;;
                esac
        done
        after=$(generation)
        rm go-on
        wait "$loader"
        config=$kind-$first.cfg
        wait_caught_up
        for name in $names; do weir_stop "$name"; done
        equal 'positions that were not committed' '' "$(diff <(kafkactl committed "$topic" "$group") <(positions))"
        equal 'calls that were abandoned, by weir' 0 "$(logs | grep -oE ' abandoned=[1-9][0-9]*' | wc -l)"
        equal 'events handed over twice, by the handler' 0 "$(cut -d' ' -f1 "$kind.calls" | LC_ALL=C sort | uniq -d | wc -l)"
        equal 'events that came again, by the trail' 0 "$(sql "select sum(events - fresh) from weir.batch b join weir.position p on p.id = b.position where p.worker = '$kind'")"
        equal 'takeovers at an offset that was not committed' '' "$(uncommitted_takeovers | head -n 5)"
        [ "$(wc -l <"$kind.takeovers")" -ge "$restarts" ] || fail "only $(wc -l <"$kind.takeovers") takeovers"
        [ "$kind" = dynamic ] || equal 'rebalances, by the broker' 0 $((after - before))
        printf '%s: %d restarts, %d takeovers, 0 redelivered, %d rebalances; stops p50 %d ms, p99 %d ms, max %d ms\n' "$kind" "$restarts" \
                "$(wc -l <"$kind.takeovers")" $((after - before)) "$(percentile 50)" "$(percentile 99)" "$(percentile 100)" | tee -a "${REPORT:-/dev/null}"
        [ "$(percentile 99)" -le $((5000 * ${TIMEOUT_FACTOR:-1})) ] || fail "the slowest stops took $(sort -n "$kind.times" | tail -n 3 | xargs) ms"
}

new_db
echo 0 >made
for kind in $kinds; do
        names='a b c' first=a
        [ "$kind" != processes ] || names=all first=all
        roll
done
check_exactly_once hostile.event
