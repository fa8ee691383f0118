#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run - the figures of docs/PERFORMANCE.md, in one run on this machine
#
#   run.sh [PATTERN...]      decode noop audit memory emit store poison outbox replay; tune, claims (only when asked for); none: all but these
#
#   PAIRS=5 EVENTS=300000 BATCH=1000      how much; BATCH is max_events of every worker here
#                                         (EVENTS unset: 100000 in poison, 200000 and then 1000000 in outbox, 1000000 in replay)
#   DURABLE=1                             fsync and full_page_writes on (default: off, see below)
#
# Two sides of a comparison take turns (A B A B ...), and the ratio is taken pair by pair: what else the machine
# does meanwhile hits both. Every run finds empty tables and a checkpoint just made. fsync is off unless asked for:
# with it a disk is measured, which both sides wait for alike, and every ratio comes nearer to 1.
# Samples go to $B/bench/samples.tsv (bench pair side value...); report.py makes the table and results.json of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/.." && pwd -P)
support=$root/tests/support
# shellcheck source=tests/support/common.sh
. "$support/common.sh"
B=$(directory "${B:-$root/build}")
export B
out=$(directory "$B/bench")
work=$out/$$
samples=$out/samples.tsv
pairs=${PAIRS:-5} count=${EVENTS:-300000} batch=${BATCH:-1000}
patterns=("$@")

