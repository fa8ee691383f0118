# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2119,SC2120 # names are for the tests; arguments have defaults
# lib - what an integration test is written in; sourced first, runs the test through run.sh where needed
#
#   new_topic 4              $topic $group   a topic with 4 partitions, created and known
#   new_db                   $url            a database of its own
#   configure [NAME=TEXT..]  $config         weir.cfg: plugin= topics= start= batch= retry= more= options= properties= second= group= sinks= member=
#                                          member=one: a static member; after a kill the next one need not wait out its session
#   migrate                                  weir migrate up
#   produce 1000 [FIRST]                     events FIRST.. through weir emit; the ids are written down
#   event ID TYPE | emit                     one event; `expect ID` writes it down
#   weir_start a             ${pid[a]}       weir run in the background; its log is $TEST_DIR/a.log
#   weir_stop a [TERM]       $status         signal, wait, exit status
#   weir_kill a                              SIGKILL, and wait
#   worker_of a                              the process in which its worker works; in_status PROCESS VmHWM: its memory at most
#   slow 2                   from now on every transaction takes 2 ms at least: something is left to do at a kill on any machine
#   weir_dies a NAME [N]                     weir run that is killed when it passes the failpoint NAME (for the N-th time)
#   weir_halts a NAME [N]                    … that is stopped there; weir_goes_on a
#   dlq VERB [OPTION..]                      weir dlq; dlq_dies NAME:kill[:N] VERB..: killed at that failpoint
#   letters ['CONDITION']                    dead letters by state: "applied39 kept1"
#   gate ID [ANSWER]..  gate_open            the probe's gate: IDs it answers with retry (reject); none any more
#   when 30s 'CONDITION'                     wait inside PostgreSQL, to 2 ms: for kills in the middle of the work
#   caught_up                                every partition's position is at its log's end
#   halted a 0 'TEXT'                        process a has stopped partition 0 and said TEXT, and how to go on
#   resolve a 0                              do what it said, word by word
#   says 78 COMMAND...                       exit status 78; what it said is in the files out and err
#   has err 'text'                           a line of err holds the text
#   receiver_start r [OPTION..]              an HTTP receiver on 127.0.0.1:${port[r]}; again after receiver_stop, same port
#   receiver_tell r '{ "*": { .. } }'        what it answers from now on (tests/support/receiver.py)
#   received r 'h["ce-id"]' ['CONDITION']    a line for each request r, in their order: a Python expression of r (the line
#                                            of its log), h (headers by small letters) and body
#   check_exactly_once                       applied = distinct, doubled 0, lost 0, order, trail, commit <= position
#
# A test fails at its first failing command. Waiting is `within 10s COMMAND`, scaled by TIMEOUT_FACTOR; nothing
# sleeps for a time. What was started is killed at the end, however the test ends.
[ -n "${TEST:-}" ] || exec "$(dirname "$0")/run.sh" "$(basename "$0" .sh)"
set -euo pipefail
# shellcheck source=tests/support/common.sh
. "$SUPPORT/common.sh"
cd "$TEST_DIR"
export PGPASSFILE=$PG_DIR/pgpass
declare -A pid=() port=()
topic_count=0
status=0
touch produced

lib_finish() {
        local name
        for name in "${!pid[@]}"; do kill -KILL "${pid[$name]}" 2>/dev/null || true; done
        kill_jobs
}
kill_jobs() {
        local job
        for job in $(jobs -p); do kill -KILL "$job" 2>/dev/null || true; done
        wait 2>/dev/null || true
}
trap lib_finish EXIT
trap 'exit 143' TERM INT
trap 'echo "$TEST: line $LINENO failed: $BASH_COMMAND" >&2' ERR

