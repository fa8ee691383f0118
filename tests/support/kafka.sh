#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# kafka - a throwaway Apache Kafka of one node (KRaft) in one directory
#
#   kafka.sh prepare       jars, class-data archive and a formatted data directory in $B/kafka, once
#   kafka.sh start DIR [PORT]   prints the bootstrap address when the broker answers. With a PORT, that of a proxy, there is a
#                          second listener, on the port in DIR/behind, and who comes through it is told to come through PORT
#   kafka.sh cluster DIR N      N brokers in DIR/1 .. DIR/N, each also a controller; what is written is in all of them. Each is
#                          killed, stopped and started by its own directory
#   kafka.sh kill DIR      SIGKILL; start brings it back on the same port with its data
#   kafka.sh stop DIR      orderly
#
# In DIR: address pid properties log data/.
#
# Jars     come through mvn, as the machine's own settings say where from; the copies stay in $B.
# Start    0.8 s instead of 3: only the classes a broker needs, the C1 compiler, a class-data archive (hence
#          the sorted class path: in another order the archive is refused) and a copied, formatted log.
# Sessions the broker forgets its own former self after 1 s instead of 9: else every restart waits that long. Where a machine has
#          so much to do that a healthy broker is taken for dead, BROKER_SESSION_MS=5000.
# /tmp     stays empty: no perf data file, and the codecs' native parts are unpacked below DIR.
set -euo pipefail
# shellcheck source=tests/support/common.sh
. "$(dirname "$0")/common.sh"
support=$(cd "$(dirname "$0")" && pwd -P)
home=$(directory "${B:-$support/../../build}/kafka")

java_flags=(-Xmx256m -Xss512k -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData)
class_path() { find "$home/libs" -name '*.jar' | LC_ALL=C sort | tr '\n' ':'; }

fetch() {
        local tmp=$home/tmp
        mkdir -p "$tmp"
        echo "kafka.sh: fetching the broker's jars (once)" >&2
        # what mvn makes of MAVEN_OPTS ends at a blank of the path; the JVM itself reads quotes
        JDK_JAVA_OPTIONS="-XX:-UsePerfData \"-Djava.io.tmpdir=$tmp\" ${JDK_JAVA_OPTIONS:-}" mvn -q -B -f "$support/pom.xml" \
                -Dmaven.repo.local="$home/../m2" dependency:copy-dependencies \
                -DoutputDirectory="$home/libs.new" >"$home/mvn.log" 2>&1 ||
                { tail -n 20 "$home/mvn.log" >&2; die "mvn could not fetch the jars, see above and $home/mvn.log"; }
        rm -rf "$home/libs" "$tmp"
        mv "$home/libs.new" "$home/libs"
}

# DIR BROKER_PORT CONTROLLER_PORT; more by variables: proxy and behind (ports), node and voters and copies (of a cluster)
properties() {
        cat <<TXT
process.roles=broker,controller
node.id=${node:-1}
controller.quorum.voters=${voters:-1@127.0.0.1:$3}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3${behind:+,BEHIND://127.0.0.1:$behind}
advertised.listeners=PLAINTEXT://127.0.0.1:$2${behind:+,BEHIND://127.0.0.1:$proxy}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$1/data
num.partitions=4
auto.create.topics.enable=true
delete.topic.enable=true
default.replication.factor=${copies:-1}
min.insync.replicas=$((${copies:-1} / 2 + 1))
offsets.topic.num.partitions=1
offsets.topic.replication.factor=${copies:-1}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=${copies:-1}
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=${BROKER_SESSION_MS:-1000}
broker.heartbeat.interval.ms=100
log.cleaner.dedupe.buffer.size=2097152
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=100
TXT
}

run() { # DIR ARCHIVE-FLAG: becomes the broker
        local dir=$1
        mkdir -p "$dir/tmp"
        exec java "${java_flags[@]}" "$2" -Xshare:auto -Djava.io.tmpdir="$dir/tmp" \
                -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
                -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
                -cp "$(class_path)" kafka.Kafka "$dir/properties"
}

started() { # bytes of the log that belong to former runs
        gone "$pid" || tail -c +$(($2 + 1)) "$1/log" | grep -q 'Kafka Server started'
}

launch() { # DIR ARCHIVE-FLAG: sets pid; 0 when the broker is up
        local dir=$1 before
        touch "$dir/log"
        before=$(wc -c <"$dir/log")
        # its own session: Ctrl-C reaches the caller, who then stops the broker in order
        setsid "$0" run "$dir" "$2" </dev/null >>"$dir/log" 2>&1 7>&- &
        pid=$!
        printf '%s\n' "$pid" >"$dir/pid"
        within 60s started "$dir" "$before" || { kill -KILL "$pid"; return 1; }
        alive "$pid"
}

# what is there was made of this list of jars
is_ready() { cksum <"$support/pom.xml" | cmp -s - "$home/ready"; }

prepare() {
        local dir=$home/template pid
        is_ready && return 0
        # two that start at once on a new machine: the second finds all done
        exec 7>"$home/lock"
        command -v flock >/dev/null && flock 7
        is_ready && return 0
        command -v java >/dev/null || die "no java: run make deps-test"
        fetch
        rm -rf "$dir" "$home/kafka.jsa"
        mkdir -p "$dir"
        properties "$dir" "$(free_port)" "$(free_port)" >"$dir/properties"
        java "${java_flags[@]}" -cp "$(class_path)" kafka.tools.StorageTool format \
                -t "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^/AAAA/' | cut -c1-22)" \
                -c "$dir/properties" >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; die "format failed"; }
        cp -R "$dir/data" "$home/formatted.new"
        rm -rf "$home/formatted"
        mv "$home/formatted.new" "$home/formatted"
        # the archive only makes starts faster; a JVM that cannot write one still runs brokers
        launch "$dir" "-XX:ArchiveClassesAtExit=$home/kafka.jsa" || { tail -n 20 "$dir/log" >&2; die "no start"; }
        kill -TERM "$pid"
        within 60s gone "$pid" || kill -KILL "$pid"
        rm -rf "$dir"
        cksum <"$support/pom.xml" >"$home/ready"
        exec 7>&-
}