wanted() { # BENCH
        local pattern
        [ ${#patterns[@]} -gt 0 ] || { [ "$1" != tune ] && [ "$1" != claims ]; return; }
        for pattern in "${patterns[@]}"; do
                # shellcheck disable=SC2053 # the pattern is meant as one
                [[ $1 != ${pattern%\*}* ]] || return 0
        done
        return 1
}
any=0
benches='decode store emit memory noop audit poison outbox replay tune claims'
for bench in $benches; do ! wanted "$bench" || any=1; done
[ $any = 1 ] || die "nothing here begins with: $*"

running=
finish() {
        trap '' INT TERM
        [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
        "$support/kafka.sh" kill "$work/kafka" || true
        "$support/pg.sh" stop "$work/pg" immediate || true
        rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir -p "$work"
: >"$samples"

say() { printf '%s\n' "$*" >&2; }
note() { local IFS=$'\t'; printf '%s\n' "$*" >>"$samples"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$url" -c "$1"; }
kafkactl() { "$B/kafkactl" "$kafka" "$@"; }
knows() { kafkactl ends "$1" >/dev/null 2>&1; }

# ---- the servers -----------------------------------------------------------------------------------------------

start_servers() {
        kafka=$("$support/kafka.sh" start "$work/kafka")
        url=$("$support/pg.sh" start "$work/pg" ${DURABLE:+durable})
        broker_pid=$(cat "$work/kafka/pid") pg_pid=$(cat "$work/pg/pid")
        export PGPASSFILE=$work/pg/pgpass WEIR_MIGRATIONS=$root/migrations
        local plugin
        for plugin in audit probe; do
                configure $plugin $plugin none
                "$B/weir" migrate up -c "$config" >"$work/migrate.log" 2>&1 || { cat "$work/migrate.log" >&2; die 'migrate'; }
        done
}

configure() { # WORKER PLUGIN TOPIC [BATCH-KEYS] [OPTIONS]: $config; the queue bound is weir's own default
        config=$work/$1-$3.cfg
        cat >"$config" <<TXT
kafka = { brokers = "$kafka"; };
store = { url = "$url"; };
plugin_path = [ "$B/plugins", "$B/bench/plugins", "$B/obj/release/plugins" ];
workers = ( { name = "$1"; plugin = "$2"; group = "$1-$3"; topics = [ "$3" ]; start = "earliest";
  batch = { ${4:-max_events = $batch;} }; options = { ${5:-} }; } );
TXT
}

events() { # COUNT [EVERY]: JSON lines in the shape of a small business event, 6 attributes, 100 bytes of data; each EVERYth bad
        awk -v count="$1" -v every="${2:-0}" 'BEGIN {
                for (i = 1; i <= count; i++)
                        printf "{\"specversion\":\"1.0\",\"id\":\"5190bc29-a3d5-4fca-9a88-%012x\",\"source\":\"github.com/example/post-cloudevents\"," \
                               "\"type\":\"user.%sUser\",\"time\":\"2024-11-28T18:53:17.474154Z\",\"datacontenttype\":\"application/json\"," \
                               "\"data\":{\"id\":\"8aadf8c5-9c4e-4c11-af24-%012x\",\"name\":\"Ada Lovelace\",\"amount\":%d,\"tags\":[\"first\",\"engine\"]}}\n", i, every && i % every == 0 ? "poison" : "store", i, i }'
}

filled=
fill() { # PARTITIONS [NAME [EVERY]]: topic audit1 or audit4, NAME1 or NAME4, filled once
        local topic=${2:-audit}$1
        [[ " $filled " != *" $topic "* ]] || return 0
        filled+=" $topic"
        say "filling a topic of $1 partitions with $count events"
        kafkactl create "$topic" "$1"
        within 10s knows "$topic"
        events "$count" "${3:-0}" | "$B/weir" emit --brokers "$kafka" --topic "$topic" --key-from id 2>"$work/emit.log" ||
                { cat "$work/emit.log" >&2; die 'emit'; }
}

empty() { # what a run finds
        sql "truncate audit.event, probe.event, weir.batch, weir.claim_1, weir.position, weir.position_change, weir.dead_letter, weir.outbox restart identity cascade"
        sql checkpoint
}

# BENCH PAIR SIDE WORKER PLUGIN TOPIC [BATCH-KEYS] [OPTIONS]; $result: the five figures
run_worker() {
        local bench=$1 pair=$2 side=$3
        configure "$4" "$5" "$6" "${7:-}" "${8:-}"
        empty
        result=$("$B/bench/worker" "$url" "$count" "$pg_pid" "$broker_pid" "$B/weir" run -c "$config" 2>"$work/weir.log") ||
                { tail -n 20 "$work/weir.log" >&2; die "$bench: worker"; }
        # shellcheck disable=SC2086 # five figures
        note "$bench" "$pair" "$side" $result
}

# ---- the benches -----------------------------------------------------------------------------------------------

bench_decode() {
        local line
        say 'decode: one thread, no servers'
        "$B/bench/decode" | while read -r line; do
                # shellcheck disable=SC2046 # two figures
                note decode 1 "${line%%  *}" $(awk '{ print $(NF - 3), $(NF - 1) }' <<<"$line")
        done
}

bench_store() {
        local pair result
        say 'store: transactions of a lane against a bare COPY, no Kafka'
        for ((pair = 1; pair <= pairs; pair++)); do
                empty
                result=$("$B/bench/store" "$url" 200000 "$batch" | awk '/events\/s/ { printf "%s ", $(NF - 1) }')
                note store "$pair" a "${result%% *}"
                note store "$pair" b "$(awk '{ print $2 }' <<<"$result")"
        done
}

bench_noop() {
        local partitions pair
        for partitions in 1 4; do
                fill "$partitions"
                say "noop, $partitions partitions: weir, raw loop, raw loop with headers, in turn"
                for ((pair = 0; pair <= pairs; pair++)); do # pair 0 warms up
                        run_worker "noop$partitions" "$pair" a noop noop "audit$partitions"
                        # shellcheck disable=SC2046 # two figures
                        note "noop$partitions" "$pair" b $("$B/bench/raw" "$kafka" "audit$partitions" "$count")
                        # shellcheck disable=SC2046
                        note "noop$partitions" "$pair" c $("$B/bench/raw" "$kafka" "audit$partitions" "$count" headers)
                done
        done
}

dump() { # PARTITIONS: what a run of weir has just written, one pair of files a partition, in $files
        local partition
        files=()
        for ((partition = 0; partition < $1; partition++)); do
                sql "copy (select * from audit.event where partition = $partition order by ctid) to stdout (format binary)" >"$work/event.$partition"
                sql "copy (select c.* from weir.claim_1 c join weir.position p on p.id = c.position where p.partition = $partition order by c.ctid) to stdout (format binary)" >"$work/claim.$partition"
                files+=("$work/event.$partition" "$work/claim.$partition")
        done
}

bench_audit() {
        local partitions pair result files
        for partitions in 1 4; do
                fill "$partitions"
                say "audit, $partitions partitions: weir, bare COPY over $partitions connections, in turn"
                for ((pair = 0; pair <= pairs; pair++)); do
                        run_worker "audit$partitions" "$pair" a audit audit "audit$partitions"
                        [ "$(sql 'select count(*) from audit.event')" = "$count" ] || die "audit$partitions: rows are missing"
                        [ "$pair" -gt 0 ] || dump "$partitions"
                        empty
                        result=$("$B/bench/copy" "$url" "$batch" "$pg_pid" "${files[@]}")
                        [ "$(sql 'select count(*) from audit.event')" = "$count" ] || die "copy: rows are missing"
                        # shellcheck disable=SC2086 # three figures
                        note "audit$partitions" "$pair" b $result
                done
                rm -f "$work"/event.* "$work"/claim.*
        done
}

lanes_run() { [ "$(grep -c lane.runs "$work/weir.log")" = "$1" ]; }
resident_kb() { awk '/^Rss:/ { print $2 }' "/proc/$running/smaps_rollup"; }
settled() { # resident memory was the same at three looks
        local now
        now=$(resident_kb)
        if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0 last=$now; fi
        [ "$same" -ge 3 ]
}

bench_memory() {
        local partitions last same
        say 'memory: a worker with 1 and with 64 idle partitions'
        for partitions in 1 64; do
                kafkactl create "idle$partitions" "$partitions"
                within 10s knows "idle$partitions"
                empty
                configure audit audit "idle$partitions"
                "$B/weir" run -c "$config" >"$work/weir.log" 2>&1 &
                running=$!
                within 30s lanes_run "$partitions" || { tail "$work/weir.log" >&2; die "memory: not all lanes run"; }
                last=0 same=0
                within 30s settled
                note "memory$partitions" 1 a "$(resident_kb)"
                kill -TERM "$running"
                wait "$running" || die 'memory: weir failed'
                running=
        done
}

bench_emit() {
        local pair began mode
        say 'emit: JSON lines from standard input to acknowledged records'
        events "$count" >"$work/lines"
        for ((pair = 0; pair <= pairs; pair++)); do
                for mode in binary structured; do
                        kafkactl create "emit-$mode-$pair" 4
                        within 10s knows "emit-$mode-$pair"
                        began=${EPOCHREALTIME/[.,]/}
                        "$B/weir" emit --brokers "$kafka" --topic "emit-$mode-$pair" --key-from id "--$mode" <"$work/lines" 2>"$work/emit.log" ||
                                { cat "$work/emit.log" >&2; die 'emit'; }
                        note "emit-$mode" "$pair" a $((count * 1000000 / (${EPOCHREALTIME/[.,]/} - began)))
                        kafkactl delete "emit-$mode-$pair"
                done
        done
        rm -f "$work/lines"
}

# shellcheck source=bench/poison.sh
. "$here/poison.sh"
# shellcheck source=bench/replay.sh
. "$here/replay.sh"
# shellcheck source=bench/outbox.sh
. "$here/outbox.sh"

bench_tune() { # what the keys of batch bring; each against the default, in turn
        local pair keys
        fill 1
        fill 4
        for keys in max_events=100 max_events=300 max_events=3000 max_events=10000 linger=\"0ms\" linger=\"50ms\"; do
                say "tune: $keys"
                for ((pair = 1; pair <= pairs; pair++)); do
                        run_worker "tune1 $keys" "$pair" a audit audit audit1 "${keys/=/ = };"
                        run_worker "tune1 $keys" "$pair" b audit audit audit1
                        run_worker "tune4 $keys" "$pair" a audit audit audit4 "${keys/=/ = };"
                        run_worker "tune4 $keys" "$pair" b audit audit audit4
                done
        done
}

bench_claims() { # of generations: what one costs each claim, what a rotation costs, how long a drop takes; ROWS= a generation
        local database=${url/\/weir\?/\/bench_claims?}
        say 'claims: generations, rotation, drop'
        sql 'create database bench_claims'
        sed "s|url = \"[^\"]*\"|url = \"$database\"|" "$config" >"$work/claims.cfg"
        "$B/weir" migrate up -c "$work/claims.cfg" >"$work/migrate.log" 2>&1 || { cat "$work/migrate.log" >&2; die 'migrate'; }
        "$B/bench/claims" "$database" cost "${ROWS:-200000}" 50000 1 2 3 4 8 16
        "$B/bench/claims" "$database" rotate "$((pairs * 2))"
        "$B/bench/claims" "$database" drop "${ROWS:-1000000}"
}

# ---- machine, settings, report -----------------------------------------------------------------------------------

describe() {
        note meta date "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        note meta processor "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(getconf _NPROCESSORS_ONLN) cores"
        note meta memory "$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
        note meta system "$(uname -sr), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
        note meta load "$(cut -d' ' -f1-3 /proc/loadavg) at the start"
        note meta weir "$("$B/weir" version | tr '\n' ' ')"
        note meta amounts "$count events (1,000,000 in outbox and replay unless EVENTS says otherwise), $pairs pairs after one to warm up, batch.max_events $batch"
        [ -n "${kafka:-}" ] || return 0
        note meta kafka "Apache Kafka $(find "$B/kafka/libs" -name 'kafka_2*.jar' | sed 's/.*-\([0-9.]*\)\.jar/\1/'), one node, default log flush, heap 256 MiB, C1 compiler, serial collector"
        note meta postgresql "$(sql 'show server_version'): $(sql "select string_agg(name || '=' || current_setting(name), ' ' order by name) from pg_settings where name in
                ('fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'wal_level', 'checkpoint_timeout', 'wal_compression', 'autovacuum')")"
}

needs_servers=0
for bench in ${benches#decode }; do ! wanted "$bench" || needs_servers=1; done
[ $needs_servers = 0 ] || start_servers
describe
began=$SECONDS
for bench in $benches; do ! wanted "$bench" || "bench_$bench"; done
note meta load "$(cut -d' ' -f1-3 /proc/loadavg) at the end, after $((SECONDS - began)) s"
python3 "$here/report.py" "$samples" "$out/results.json"
