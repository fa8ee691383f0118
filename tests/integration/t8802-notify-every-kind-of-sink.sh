#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8802 - one event to a binary and a structured webhook, a topic and a file; signatures as a receiver checks them
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

printf 'whsec_%s\n' "$(printf 'the first secret' | base64)" >first.secret
printf 'next, as plain text\n' >next.secret
printf 'token-of-ours\n' >token
chmod 600 first.secret next.secret token
new_topic 1
out=$topic
receiver_start r
prepare 2 sandbox= plugin=notify "sinks=
  { name = \"bin\"; url = \"http://127.0.0.1:${port[r]}/bin?q=1\"; allow_plain = true; allow_private = true;
    secret_file = \"first.secret\"; secret_next_file = \"next.secret\"; token_file = \"token\"; },
  { name = \"str\"; url = \"http://127.0.0.1:${port[r]}/str\"; mode = \"structured\"; allow_plain = true; allow_private = true; },
  { name = \"out\"; topic = \"$out\"; }, { name = \"log\"; file = \"out.jsonl\"; }" 'options= rules = (
  { type = "test.*"; to = [ "bin", "str", "out", "log" ]; },
  { extension = { name = "tenant"; value = "acme"; }; to = [ "bin" ]; } );'
weir_start a
printf '%s\n' '{"specversion":"1.0","id":"e.1","source":"/test","type":"test.made","subject":"s1","tenant":"acme","datacontenttype":"application/json","data":{"n":1}}' \
        '{"specversion":"1.0","id":"e-2","source":"/test","type":"other","subject":"s2","tenant":"acme","datacontenttype":"text/plain","data":"äöü"}' \
        '{"specversion":"1.0","id":"e-3","source":"/test","type":"other","subject":"s3","data":{}}' \
        '{"specversion":"1.0","id":"e-4","source":"/test","type":"other","subject":"s4","tenant":"acme"}' | emit
wait_caught_up
within 30s received_at_least r 4 || fail "received: $(cat r.requests)"

# one request for each, whichever and however many rules say so; what no rule matches goes nowhere
equal 'to bin' 'POST e.1
POST e-2' "$(received r 'r["method"] + " " + h["ce-id"]' 'r["path"] == "/bin?q=1" and "ce-id" in h' | sort -r)"
equal 'no data, no body: structured' 'e-4 acme' "$(received r '"%(id)s %(tenant)s" % json.loads(body)' \
        'r["path"] == "/bin?q=1" and h["content-type"].startswith("application/cloudevents+json")')"
equal 'to str' 'POST' "$(received r 'r["method"]' 'r["path"] == "/str"')"
first='h.get("ce-id") == "e.1"'
equal 'binary mode' '1.0 /test test.made s1 acme application/json {"n":1}' "$(received r \
        '" ".join([h["ce-specversion"], h["ce-source"], h["ce-type"], h["ce-subject"], h["ce-tenant"], h["content-type"], body])' "$first")"
equal 'structured mode' 'application/cloudevents+json e.1 acme {"n": 1}' "$(received r \
        'h["content-type"].split(";")[0] + " %(id)s %(tenant)s " % json.loads(body) + json.dumps(json.loads(body)["data"])' 'r["path"] == "/str"')"
equal 'token' 'Bearer token-of-ours' "$(received r 'h["authorization"]' "$first")"
equal 'neither token nor signature where there is none' False "$(received r '"authorization" in h or "webhook-signature" in h' 'r["path"] == "/str"')"
equal 'body of text' 'äöü' "$(received r body 'h.get("ce-id") == "e-2"')"

# "id.timestamp.body" under each of the two secrets, by openssl; an id with a full stop would shift the parts
id=$(received r 'h["webhook-id"]' "$first")
time=$(received r 'h["webhook-timestamp"]' "$first")
[[ -n $id && $id != *.* ]] || fail "webhook-id '$id'"
age=$(($(date +%s) - time))
[ "${age#-}" -le 60 ] || fail "webhook-timestamp $time is $age s old"
sign() { printf '%s.%s.%s' "$id" "$time" '{"n":1}' | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')" -binary | base64; }
equal 'signatures' "v1,$(sign 'the first secret') v1,$(sign 'next, as plain text')" "$(received r 'h["webhook-signature"]' "$first")"

within 30s test -s out.jsonl
equal 'file' 'e.1 test.made {"n": 1}' "$(python3 -c 'import json
for line in open("out.jsonl"): e = json.loads(line); print(e["id"], e["type"], json.dumps(e["data"]))')"
equal 'topic' '"e.1" "test.made" "acme"' "$("$WEIR" tail "$out" -c "$config" --from earliest --count 1 --json |
        python3 -c 'import json, sys; e = json.loads(sys.stdin.readline()); print(json.dumps(e["id"]), json.dumps(e["type"]), json.dumps(e["tenant"]))')"
wait_relayed 30s
weir_stop a
equal 'exit status' 0 "$status"
! grep -qE 'token-of-ours|first secret|as plain text' a.log || fail 'a secret is in the log'
