#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7002 - every mistake of a configuration is told at once, by line and key, and nothing in it can end the reader
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

cat >bad.cfg <<'TXT'
kafka = {
  brokers = "127.0.0.1";
  broker = "x";
  properties = [ "enable.auto.commit=true", "auto.offset.reset=earliest",
                 "plugin.library.paths=/x.so", "sasl.password=hunter2", "nonsense" ];
};
store = { url = "postgresql://u:hunter2@h/db";
  connections = 4294967297; };
memory = { queue = "1MB"; };
stop = { deadline = "1s"; drain = "5s"; };
log = { level = "loud"; };
workers = (
  { name = "Audit"; plugin = "audit"; group = ""; topics = [ ]; start = "yesterday";
    batch = { linger = 5; max_events = 0; };
    retry = { first_delay = "1h"; max_delay = "1s"; }; },
  { name = "b"; plugin = "audit"; group = "g"; topics = [ "a b" ]; },
  { name = "b"; plugin = "audit"; group = "g"; topics = [ "x" ]; accept_json_batch = 1; }
);
wrkers = 1;
TXT
for command in check run "migrate up" "config show"; do
        # shellcheck disable=SC2086 # two words
        says 78 "$WEIR" $command -c bad.cfg
        has err 'bad.cfg:3: kafka.broker: unknown key; did you mean kafka.brokers?'
        has err 'bad.cfg:4: kafka.properties: enable.auto.commit is refused: weir commits'
        has err 'bad.cfg:4: kafka.properties: auto.offset.reset is refused: weir never lets the library'
        has err 'plugin.library.paths is refused: loads code'
        has err 'sasl.password is refused: holds a secret'
        has err 'entry 5 is not a string "name=value"'
        has err 'store.url: holds a password'
        has err 'bad.cfg:8: store.connections: 4294967297 is out of range; allowed: 1..256'
        has err 'bad.cfg:9: memory.queue:'
        has err 'bad.cfg:10: stop.drain: drain is 5s and deadline 1s'
        has err 'bad.cfg:11: log.level: "loud" is not one of the choices; allowed: error, warn, info, debug'
        has err 'bad.cfg:13: workers.name: "Audit"'
        has err 'bad.cfg:13: workers.group: is empty'
        has err 'bad.cfg:13: workers.topics: has 0 entries'
        has err 'bad.cfg:13: workers.start: "yesterday"'
        has err 'bad.cfg:14: workers.batch.linger: is a whole number, must be a duration'
        has err 'bad.cfg:14: workers.batch.max_events: 0 is out of range'
        has err 'bad.cfg:15: workers.retry.max_delay:'
        has err 'bad.cfg:16: workers.topics: "a b"'
        has err 'bad.cfg:17: workers.name: b is the name of the worker'
        has err 'bad.cfg:17: workers.accept_json_batch: is a whole number, must be true or false'
        has err 'bad.cfg:19: wrkers: unknown key; did you mean workers?'
        hasnt err hunter2
        equal 'standard output' 0 "$(wc -c <out)"
done

# refuses NAME TEXT WORDS: a file of that text ends every reader in time with 78 and these words
refuses() {
        printf '%b' "$2" >"$1"
        says 78 timeout 20 "$WEIR" check -c "$1"
        has err "$3"
}
refuses directory.cfg '@include "/etc"\n' 'directory.cfg:1: '
refuses outside.cfg '@include "../../../../etc/passwd"\n' 'outside'
refuses cycle-a.cfg '@include "cycle-b.cfg"\n' cycle-b.cfg
refuses cycle-b.cfg '@include "cycle-a.cfg"\n' 'cycle-a.cfg:1: syntax: @include "cycle-b.cfg" includes itself'
refuses self.cfg '@include "self.cfg"\n' 'includes itself'
mkfifo fifo
refuses fifo.cfg '@include "fifo"\n' 'is a FIFO, must be a regular file'
ln -s /etc/hostname link.cfg
refuses linked.cfg '@include "link.cfg"\n' outside
refuses open.cfg 'kafka = {\n  brokers = "a:1"\n' 'open.cfg:1: syntax:'
refuses nul.cfg 'kafka = { };\0' 'NUL byte'
refuses wrap.cfg 'memory = { queue = 99999999999999999999; };\n' 'out of range'
refuses hex.cfg 'store = { connections = 0x100000001L; };\n' 'store.connections'
refuses empty.cfg '' 'kafka.brokers: is missing'
has err 'store.url: is missing'
has err 'workers: is missing'
says 78 timeout 20 "$WEIR" check -c fifo
says 78 timeout 20 "$WEIR" check -c /dev/zero
says 78 "$WEIR" check -c /etc
says 78 "$WEIR" check -c nowhere.cfg
has err 'nowhere.cfg'
says 78 env WEIR_CONFIG=elsewhere.cfg "$WEIR" check
has err 'elsewhere.cfg'
