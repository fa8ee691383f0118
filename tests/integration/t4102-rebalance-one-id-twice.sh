#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4102 - two static members of one id: a second weir run of one file on a machine is refused and says why, and the first goes on untouched;
#         one that waits for a first on its way out starts; where the id is a property, who is put out names it
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2 'more=static_membership = true;'
echo 'stop = { deadline = "1s"; drain = "500ms"; };' >>weir.cfg
produce 500
weir_start a
wait_caught_up
says 78 "$WEIR" run -c "$config"
has err 'group.instance.id weir-audit-'
has err "group $group"
has err 'static_membership = false'
has err 'event=group.instance_in_use'
produce 500 501
check_exactly_once
hasnt a.log event=lane.fenced
hasnt a.log event=process.died

# ---- the one before is on its way out ----------------------------------------------------------------------------------------

worker=$(worker_of a)
kill -STOP "$worker" # it cannot drain
weir_start b
within 10s logged b 'event=group.instance_in_use'
weir_kill a
kill -KILL "$worker"
produce 500 1001
check_exactly_once
logged b 'event=worker.started' || fail 'the second has not started'
weir_stop b
equal 'exit status' 0 "$status"

# ---- the id is a property: nobody can know, until the broker says so -------------------------------------------------------------

configure member=same
weir_start a
within 30s logged a 'event=lane.runs'
weir_start b
within 30s logged a 'event=group.failed .*our group.instance.id same .*stop one of them' || fail 'who was put out does not say by which id'
