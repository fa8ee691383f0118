#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers-test - plant one bad include of each kind in a copy of a small tree: layers.sh must name each of them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
mkdir -p "${B:-build}"
tree=$(mktemp -d "${B:-build}/layers.XXXXXX")
trap 'rm -rf "$tree"' EXIT
passed=0 failed=0

plant() { # FILE INCLUDE EXPECTED: "" = must be accepted
        local out
        rm -rf "${tree:?}"/*
        mkdir -p "$tree"/lib/{base,conf,event,kafka,store,flow,side,plugin,admin} "$tree"/{cmd,include/weir,workers/a,examples/b}
        touch "$tree/lib/runtime.h"
        printf '#include <stdio.h>\n' >"$tree/lib/base/fine.c"
        printf '/* one line before */\n%s%s %s\n' "${hash:-#}" "${directive:-include}" "$2" >"$tree/$1"
        out=$(sh "$here/layers.sh" "$tree") && status=0 || status=$?
        if [ -z "$3" ] && [ "$status" = 0 ]; then
                passed=$((passed + 1))
        elif [ -n "$3" ] && [ "$status" = 1 ] && [[ $out == "$1:2: "*"$3"* ]]; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'layers-test: #include %s in %s: wanted "%s", got (exit %s) %s\n' "$2" "$1" "${3:-accepted}" "$status" "$out" >&2
        fi
}

plant lib/base/a.c '"conf/conf.h"' 'points up: base < conf'
plant lib/conf/a.c '"event/json.h"' 'points up'
plant lib/event/a.h '"store/pg.h"' 'points up'
plant lib/kafka/a.c '"flow/lane.h"' 'points up'
plant lib/store/a.c '"plugin/tx.h"' 'points up'
plant lib/flow/a.c '"admin/http.h"' 'points up'
plant lib/flow/a.c '"runtime.h"' 'points up'
plant lib/runtime.c '"cmd/cmd.h"' 'points up'
plant lib/kafka/a.c '"store/pg.h"' 'may not know each other'
plant lib/store/a.c '  "kafka/reader.h"' 'may not know each other'
plant lib/flow/a.c '<librdkafka/rdkafka.h>' 'only lib/kafka'
plant cmd/a.c '<libpq-fe.h>' 'only lib/store'
plant lib/kafka/a.c '<libconfig.h>' 'only lib/conf'
plant lib/plugin/a.h '<cjson/cJSON.h>' 'only lib/event'
plant lib/store/a.c '<openssl/evp.h>' 'only lib/base'
plant workers/a/a.c '<libpq-fe.h>' 'only lib/store'
plant workers/a/a.c '"store/pg.h"' 'a plugin includes'
plant examples/b/b.c '"base/error.h"' 'a plugin includes'
plant include/weir/a.h '"base/error.h"' 'a public header'
plant include/weir/a.h '<cjson/cJSON.h>' 'only lib/event'
plant lib/flow/a.c '"lane.h"' 'name it from lib/'
plant lib/flow/a.c '"../store/pg.h"' 'no . or ..'
plant lib/flow/a.c '"misc/x.h"' 'no such layer'
plant lib/base/a.c '<store/pg.h>' 'points up'
plant lib/flow/a.c '<runtime.h>' 'points up'
plant lib/flow/a.c '<libpq-events.h>' 'only lib/store'
plant lib/flow/a.c '<libpq/libpq-fs.h>' 'only lib/store'
plant lib/flow/a.c 'LIBRARY' 'spell it out'
hash='%:' plant lib/base/a.c '<librdkafka/rdkafka.h>' 'only lib/kafka'
hash='/* x */ #' plant lib/base/a.c '<libpq-fe.h>' 'only lib/store'
directive=import plant lib/base/a.c '<libpq-fe.h>' 'only lib/store'
plant lib/flow/a.c '"store/pg.h"' ''
plant lib/flow/a.c '"plugin/tx.h"' ''
plant lib/store/a.c '<libpq-fe.h>' ''
plant cmd/a.c '"runtime.h"' ''
plant cmd/a.c '"cmd.h"' ''
plant workers/a/a.c '<weir/worker.h>' ''
printf 'layers: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
