#!/bin/sh
# SPDX-License-Identifier: MIT
# layers [ROOT] - no include points up, and each foreign library is included in its one folder only
#
# base < conf < event < kafka, store < flow, side, plugin < admin < runtime < cmd. kafka and store are
# neighbours that may not know each other; flow, side and plugin may. Plugins and public headers see <weir/...>
# and the C library, nothing else. The text of the include lines is read, not what the compiler makes of
# them: an include inside a false #if is a mistake too.
set -eu
cd "${1:-.}"
find lib cmd include workers examples -name '*.[ch]' -o -name '*.inc' 2>/dev/null | LC_ALL=C sort | xargs grep -nE '^([^"]*[*]/)?[[:space:]]*(#|%:|[?][?]=)[[:space:]]*(/[*].*[*]/)?[[:space:]]*(include|import|[a-z]*\\\\$)' /dev/null |
awk -v runtime="$(find lib -maxdepth 1 -name '*.h' | tr '\n' ' ')" '
BEGIN {
        split("base 1 conf 2 event 3 kafka 4 store 4 flow 5 side 5 plugin 5 guard 5 admin 6 runtime 7 cmd 8", pair, " ")
        for (i = 1; i in pair; i += 2)
                rank[pair[i]] = pair[i + 1]
        split("librdkafka kafka rdkafka kafka libpq store postgresql store pg_config store postgres store internal store pgtypes store ecpg store ecpglib store " \
              "libconfig conf cjson event cJSON event openssl base curl side", home, " ")
}
# the folder of a foreign library, by how its headers begin
function home_of(name,    k) {
        for (k = 1; k in home; k += 2)
                if (index(name, home[k]) == 1 && substr(name, length(home[k]) + 1) ~ /^([^A-Za-z]|$)/)
                        return home[k + 1]
        return ""
}
function bad(why) { printf "%s:%s: %s: %s\n", file, line, name, why; wrong++ }
{
        file = $0; sub(/:.*/, "", file)
        line = $0; sub(/^[^:]*:/, "", line); sub(/:.*/, "", line)
        name = $0; sub(/^[^:]*:[^:]*:/, "", name); match(name, /(include|import)([ \t]|\/[*].*[*]\/)*/); name = substr(name, RSTART + RLENGTH)
        if (name !~ /^[<"]/) {
                bad("spell it out: what a macro includes cannot be read here")
                next
        }
        quoted = name ~ /^"/
        name = substr(name, 2); sub(/[>"].*/, "", name)
        n = split(file, part, "/"); split(name, to, "/")
        layer = part[1] == "lib" ? (n > 2 ? part[2] : "runtime") : part[1]
        includes++
        if (name ~ /(^|\/)\.\.?\// || name ~ /^\//)
                bad("no . or .. or path from the root in an include: name it from lib/ or include/")
        if (!quoted && (to[1] in rank && name ~ /\// || index(" " runtime, " lib/" name " ")))
                quoted = 1 # ours in angle brackets: -Ilib finds it too
        if (home_of(name) && !quoted) {
                if (part[1] != "lib" || home_of(name) != layer)
                        bad("only lib/" home_of(name) " may include this library")
                next
        }
        if (to[1] == "weir" || !quoted)
                next
        if (part[1] == "include") {
                bad("a public header includes <weir/...> and the C library only")
                next
        }
        if (part[1] == "workers" || part[1] == "examples") {
                if (name ~ /\//)
                        bad("a plugin includes <weir/...>, its own folder and the C library only")
                next
        }
        if (name !~ /\//) {
                if (index(" " runtime, " lib/" name " ") && layer != "runtime" && rank["runtime"] > rank[layer])
                        bad("points up: " layer " < runtime")
                else if (part[1] == "lib" && n > 2)
                        bad("name it from lib/: \"" layer "/" name "\"")
                next
        }
        if (!(layer in rank))
                bad("lib/" layer " is no layer; tests/layers.sh has the list")
        else if (!(to[1] in rank))
                bad("no such layer; tests/layers.sh has the list")
        else if (rank[to[1]] > rank[layer])
                bad("points up: " layer " < " to[1])
        else if (to[1] != layer && rank[to[1]] == 4 && rank[layer] == 4)
                bad(layer " and " to[1] " may not know each other")
}
END {
        if (!includes) {
                print "layers: no include found: is this the top of the tree?"
                exit 2
        }
        if (!wrong)
                printf "layers: %d includes, none points up\n", includes
        exit wrong > 0
}'
