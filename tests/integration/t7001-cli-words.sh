#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7001 - every command teaches, names the near word for a wrong one, and never loses output in silence
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

commands=(run check migrate position claims emit tail decode dev config version)
for command in "${commands[@]}"; do
        says 0 "$WEIR" "$command" --help
        has out "usage: weir $command"
        has out example
        equal "$command --help on standard error" 0 "$(wc -c <err)"
        cp out help.txt
        says 0 "$WEIR" help "$command"
        cmp out help.txt
        says 2 "$WEIR" "$command" --halp
        has err 'did you mean --help?'
        has err "try 'weir $command --help'"
        says 2 "$WEIR" "$command" -Q
        has err 'no option -Q'
        # output that cannot be written is a failure, whatever the command was
        status=0
        "$WEIR" "$command" --help >/dev/full 2>err || status=$?
        equal "$command --help to a full disk" 1 "$status"
        has err 'No space left'
        status=0
        "$WEIR" "$command" --help >&- 2>err || status=$?
        equal "$command --help to a closed output" 1 "$status"
done
says 2 "$WEIR" chekc
has err "did you mean 'weir check'?"
says 2 "$WEIR" quux
has err "no command 'quux'"
says 2 "$WEIR" --hlp
says 2 "$WEIR"
has err 'usage: weir COMMAND'
says 0 "$WEIR" help
for command in "${commands[@]}"; do has out "  $command "; done
says 2 "$WEIR" config shwo
has err 'did you mean show?'
says 2 "$WEIR" tail --json=yes x
has err 'option --json takes no value'
says 2 "$WEIR" run -c
has err 'option -c needs a value'
says 2 "$WEIR" version now
says 0 "$WEIR" version --json
for key in weir plugin_abi librdkafka libpq cjson libconfig; do has out "\"$key\":"; done
says 0 "$WEIR" config reference
diff out "$ROOT/config/reference.cfg"
says 0 "$WEIR" config explain workers.batch.linger auto.offset.reset
has out 'How long a batch'
has out 'weir never lets the library choose where to read'
says 2 "$WEIR" config explain workers.batch.lnger
has out 'did you mean workers.batch.linger?'
for number in '' 0 65 +4 ' 4' 4x 0x4 99999999999999999999; do
        says 2 "$WEIR" dev --partitions "$number"
done
