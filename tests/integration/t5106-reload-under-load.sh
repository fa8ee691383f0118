#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t5106 - SIGHUP under load: what can be taken over is at the next batch, the rest is named, a bad file changes nothing, a
#         replaced plugin is used without a rebalance, one that cannot be opened is not
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

hup() { # and wait until it is through
        local before
        before=$(grep -cE 'event=(worker.reloaded|reload.refused)' a.log || true)
        kill -HUP "${pid[a]}"
        more() { [ "$(grep -cE 'event=(worker.reloaded|reload.refused)' a.log)" -gt "$before" ]; }
        within 20s more
}
mkdir plugins
cp -R "$(dirname "$WEIR")"/plugins/audit* plugins/
prepare 2 'batch=max_events = 5; linger = "0ms";'
sed -i "s|plugin_path = .*|plugin_path = [ \"$(literal "$TEST_DIR")/plugins\" ];|" weir.cfg
slow 1
cp weir.cfg load.cfg # what the load reads is never broken
(config=load.cfg; for chunk in $(seq 0 19); do produce 500 $((chunk * 500 + 1)); done) &
producer=$!
weir_start a
within 30s rows_at_least 10
largest() { sql 'select max(records) from weir.batch'; }
[ "$(largest)" -le 5 ] || fail 'more than five in a batch'
sed -i 's/max_events = 5;/max_events = 50;/' weir.cfg
hup
taken_over() { [ "$(largest)" -gt 5 ]; }
within 20s taken_over
cp weir.cfg good.cfg
echo 'nonsense = ' >>weir.cfg
hup
logged a 'event=reload.refused'
cp good.cfg weir.cfg
sed -i "s/group = \"$group\"/group = \"other\"/" weir.cfg
hup
logged a 'event=reload.needs_restart key=workers.group of=audit'
cp good.cfg weir.cfg
cp plugins/audit.so plugins/new.so
mv plugins/new.so plugins/audit.so # another file of the same name
hup
within 20s logged a 'event=plugin.closed'
echo 'not a plugin' >plugins/bad.so
mv plugins/bad.so plugins/audit.so
hup
logged a 'event=reload.refused .*audit'
cp "$(dirname "$WEIR")/plugins/audit.so" plugins/new.so
mv plugins/new.so plugins/audit.so
for _ in $(seq 20); do kill -HUP "${pid[a]}"; done
wait "$producer"
check_exactly_once
equal 'assignments' 1 "$(grep -c 'event=group.assigned' a.log)"
equal 'deaths' 0 "$(grep -c 'event=process.died' a.log || true)"
weir_stop a
equal 'exit status' 0 "$status"
# without a supervisor: prepared and taken over in one
weir_start b --alone
within 30s logged b 'event=lane.runs'
for size in 20 30; do
        sed -i "s/max_events = [0-9]*;/max_events = $size;/" weir.cfg
        [ $size = 30 ] || echo 'nonsense = ' >>weir.cfg
        kill -HUP "${pid[b]}"
        within 20s logged b "event=$([ $size = 30 ] && echo worker.reloaded || echo 'reload.refused error="[^"]*weir.cfg:')"
        sed -i '/^nonsense/d' weir.cfg
done
mark=$(sql 'select max(id) from weir.batch')
config=load.cfg produce 500 20001
check_exactly_once
equal 'the largest batch, alone' 30 "$(sql "select max(records) from weir.batch where id > $mark")"
weir_stop b
equal 'exit status' 0 "$status"
