#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t8801 - what could not work is refused at the start, with file and line; the example is a valid file
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

cp "$ROOT/config/notify.cfg" example.cfg
"$WEIR" check -c example.cfg >check.txt || fail "the example: $(cat check.txt)"
grep -q 'ok .*worker notify .*plugin notify ' check.txt

prepare 1 plugin=notify 'sinks={ name = "a"; topic = "a"; }' 'options=
  rules = ( { type = "user.*"; to = [ "a" ]; },
            { type = ""; to = [ "b" ]; } );'
rule_line=$(grep -n 'type = ""' weir.cfg | cut -d: -f1)
status=0
timeout 30 "$WEIR" run -c "$config" >bad.txt 2>&1 || status=$?
equal 'exit status of bad rules' 78 "$status"
grep -qF "weir.cfg:$rule_line: options.rules.[1].type: is empty" bad.txt || fail "$(cat bad.txt)"
grep -qF "weir.cfg:$rule_line: options.rules.[1].to.[0]: there is no sink b" bad.txt || fail "$(cat bad.txt)"

# check says the same without a server, and run before it waits for one
sed -i "s|^store = .*|store = { url = \"postgresql://weir@127.0.0.1:1/none\"; password_file = \"password\"; };|" "$config"
says 78 "$WEIR" check -c "$config"
has out "weir.cfg:$rule_line: options.rules.[1].to.[0]: there is no sink b"
says 78 timeout 30 "$WEIR" run -c "$config"
has err "weir.cfg:$rule_line: options.rules.[1].to.[0]: there is no sink b"
hasnt err store.unreachable

configure plugin=notify 'sinks={ name = "a"; topic = "a"; }' 'options=
  rules = ( { tpye = "user.*"; to = [ "a" ]; } );'
status=0
timeout 30 "$WEIR" run -c "$config" >bad.txt 2>&1 || status=$?
equal 'exit status of a misspelt condition' 78 "$status"
grep -qE 'weir.cfg:[0-9]+: options.rules.\[0\].tpye: the plugin knows no such option' bad.txt || fail "$(cat bad.txt)"

configure plugin=notify 'sinks={ name = "a"; url = "http://h/"; secret = "hunter2canary"; }' 'options= rules = ( { to = [ "a" ]; } );'
status=0
timeout 30 "$WEIR" run -c "$config" >bad.txt 2>&1 || status=$?
equal 'exit status of a bad sink' 78 "$status"
grep -qE 'weir.cfg:[0-9]+: sinks.url: is http://' bad.txt || fail "$(cat bad.txt)"
grep -qE 'weir.cfg:[0-9]+: sinks.secret: unknown key' bad.txt || fail "$(cat bad.txt)"
! grep -q hunter2canary bad.txt || fail 'a secret is repeated'

configure plugin=notify 'sinks={ name = "a"; topic = "a"; }' 'options= match = "first";
  rules = ( { type = "user.*"; to = [ "a" ]; },
            { type = "user.created"; to = [ "a" ]; } );'
rule_line=$(grep -n 'user.created' weir.cfg | cut -d: -f1)
weir_start a
within 30s logged a "event=notify.rule_unreachable .*weir.cfg:$rule_line: this rule is never reached.*weir.cfg:$((rule_line - 1))"
weir_stop a
equal 'exit status' 0 "$status"

# what comes back: every event for ever is refused, some events or answers are warned of
configure plugin=notify "sinks={ name = \"back\"; topic = \"$topic\"; }" 'options= rules = ( { to = [ "back" ]; } );'
says 78 "$WEIR" check -c "$config"
has out 'options.rules.[0].to.[0]: is a topic that this worker reads'
configure plugin=notify "sinks={ name = \"back\"; topic = \"$topic\"; }, { name = \"ask\"; url = \"https://h.example/\"; reply_topic = \"$topic\"; }" \
        'options= rules = ( { type = "user.*"; to = [ "back", "ask" ]; } );'
says 0 "$WEIR" check -c "$config"
for name in back ask; do grep -q "^warn  *sink $name .*reads topic $topic" out || fail "no warning of $name: $(cat out)"; done
rm -f a.log
weir_start a
within 30s logged a event=worker.started
for name in back ask; do logged a "event=worker.loop worker=audit sink=$name topic=$topic " || fail "no warning of $name"; done
weir_stop a
equal 'exit status' 0 "$status"

# a topic that nobody made is found before an event waits for it
configure plugin=notify "sinks={ name = \"a\"; topic = \"$topic\"; }, { name = \"b\"; topic = \"$topic.gone\"; }" \
        'options= rules = ( { type = "user.*"; to = [ "a" ]; } );'
status=0
"$WEIR" check -c "$config" --connect >check.txt || status=$?
equal 'exit status of the check' 1 "$status"
grep -q "^ok  *topic $topic " check.txt
grep -q "^WRONG  *topic $topic.gone *does not exist" check.txt || fail "$(cat check.txt)"
