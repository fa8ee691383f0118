#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# t4004 - a holder that is frozen inside its transaction, active for the server, keeps neither the partition nor the others
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

prepare 2
put 100 1 0
put 100 101 1
weir_start a
wait_caught_up
weir_stop a
# stands for a process stopped in the middle of a COPY: it has the row and a share of the lock on the generations
psql -Xq "$url" -c "begin; select pg_advisory_xact_lock_shared(2003134834, 1);
        update weir.position set updated_at = now() where partition = 0; select pg_sleep(600)" >frozen.log 2>&1 &
frozen=$!
held() { [ "$(sql "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]; }
within 10s held
put 100 201 0
put 100 301 1
expect_events 400
weir_start b
within 20s logged b 'event=position.held .*action="?session ended'
check_exactly_once
wait "$frozen" && fail 'the holder was not ended'
equal 'the next generation' 2 "$(sql 'select weir.claim_switch()')"
weir_stop b
equal 'exit status' 0 "$status"
