#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t1005 - two workers in one file: each has its plugin, group, positions and claims, and both see every event
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
configure second=", { name = \"second\"; plugin = \"probe\"; group = \"$group-second\"; topics = [ \"$topic\" ]; }"
migrate
produce 2000
weir_start a
both_at_end() {
        [ "$(sql "select count(*), count(distinct worker) from weir.position where next_offset =
                case partition $(kafkactl ends "$topic" | awk '{ print "when " $1 " then " $2 }') end")" = '4|2' ]
}
within 20s both_at_end
# the queries of the library know one worker; here are two, so: by hand
for table in audit.event probe.event; do
        equal "$table: rows and distinct ids" '2000|2000' "$(sql "select count(*), count(distinct id) from $table")"
done
equal 'claims' 4000 "$(sql 'select count(*) from weir.claim')"
weir_stop a
equal 'exit status' 0 "$status"
commits() { kafkactl committed "$topic" "$1"; }
equal 'commits of the two groups' "$(commits "$group")" "$(commits "$group-second")"
equal 'commits and log ends' "$(kafkactl ends "$topic")" "$(commits "$group")"
weir_start only --worker second
produce 100 2001
within 20s rows_at_least 2100 probe.event
equal 'rows of the worker that was not started' 2000 "$(rows)"
weir_stop only
