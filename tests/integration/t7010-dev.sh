#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7010 - dev: the five minutes of the README work as printed, and nothing is left, also behind a kill
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

up() {
        "$WEIR" dev --dir place --ready-file ready "$@" >dev.out 2>dev.log &
        pid[dev]=$!
        ready() { [ -e ready ] || gone "${pid[dev]}"; }
        within 60s ready
        [ -e ready ] || fail "dev: $(cat dev.log)"
}
up --topics audit,orders --partitions 2
equal 'noise' 0 "$(wc -c <dev.log)"
brokers=$(sed -n 's/^brokers=//p' ready) config=$(sed -n 's/^config=//p' ready) url=$(sed -n 's/^url=//p' ready)
has dev.out "$brokers"
for step in 'migrate up' run emit tail; do has dev.out "weir $step"; done
equal 'readable by others' 0 "$(find place -perm /077 -not -type d | grep -cv 'weir.cfg\|ready')"

says 1 "$WEIR" dev --dir place
has err 'another '
migrate
says 0 "$WEIR" check --connect -c "$config"
equal 'noise of check' 0 "$(wc -c <err)"
weir_start a
grep -o -- '--topic audit --type .*' dev.out | head -1 >printed
says 0 bash -c "'$WEIR' emit -c '$config' $(cat printed)"
equal 'what emit says' 1 "$(wc -l <err)" # one line: no warnings
has err '1 sent, 1 acknowledged, 0 failed'
within 30s rows_at_least 1
says 0 timeout 20 "$WEIR" tail audit -c "$config" --from earliest --count 1
has out '"name": "Ada"'
equal 'noise of tail' 0 "$(wc -c <err)"
weir_stop a
equal 'exit status of run' 0 "$status"
server=$(sed -n 's/^server_pid=//p' ready)

weir_stop dev
equal 'exit status of dev' 0 "$status"
gone "$server"
[ ! -e place ]
[ ! -e ready ]

# killed: the next one in the same place cleans up behind it
up --no-postgres
weir_kill dev
[ -e place/weir.cfg ]
rm ready
up
server=$(sed -n 's/^server_pid=//p' ready)
weir_kill dev
within 20s gone "$server" # PostgreSQL does not outlive it
rm ready
up --topics other
has place/weir.cfg '"other"'
weir_stop dev INT
equal 'exit status at SIGINT' 0 "$status"
[ ! -e place ]
