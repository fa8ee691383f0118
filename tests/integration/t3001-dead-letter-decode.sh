#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t3001 - what is no CloudEvent is kept whole, with class, reason and position; the good ones around it go on
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 1
json=content-type=application/cloudevents+json
put 10 1 0
echo 'no event at all' | kafkactl produce "$topic" 0 -k somekey -h x=y
put 10 11 0
kafkactl produce "$topic" 0 -0 -k gone
echo | kafkactl produce "$topic" 0
echo '{"specversion":"1.0","id":"cut' | kafkactl produce "$topic" 0 -h $json
echo '{"specversion":"1.0","id":"x","source":"/test"}' | kafkactl produce "$topic" 0 -h $json
put 10 21 0
expect_events 30
weir_start a
check_exactly_once
equal 'dead letters' '10|decode|not-a-cloudevent|somekey|no event at all
21|decode|not-a-cloudevent|gone|null
22|decode|not-a-cloudevent|null|
23|decode|bad-json|null|{"specversion":"1.0","id":"cut
24|decode|missing-attribute|null|{"specversion":"1.0","id":"x","source":"/test"}' "$(sql "select \"offset\", class, reason,
        coalesce(convert_from(key, 'UTF8'), 'null'), coalesce(convert_from(value, 'UTF8'), 'null') from weir.dead_letter order by 1")"
equal 'a header, kept' 1 "$(sql "select count(*) from weir.dead_letter where \"offset\" = 10 and header_names = array['x'::bytea] and header_values = array['y'::bytea]")"
logged a 'event=event.dead .*offset=23 class=decode reason=bad-json .*at_byte=30 .*next=' || fail 'the log does not say it'
weir_stop a
equal 'exit status' 0 "$status"
