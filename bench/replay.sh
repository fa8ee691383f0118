# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # names of run.sh, which sources this
# replay - a range that was handled already, a range of which nothing was, and what a preview of it costs
#
# The live path and the replay of what is missing take turns over the same topic, plugin and tables: the ratio is what
# replaying costs beyond handling. A replay is timed from its plan to its end as its row says, the start of its lanes and
# the final look included; each is checked by what it left behind.

replayed() { # WANTED POLICY..: $rate
        local wanted=$1
        shift
        "$B/weir" replay start audit "$@" --quiet -c "$config" >"$work/replay.out" 2>"$work/replay.log" ||
                { tail -n 20 "$work/replay.log" "$work/replay.out" >&2; die "replay: $*"; }
        [ "$(sql 'select count(*), count(distinct id) from audit.event' | tr '|' ' ')" = "$wanted" ] || die "replay $*: effects are missing or too many"
        rate=$(sql "select round($count / extract(epoch from ended_at - created_at)) from weir.replay order by id desc limit 1")
}

bench_replay() {
        local pair rate count=${EVENTS:-1000000}
        fill 4 replay
        say 'replay: live, all applied, preview, all missing, all again, in turn'
        for ((pair = 0; pair <= pairs; pair++)); do # pair 0 warms up
                sql 'truncate weir.replay, weir.replay_range restart identity'
                run_worker replay-missing "$pair" b audit audit replay4
                replayed "$count $count" --policy missing
                note replay-applied "$pair" a "$rate"
                "$B/weir" replay preview audit --json -c "$config" >"$work/preview.json" 2>/dev/null
                note replay-preview "$pair" a "$(sql "select round($count * 1000.0 / (j->>'read_ms')::int) from (select '$(tr -d "'" <"$work/preview.json")'::jsonb j) t")"
                sql 'truncate audit.event, weir.claim_1'
                sql checkpoint
                replayed "$count $count" --policy missing
                note replay-missing "$pair" a "$rate"
                sql checkpoint
                replayed "$((2 * count)) $count" --policy again --epoch bench
                note replay-again "$pair" a "$rate"
        done
}
