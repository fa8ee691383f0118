#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t7003 - a password comes from a guarded file or the environment, and appears in no output, log or command line
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
secret=$(cat password)
kafka_secret=Tr0ub4dor-never-printed
printf '%s\n' "$kafka_secret" >kafka-password
chmod 600 kafka-password
# every output of this test ends here
collect() { cat out err >>all.txt; }

for mode in 644 640 604 660; do
        chmod "$mode" password
        says 78 "$WEIR" check -c "$config"
        has err "password has mode 0$mode, others must have no access: chmod 600"
        collect
done
chmod 600 password
ln -s password linked
sed 's/"password"/"linked"/' "$config" >linked.cfg
says 78 "$WEIR" check -c linked.cfg
has err 'is a symbolic link'
sed 's/"password"/"missing"/' "$config" >missing.cfg
says 78 "$WEIR" check -c missing.cfg
has err 'missing cannot be opened'
: >empty
chmod 600 empty
sed 's/"password"/"empty"/' "$config" >empty.cfg
says 78 "$WEIR" check -c empty.cfg
has err 'is empty'
sed 's/password_file = "password"/password_env = "WEIR_TEST_SECRET"/' "$config" >env.cfg
says 78 "$WEIR" check -c env.cfg
has err 'is not set'
says 0 env WEIR_TEST_SECRET="$secret" "$WEIR" check --connect -c env.cfg
collect
says 0 env WEIR_TEST_SECRET="$secret" "$WEIR" config show -c env.cfg
collect
# a value that librdkafka refuses is not repeated either
sed "s|properties = \[|secrets = ( { property = \"ssl.key.pem\"; file = \"kafka-password\"; } ); properties = [|" \
        "$config" >refused.cfg
"$WEIR" check --connect -c refused.cfg >out 2>err || true
collect
# wrong password: the server's answer names the user, not the word
printf '%s\n' "$kafka_secret" >wrong
chmod 600 wrong
sed 's/"password"/"wrong"/' "$config" >wrong.cfg
says 1 "$WEIR" check --connect -c wrong.cfg
has out 'authentication failed'
collect
says 1 "$WEIR" migrate status -c wrong.cfg
collect

# a run at the most talkative level, with a second secret for Kafka that plaintext leaves unused
sed "s|properties = \[|secrets = ( { property = \"sasl.password\"; file = \"kafka-password\"; } ); properties = [|" \
        "$config" >talkative.cfg
echo 'log = { level = "debug"; };' >>talkative.cfg
config=$TEST_DIR/talkative.cfg
says 0 "$WEIR" config show -c "$config"
collect
says 0 "$WEIR" check --connect --json -c "$config"
collect
produce 100
weir_start a
wait_caught_up
tr '\0' '\n' <"/proc/${pid[a]}/cmdline" >>all.txt
tr '\0' '\n' <"/proc/${pid[a]}/environ" >>all.txt
weir_stop a
equal 'exit status' 0 "$status"
[ -s a.log ]
says 0 "$WEIR" tail "$topic" -c "$config" --from earliest --exit-at-end
cat ./*.log >>all.txt
sql 'select application_name, query from pg_stat_activity' >>all.txt
hasnt all.txt "$secret"
hasnt all.txt "$kafka_secret"
