#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7210 - docs/REPLAY.md: a lost table is filled again up to where the worker stands, which goes on there; each event is in it once
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# The commands of the document; the loop is ended in the middle, and run again.
rebuild() {
        "$WEIR" position show audit --json -c "$config" |
                python3 -c 'import json, sys
for row in json.load(sys.stdin): print("%s/%d %d" % (row["topic"], row["partition"], row["next_offset"]))' |
                while read -r place next; do
                        "$WEIR" replay start audit --policy again --epoch rebuild-1 --partition "$place" --to "$next" --reason 'table lost' \
                                --quiet -c "$config" </dev/null >>rebuild.log 2>&1 || return 1
                done
}

prepare 3 plugin=probe
produce 3000
weir_start a
check_exactly_once probe.event
sql "alter table probe.event rename to lost"
produce 300 3001
waits() { logged a 'event=lane.waits.*42P01'; }
within 30s waits || fail 'nobody waits for the table'
weir_stop a
equal 'nothing was condemned, no claim made' '0 3000' "$(rows weir.dead_letter) $(rows weir.claim)"
sql "alter table probe.lost rename to event; truncate probe.event"
says 0 "$WEIR" replay preview audit --policy missing -c "$config" --json
has out '"would_run":300,'
WEIR_FAILPOINT=apply.handled:kill:2 rebuild && fail 'it was to be killed'
rebuild
equal 'what was handled before, once' '3000 3000' "$(sql 'select count(*), count(distinct id) from probe.event' | tr '|' ' ')"
weir_start b
within 60s rows_at_least 3300 probe.event || fail "$(rows probe.event) rows"
weir_stop b
sort -u produced >wanted
sql 'select id from probe.event' | LC_ALL=C sort >got
LC_ALL=C sort wanted | diff - got >differs || fail "not each event once: $(head -3 differs | xargs)"
