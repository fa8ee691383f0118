#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7008 - decode: a conversation line by line; a line that is no request is told from one that is no event
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

good='{"headers":[["ce_specversion","MS4w"],["ce_id","MQ=="],["ce_source","L3M="],["ce_type","dA=="]],"key":null,"value":"aGk="}'
answer='{"ok":true,"mode":"binary","events":[{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"aGk="}]}'
says 0 "$WEIR" decode <<<"$good"
equal 'the answer' "$answer" "$(cat out)"

# each bad line has its own answer, with its number; the good one behind it is decoded
while IFS= read -r line; do
        printf '%s\n%s\n' "$line" "$good" >in
        says 1 "$WEIR" decode <in
        equal "answers to $line" 2 "$(wc -l <out)"
        head -1 out | grep -q '^{"ok":false,"error":"bad-input","reason":"line 1: .*","at":[0-9]*}$' || fail "$line: $(cat out)"
        equal "behind $line" "$answer" "$(tail -1 out)"
done <<'TXT'
nonsense

[]
"text"
{"mode":"mqtt"}
{"mode":7}
{"mode":"kafka","mode":"http"}
{"headers":{}}
{"headers":[["a"]]}
{"headers":[["a","YQ==","b"]]}
{"headers":[["a","%%"]]}
{"headers":[["a",1]]}
{"headers":[[1,"YQ=="]]}
{"headers":[["a\u0000b","YQ=="]]}
{"value":"YQ"}
{"value":1}
{"key":"*"}
{"mode":"kafka","headers":[],"value":null
{"value":null} {"value":null}
{"value":"\ud800"}
TXT
printf '{"note":"\xff"}\n%s' "$good" >in # no UTF-8; and a last line without an end
says 1 "$WEIR" decode <in
equal 'the last line' "$answer" "$(tail -1 out)"
says 0 "$WEIR" decode </dev/null
equal 'nothing in, nothing out' 0 "$(wc -c <out)"
# what is no event is an answer, not a failure
says 0 "$WEIR" decode <<<'{"mode":"kafka","headers":[],"value":"eHl6"}'
has out '"error":"not-a-cloudevent"'
says 0 "$WEIR" decode <<<'{"headers":[["content-type","YXBwbGljYXRpb24vY2xvdWRldmVudHMtYmF0Y2granNvbg=="]],"value":"W10="}'
has out '"error":"unsupported-format"'
says 0 "$WEIR" decode --accept-json-batch <<<'{"headers":[["content-type","YXBwbGljYXRpb24vY2xvdWRldmVudHMtYmF0Y2granNvbg=="]],"value":"W10="}'
equal 'an empty batch' '{"ok":true,"mode":"batch","events":[]}' "$(cat out)"

# every vector that holds a message has one answer, and an answer is there before the next line is asked
grep -hv '"mode":"\(encode-\|dedup\|webhook-\)' "$ROOT"/tests/vectors/*.jsonl >vectors.jsonl
says 0 "$WEIR" decode <vectors.jsonl
equal 'answers' "$(wc -l <vectors.jsonl)" "$(grep -c '^{"ok":\(true,"mode"\|false,"error"\):' out)"
coproc talk { "$WEIR" decode; }
for _ in 1 2 3; do
        printf '%s\n' "$good" >&"${talk[1]}"
        IFS= read -r -t 20 reply <&"${talk[0]}"
        equal 'in conversation' "$answer" "$reply"
done
says 2 "$WEIR" decode file.jsonl
status=0
"$WEIR" decode >/dev/full 2>err <<<"$good" || status=$?
equal 'a full disk' 1 "$status"
