#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7007 - tail: from anywhere, in both forms, of any sender, with what is no event and without a trace
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

new_topic 1
url=postgresql:///none
configure
sed -i 's/; password_file = "password"//' "$config"
show() { "$WEIR" tail "$topic" -c "$config" "$@"; }
ids() { show --json --exit-at-end "$@" | sed 's/.*"id":"\([^"]*\)".*/\1/' | xargs; }
put() { kcat -b "$KAFKA" -t "$topic" -p 0 -P "$@"; }
ce=(-H ce_specversion=1.0 -H ce_source=/sdk -H ce_type=made)

# the seeds' form, to the letter
says 0 "$WEIR" emit -c "$config" --topic "$topic" --type user.storeUser --source github.com/eminetto/post-cloudevents \
        --id 5190bc29 --time 2024-11-28T18:53:17.474154Z --data '{"id":"8aadf8c5"}'
show --from earliest --exit-at-end >out
cat >wanted <<'TXT'
Context Attributes,
  specversion: 1.0
  type: user.storeUser
  source: github.com/eminetto/post-cloudevents
  id: 5190bc29
  time: 2024-11-28T18:53:17.474154Z
  datacontenttype: application/json
Data,
  {
    "id": "8aadf8c5"
  }
TXT
diff wanted out

# as the official SDKs write them
printf 'g:\n' | put -Z -K: "${ce[@]}" -H ce_id=go-no-data # Go and Java: null
printf '{"a":1}' | put "${ce[@]}" -H ce_id=java-vendor -H 'content-type=application/vnd.x+json' -H ce_partitionkey=p -k p
printf '{"a": "\\u00e9"}' | put "${ce[@]}" -H ce_id=python -H content-type=application/json -H ce_flag=True -H ce_time=2026-01-31T08:00:00+00:00
printf 'x' | put "${ce[@]}" -H ce_id=js -H 'content-type=text/plain' -H 'ce_datacontenttype=text/plain'
printf '{"specversion":"1.0","id":"js-structured","source":"/sdk","type":"made","datacontenttype":"application/json","data":{"a":1}}' |
        put -H 'content-type=application/cloudevents+json; charset=utf-8'
printf '{"specversion":"1.0","id":"csharp","source":"/sdk","type":"made","data_base64":"AAEC"}' |
        put -H 'content-type=application/cloudevents+json' -H ce_specversion=1.0 -H ce_id=csharp
printf '\x01\x02\xff' | put "${ce[@]}" -H ce_id=bytes -H content-type=application/octet-stream
printf 'evil\x1b[31m\x07' | put "${ce[@]}" -H ce_id=text -H content-type=text/plain
# no events
printf 'plain' | put -k 'some key' -H x=y
printf '{"specversion":"1.0"' | put -H content-type=application/cloudevents+json
printf '[]' | put -H content-type=application/cloudevents-batch+json
printf last | put "${ce[@]}" -H ce_id=last

show --from earliest --exit-at-end --json >out 2>err
equal 'log lines' 0 "$(wc -c <err)"
equal 'records' 13 "$(wc -l <out)"
for id in 5190bc29 go-no-data java-vendor python js js-structured csharp bytes text last; do
        equal "event $id" 1 "$(grep -c "^{\"specversion\":\"1.0\",\"id\":\"$id\"" out)"
done
has out '"id":"go-no-data","source":"/sdk","type":"made","data_base64":null'
has out '"data_base64":"AQL/"' # bytes
has out '"data_base64":"AAEC"' # csharp
has out '"datacontenttype":"application/vnd.x+json","partitionkey":"p","data_base64":"eyJhIjoxfQ==","record":{"topic":"'"$topic"'","partition":0,"offset":2,'
has out '"key_base64":"cA=="'
has out '{"ok":false,"error":"not-a-cloudevent"'
has out '{"ok":false,"error":"bad-json"'
has out '{"ok":false,"error":"unsupported-format"'
sql_json() { url=$PG psql -XqAt -v ON_ERROR_STOP=1 -v text="$1" "$PG" <<<"select jsonb_typeof(:'text'::jsonb)"; }
while IFS= read -r line; do equal 'each line is JSON' object "$(sql_json "$line")"; done <out
show --from earliest --exit-at-end >out
has out 'not an event: not-a-cloudevent at byte 0'
has out "$topic/0 offset 9"
has out 'key some key'
equal 'control characters reach no terminal' 0 "$(LC_ALL=C tr -d '\n\t -~\200-\377' <out | wc -c)"

# from where
equal 'from an offset' 'text' "$(ids --from offset:8 --count 1)"
equal 'from a number' 'bytes text' "$(ids --from 7 --count 2 --partition 0)"
equal 'from latest' '' "$(ids --from latest)"
time=$(show --from offset:3 --count 1 --json | sed 's/.*"time_ms":\([0-9]*\).*/\1/')
printf -v time '%s.%03dZ' "$(date -u -d "@$((time / 1000))" +%Y-%m-%dT%H:%M:%S)" $((time % 1000))
equal 'from a time' "$(show --from offset:3 --count 1 --json)" "$(show --from "time:$time" --count 1 --json)"
equal 'from the future' '' "$(ids --from 2099-01-01T00:00:00Z)"
equal 'from long ago' 5190bc29 "$(ids --from 2000-01-01T00:00:00Z --count 1)"
says 2 show --from offset:99 --partition 0 --exit-at-end
has err 'which holds 0 to 13'
for from in -1 offset: offset:x time:yesterday 2026-01-31 end; do says 2 show --from "$from" --exit-at-end; done
says 2 show --partition 7 --exit-at-end
says 2 timeout 30 "$WEIR" tail "$topic-typo" -c "$config" --exit-at-end
if kafkactl ends "$topic-typo" >ends.log 2>&1; then fail 'tail made a topic'; fi
says 1 timeout 40 "$WEIR" tail "$topic" -b 127.0.0.1:1 --exit-at-end
has err 'Connection refused'

# how it ends: a count, an order, a reader that had enough, a full disk
says 0 timeout 20 "$WEIR" tail "$topic" -c "$config" --from earliest --count 3 --json
equal 'counted' 3 "$(wc -l <out)"
for signal in INT TERM; do
        "$WEIR" tail "$topic" -c "$config" --from earliest --json >follow.out 2>follow.err &
        tail=$!
        followed() { [ "$(wc -l <follow.out)" -ge 13 ]; }
        within 20s followed # all is on the screen while it waits
        kill "-$signal" "$tail"
        status=0
        wait "$tail" || status=$?
        equal "exit status at SIG$signal" 0 "$status"
        equal "errors at SIG$signal" 0 "$(wc -c <follow.err)"
done
{
        status=0
        timeout 20 "$WEIR" tail "$topic" -c "$config" --from earliest --json 2>err || status=$?
        echo "$status" >status.txt
} | head -1 >out
equal 'a reader that had enough' '0 1' "$(cat status.txt) $(wc -l <out)"
equal 'what was said about it' 0 "$(wc -c <err)"
status=0
timeout 20 "$WEIR" tail "$topic" -c "$config" --from earliest --exit-at-end >/dev/full 2>err || status=$?
equal 'a full disk' 1 "$status"
has err 'No space left'

# no group, no offset, no trace
equal 'committed by tail' '' "$(kafkactl committed "$topic" "$group" 2>/dev/null | awk '$2 > 0')"