start() { # DIR [PROXY_PORT]
        local dir=$1 port controller try pid proxy=${2:-} behind=
        prepare
        if [ -e "$dir/pid" ] && alive "$(cat "$dir/pid")"; then
                die "$dir: a broker runs already, process $(cat "$dir/pid")"
        fi
        [ -e "$dir/data" ] || cp -R "$home/formatted" "$dir/data"
        for try in 1 2 3; do
                if [ ! -e "$dir/address" ]; then
                        port=$(free_port) controller=$(free_port)
                        [ -z "$proxy" ] || behind=$(free_port)
                        [ -z "$behind" ] || printf '%s\n' "$behind" >"$dir/behind"
                        properties "$dir" "$port" "$controller" >"$dir/properties"
                fi
                launch "$dir" "-XX:SharedArchiveFile=$home/kafka.jsa" && break
                if [ -e "$dir/address" ] || [ "$try" = 3 ]; then
                        tail -n 30 "$dir/log" >&2
                        die "the broker did not start, see above and $dir/log"
                fi
        done
        [ -e "$dir/address" ] || printf '127.0.0.1:%s\n' "$port" >"$dir/address"
        cat "$dir/address"
}

# A node answers only when most of them are there, so all are launched before one is waited for.
cluster() { # DIR N
        local home_dir=$1 count=$2 node voters='' copies=$2 port i started=()
        local ports=() controllers=()
        prepare
        for ((i = 0; i < count; i++)); do
                ports+=("$(free_port)") controllers+=("$(free_port)")
                voters=$voters${voters:+,}$((i + 1))@127.0.0.1:${controllers[i]}
        done
        for ((i = 0; i < count; i++)); do
                node=$((i + 1))
                mkdir -p "$home_dir/$node"
                cp -R "$home/formatted" "$home_dir/$node/data"
                # a directory has a name of its own: 16 random bytes, as the broker writes them
                sed -i -e "s/^node.id=.*/node.id=$node/" \
                        -e "s/^directory.id=.*/directory.id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c1-22)/" \
                        "$home_dir/$node/data/meta.properties"
                properties "$home_dir/$node" "${ports[i]}" "${controllers[i]}" >"$home_dir/$node/properties"
                printf '127.0.0.1:%s\n' "${ports[i]}" >"$home_dir/$node/address"
                start "$home_dir/$node" >/dev/null &
                started+=($!)
        done
        for i in "${started[@]}"; do wait "$i" || die "a broker of $home_dir did not start"; done
        cat "$home_dir"/*/address | paste -sd,
}

end() { # DIR SIGNAL
        local dir=$1 pid
        [ -e "$dir/pid" ] || return 0
        pid=$(cat "$dir/pid")
        # a recycled number must not cost a stranger its life
        if alive "$pid" && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "kafka.Kafka $dir/properties"; then
                kill -"$2" "$pid"
                within 20s gone "$pid" || kill -KILL "$pid"
                within 5s gone "$pid" || die "process $pid does not end"
        fi
        rm -f "$dir/pid"
}

case ${1:-}:${2:-} in
        prepare:) prepare ;;
        start:?*) start "$(directory "$2")" "${3:-}" ;;
        cluster:?*) cluster "$(directory "$2")" "${3:-3}" ;;
        kill:?*) end "$(directory "$2")" KILL ;;
        stop:?*) end "$(directory "$2")" TERM ;;
        run:?*) run "$2" "$3" ;;
        *) die "usage: kafka.sh prepare | start DIR [PORT] | cluster DIR N | kill DIR | stop DIR" ;;
esac