fail() {
        echo "$TEST: $*" >&2
        exit 1
}
equal() { [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"; }
says() {
        local wanted=$1
        shift
        status=0
        "$@" >out 2>err || status=$?
        [ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*: $(head -c 600 err)"
}
has() { grep -qF -- "$2" "$1" || fail "$1 does not hold '$2': $(head -c 1500 "$1")"; }
literal() { printf %s "$1" | sed 's/[\\&|]/\\&/g'; } # a path as what sed puts in
hasnt() { ! grep -qF -- "$2" "$1" || fail "$1 holds '$2': $(grep -F -- "$2" "$1" | head -c 600)"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "${url:-$PG}" -c "$1"; }
kafkactl() { "$KAFKACTL" "$KAFKA" "$@"; }

new_topic() {
        topic_count=$((topic_count + 1))
        topic=${TEST:0:40}-$topic_count
        group=$topic
        kafkactl create "$topic" "${1:-4}"
        within 10s kafkactl ends "$topic" >/dev/null
}

new_db() {
        local name=${TEST//[^a-z0-9]/_}
        url=$PG sql "create database $name"
        url="postgresql://weir@127.0.0.1:$(cat "$PG_DIR/port")/$name"
        cp "$PG_DIR/password" password
        chmod 600 password
}

configure() {
        local plugin=audit topics="\"$topic\"" start=earliest batch='' retry='' more='' options='' second='' file=weir.cfg sinks=''
        local sandbox="write = [ \"$TEST_DIR\" ];" # test plugins write down what they were called for
        local properties='"session.timeout.ms=3000", "heartbeat.interval.ms=500", "fetch.wait.max.ms=20"'
        local name=audit group=$group member='' arg plugins # of a sanitizer's build both are one directory
        plugins=$(dirname "$WEIR")/plugins
        for arg; do local "$arg"; done
        [ -z "$member" ] || properties="$properties, \"group.instance.id=$member\""
        config=$TEST_DIR/$file
        cat >"$config" <<TXT
kafka = { brokers = "$KAFKA"; properties = [ $properties ]; };
store = { url = "$url"; password_file = "password"; };
plugin_path = [ "$plugins"$([ "$plugins" = "$WEIR_TEST_PLUGINS" ] || printf ', "%s"' "$WEIR_TEST_PLUGINS") ];
workers = ( {
  name = "$name"; plugin = "$plugin"; group = "$group"; topics = [ $topics ]; start = "$start";
  batch = { $batch }; retry = { $retry }; options = { $options };
  $more
}$second );
sinks = ( $sinks );
sandbox = { $sandbox };
TXT
}

migrate() { "$WEIR" migrate up -c "$config" >>migrate.log 2>&1; }

# The usual beginning, in one word.
prepare() {
        new_topic "${1:-4}"
        new_db
        shift || true
        configure "$@"
        migrate
}

events() { # COUNT FIRST [SUBJECTS]: JSON lines; a subject's events are numbered in order
        awk -v count="$1" -v first="$2" -v subjects="${3:-16}" 'BEGIN {
                for (i = first; i < first + count; i++)
                        printf "{\"specversion\":\"1.0\",\"id\":\"e-%d\",\"source\":\"/test\",\"type\":\"test.made\"," \
                               "\"subject\":\"s%d\",\"datacontenttype\":\"application/json\",\"data\":{\"n\":%d}}\n", i, i % subjects, i }'
}

event() { # ID TYPE [SUBJECT]: one JSON line
        printf '{"specversion":"1.0","id":"%s","source":"/test","type":"%s","subject":"%s","data":{}}\n' "$1" "$2" "${3:-s0}"
}
expect() { printf '%s\n' "$@" >>produced; }

emit() { "$WEIR" emit -c "$config" --topic "$topic" --key-from subject "$@" >>emit.log 2>&1; }

produce() {
        events "$1" "${2:-1}" "${3:-16}" | emit
        expect_events "$@"
}
expect_events() { awk -v count="$1" -v first="${2:-1}" 'BEGIN { for (i = first; i < first + count; i++) print "e-" i }' >>produced; }

# COUNT FIRST PARTITION [OPTION..]: structured events by the test's own producer: times, transactions, one partition
put() {
        events "$1" "$2" 1 | kafkactl produce "$topic" "$3" -h content-type=application/cloudevents+json "${@:4}"
}

weir_start() {
        local name=$1
        shift
        [ -z "${pid[$name]:-}" ] || fail "weir $name runs already"
        "$WEIR" run -c "$config" "$@" >>"$name.log" 2>&1 &
        pid[$name]=$!
}

children() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; }
worker_of() { # NAME [WORKER]: the process in which it works
        local process
        for process in $(children "${pid[$1]}"); do
                ! tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null | grep -q -- "--as ${2:-audit}[ :]" || echo "$process"
        done
}
# PROCESS VmHWM|VmRSS|Threads: bytes, or a number
in_status() { awk -v key="$2:" '$1 == key { print $3 == "kB" ? $2 * 1024 : $2 }' "/proc/$1/status"; }
weir_stop() { # KILL means all of its processes: what is left to die by itself is another test
        local family="${pid[$1]}"
        [ "${2:-TERM}" != KILL ] || family="$family $(children "${pid[$1]}")"
        # shellcheck disable=SC2086 # several
        kill -"${2:-TERM}" $family 2>/dev/null || true
        status=0
        wait "${pid[$1]}" 2>/dev/null || status=$?
        unset "pid[$1]"
}

weir_kill() { weir_stop "$1" KILL; }
weir_at() { # NAME FAILPOINT:ACTION: start it so; alone, since a supervisor would start it again
        export WEIR_FAILPOINT=$2
        weir_start "$1" --alone
        unset WEIR_FAILPOINT
}
weir_dies() {
        weir_at "$1" "$2:kill:${3:-1}"
        within 40s weir_stopped "$1" || fail "weir $1 does not come to $2"
        weir_stop "$1"
        equal "end at $2" 137 "$status"
}
stopped_at() { [ "$(awk '/^State:/ { print $2 }' "/proc/${pid[$1]}/status")" = T ]; }
weir_halts() {
        weir_at "$1" "$2:stop:${3:-1}"
        within 40s stopped_at "$1" || fail "weir $1 does not come to $2"
}
weir_goes_on() { kill -CONT "${pid[$1]}"; }

gate() { sql "insert into probe.gate values ('$1', '${2:-retry}') on conflict (id) do update set answer = excluded.answer"; }
gate_open() { sql 'delete from probe.gate'; }
dlq() { "$WEIR" dlq "$1" -c "$config" "${@:2}"; }
dlq_dies() { # FAILPOINT[:kill:N] VERB..
        status=0
        WEIR_FAILPOINT=$1 dlq "${@:2}" >>dlq.log 2>&1 || status=$?
        equal "end at $1" 137 "$status"
}
# "applied39 kept1": dead letters by state
letters() { sql "select state || count(*) from weir.dead_letter ${1:+where $1} group by state order by 1" | xargs; }
calls() { awk -v id="$1" '$1 == id' calls.txt 2>/dev/null | wc -l; }

# Each of the ids produced came into effect once, or is kept once; none both; claims are effects.
check_decided_once() {
        local table=${1:-probe.event}
        wait_caught_up
        LC_ALL=C sort -u produced >distinct.txt
        sql "select id from $table union all select event_id from weir.dead_letter where state = 'kept'" | LC_ALL=C sort >decided.txt
        diff distinct.txt decided.txt >decided.diff || fail "not decided once: $(head -5 decided.diff | xargs)"
        equal 'parked' 0 "$(rows weir.parked)"
        equal 'attempts left' 0 "$(rows weir.attempt)"
        equal 'claims against effects' "$(rows "$table")" "$(rows weir.claim)"
        equal 'holes in the trail that no operator made' 0 "$(sql "select count(*) from (select position, first_offset,
                lag(next_offset) over (partition by position order by id) before from weir.batch) t where before <> first_offset
                and not exists (select from weir.position_change c where c.position = t.position and c.before = t.before and c.after = first_offset)")"
        equal 'claims against the trail' "$(sql "select sum(fresh) from weir.batch")" "$(sql 'select count(*) from weir.claim')"
        commits_behind || fail 'a committed offset is ahead of its position'
}
weir_stopped() { gone "${pid[$1]}"; }
logged() { grep -qE "$2" "$1.log"; }


receiver_start() {
        local name=$1
        shift
        port[$name]=${port[$name]:-$(free_port)}
        rm -f "$name.port"
        python3 "$SUPPORT/receiver.py" "$name.requests" "$name.control" --port "${port[$name]}" "$@" >"$name.port" 2>>"$name.log" &
        pid[$name]=$!
        touch "$name.requests"
        within 20s test -s "$name.port" || fail "the receiver $name does not start"
}
receiver_stop() { weir_kill "$1"; }
receiver_tell() {
        printf '%s' "$2" >"$1.control.new"
        mv "$1.control.new" "$1.control"
}
received() {
        python3 - "$1.requests" "$2" "${3:-True}" <<'PY'
import json, sys
expression, condition = (compile(text, text, "eval") for text in sys.argv[2:4])
for line in open(sys.argv[1], encoding="utf-8"):
    if line.endswith("\n"):
        r = json.loads(line)
        names = {"r": r, "h": {k.lower(): v for k, v in r["headers"]}, "body": r["body"], "json": json}
        if eval(condition, names):
            print(eval(expression, names))
PY
}
received_count() { received "$1" 1 "${2:-True}" | wc -l; }
received_at_least() { [ "$(received_count "$1" "${3:-True}")" -ge "$2" ]; } # NAME COUNT [CONDITION]

halted() { logged "$1" "event=lane.halted .*partition=$2 .*$3.*weir position set "; }
resolve() {
        local line
        line=$(grep "event=lane.halted .*partition=$2 " "$1.log" | tail -n 1 |
                grep -oE 'weir position set [a-z0-9_]+ [a-zA-Z0-9._-]+/[0-9]+ [0-9]+ --reason [a-z]+') || fail "partition $2: no way out is named"
        echo "$line"
        read -ra line <<<"$line"
        "$WEIR" "${line[@]:1}"
}

slow() {
        sql "create or replace function public.slow() returns trigger language plpgsql as 'begin perform pg_sleep($1 / 1000.0); return new; end';
                create or replace trigger slow before insert on weir.batch for each row execute function public.slow()"
}
when() {
        local limit=$((${1%s} * ${TIMEOUT_FACTOR:-1}))
        [ "$(sql "create or replace procedure pg_temp.wait(inout met bool) language plpgsql as \$\$ begin
                for i in 1..$((limit * 500)) loop
                        met := ($2);
                        exit when met;
                        perform pg_sleep(0.002);
                end loop;
        end \$\$; call pg_temp.wait(null)")" = t ]
}
rows() { sql "select count(*) from ${1:-audit.event}"; }
rows_at_least() { [ "$(rows "${2:-audit.event}" 2>/dev/null || echo 0)" -ge "$1" ]; }
positions() { sql "select partition, coalesce(next_offset, 0) from weir.position where topic = '$topic' and worker not like '%@%' order by 1" | tr '|' ' '; }
# What is on its way out of the database: nothing.
relayed() { [ "$(rows weir.outbox)" = 0 ]; }
wait_relayed() { within "${1:-60s}" relayed || fail "$(rows weir.outbox) rows are still in the outbox"; }
records() { kafkactl records "$1"; } # partition offset time key ce_id value

# TOPIC: the events of a key stand in the order in which they were made, repetitions left out
in_order() {
        records "$1" | awk '$5 !~ /^e-/ || $5 in seen { next } { seen[$5] = 1; n = $5; sub(/^e-/, "", n); if (n + 0 <= last[$4] + 0) { print; bad = 1 } last[$4] = n } END { exit bad }'
}
caught_up() { # empty partitions may have no row yet
        local ends
        ends=$(kafkactl ends "$topic" 2>/dev/null | awk '$2 > 0') || return 1
        [ "$ends" = "$(positions 2>/dev/null | awk '$2 > 0')" ]
}
wait_caught_up() { within "${1:-60s}" caught_up || fail "not at the end: log $(kafkactl ends "$topic" | xargs), positions $(positions | xargs)"; }

# For each partition: Kafka's committed offset never stands above the position in PostgreSQL.
commits_behind() {
        kafkactl committed "$topic" "$group" >committed.txt
        positions | awk 'NR == FNR { at[$1] = $2; next } $2 > at[$1] + 0 { print "partition " $1 ": committed " $2 ", position " at[$1] + 0; bad = 1 }
                END { exit bad }' - committed.txt
}
commits_equal() { [ "$(kafkactl committed "$topic" "$group" | awk '$2 > 0')" = "$(positions | awk '$2 > 0')" ]; }

check_exactly_once() {
        local table=${1:-audit.event} distinct applied doubled lost alien
        wait_caught_up
        sql "select id from $table" | LC_ALL=C sort >applied.txt
        LC_ALL=C sort -u produced >distinct.txt
        distinct=$(wc -l <distinct.txt)
        applied=$(wc -l <applied.txt)
        doubled=$(uniq -d applied.txt | wc -l)
        lost=$(LC_ALL=C comm -13 <(uniq applied.txt) distinct.txt | wc -l)
        alien=$(LC_ALL=C comm -23 <(uniq applied.txt) distinct.txt | wc -l)
        printf 'produced %d, distinct %d, applied %d, doubled %d, lost %d, unknown %d\n' "$(wc -l <produced)" "$distinct" \
                "$applied" "$doubled" "$lost" "$alien"
        equal doubled 0 "$doubled"
        equal lost 0 "$lost"
        equal unknown 0 "$alien"
        equal applied "$distinct" "$applied"
        # a transaction is known by its xmin; per partition, later transactions hold later offsets only
        equal 'transactions out of order' 0 "$(sql "select count(*) from (select lo, lag(hi) over (partition by topic, partition order by x) before
                from (select topic, partition, xmin::text::int8 x, min(\"offset\") lo, max(\"offset\") hi from $table group by 1, 2, 3) t) w
                where before >= lo")"
        equal 'holes in the trail' 0 "$(sql "select count(*) from (select first_offset, lag(next_offset) over (partition by position order by first_offset, id) before
                from weir.batch) t where before <> first_offset")"
        equal 'claims against rows' "$(sql "select sum(fresh) from weir.batch")" "$(sql 'select count(*) from weir.claim')"
        commits_behind || fail 'a committed offset is ahead of its position'
}
