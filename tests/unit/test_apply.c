/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "store/apply.h"
#include "store/claims.h"
#include "store/wire.h"
#include "store_fixture.h"

enum { KEYS = 8 };

/* Keys named by a number, so that a test can say which overlap. */
static struct weir_key key_of(unsigned number)
{
        struct weir_key key = { .bytes = { 0 } };

        for (size_t i = 0; i < sizeof key.bytes; i++) /* scattered: input order is not key order */
                key.bytes[i] = (uint8_t)((number * 2654435761u) >> (i % 4 * 8));
        key.bytes[15] = (uint8_t)number;
        key.bytes[14] = (uint8_t)(number >> 8);
        return key;
}

struct batch {
        struct weir_position position;
        struct weir_key keys[2000];
        int64_t offsets[2000];
        bool fresh[2000];
        struct weir_apply apply;
};

static struct batch *batch_of(struct weir_pg *pg, int32_t partition, unsigned first_key,
                              size_t count)
{
        struct batch *batch = calloc(1, sizeof *batch);

        OK(weir_position_take(pg, "audit", "topic", partition, "host:1", &batch->position, reterr));
        if (batch->position.next_offset < 0)
                OK(weir_position_begin(pg, &batch->position, 100, reterr));
        for (size_t i = 0; i < count; i++) {
                batch->keys[i] = key_of(first_key + (unsigned)i);
                batch->offsets[i] = 100 + (int64_t)i;
        }
        batch->apply = (struct weir_apply){ .position = &batch->position,
                                            .first_offset = batch->position.next_offset,
                                            .next_offset = batch->position.next_offset + 10,
                                            .last_offset = batch->position.next_offset + 9,
                                            .last_time_ms = 1234,
                                            .last_fingerprint = -77,
                                            .record_count = 10,
                                            .event_count = (uint32_t)count,
                                            .plugin_version = "1.0",
                                            .keys = batch->keys,
                                            .offsets = batch->offsets,
                                            .key_count = count };
        return batch;
}

static void advance(struct batch *batch)
{
        batch->position.next_offset = batch->apply.next_offset;
        batch->apply.first_offset = batch->apply.next_offset;
        batch->apply.next_offset += 10;
}

static size_t fresh_count(const struct batch *batch)
{
        size_t count = 0;

        for (size_t i = 0; i < batch->apply.key_count; i++)
                count += batch->fresh[i];
        return count;
}

static int apply(struct weir_pg *pg, struct batch *batch)
{
        struct weir_error error = { 0 };
        int r = weir_apply_begin(pg, &batch->apply, batch->fresh, &error);

        ck_assert_msg(r >= 0, "%s %s", error.sqlstate, error.text);
        return r;
}

START_TEST(a_batch_moves_the_position_claims_and_leaves_a_trail)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 0, 1000, KEYS);
        struct weir_position after;

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert(weir_pg_in_transaction(pg));
        ck_assert_uint_eq(fresh_count(batch), KEYS);
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         0);
        OK(weir_pg_commit(pg, reterr));
        OK(weir_position_look(pg, batch->position.id, &after, reterr));
        ck_assert_int_eq(after.next_offset, 110);
        ck_assert_int_eq(after.last_offset, 109);
        ck_assert_int_eq(after.last_time_ms, 1234);
        ck_assert_int_eq(after.last_fingerprint, -77);
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         KEYS);
        ck_assert_int_eq(
                fixture_int(
                        other,
                        "SELECT count(*) FROM weir.claim WHERE position = %d AND \"offset\" = 103"
                        " AND key = encode('\\x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x', 'hex')::uuid",
                        batch->position.id, batch->keys[3].bytes[0], batch->keys[3].bytes[1],
                        batch->keys[3].bytes[2], batch->keys[3].bytes[3], batch->keys[3].bytes[4],
                        batch->keys[3].bytes[5], batch->keys[3].bytes[6], batch->keys[3].bytes[7],
                        batch->keys[3].bytes[8], batch->keys[3].bytes[9], batch->keys[3].bytes[10],
                        batch->keys[3].bytes[11], batch->keys[3].bytes[12],
                        batch->keys[3].bytes[13], batch->keys[3].bytes[14],
                        batch->keys[3].bytes[15]),
                1);
        ck_assert_int_eq(
                fixture_int(
                        other,
                        "SELECT count(*) FROM weir.batch WHERE position = %d AND first_offset = 100"
                        " AND next_offset = 110 AND epoch = %lld AND records = 10 AND events = 8 AND fresh = 8 AND dead = 0"
                        " AND plugin_version = '1.0'",
                        batch->position.id, (long long)batch->position.epoch),
                1);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(fresh_keys_are_told_by_value)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 1, 2000, KEYS);

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        advance(batch);
        for (unsigned i = 0; i < KEYS; i++) /* odd ones known, even ones new, in another order */
                batch->keys[i] = key_of(i % 2 ? 2000 + KEYS - i : 2100 + i);
        ck_assert_int_eq(apply(pg, batch), 0);
        for (unsigned i = 0; i < KEYS; i++)
                ck_assert_int_eq(batch->fresh[i], i % 2 == 0);
        OK(weir_pg_commit(pg, reterr));
        free(batch);
        weir_pg_close(pg);
}
END_TEST

static void apply_and_commit(struct weir_pg *pg, struct batch *batch, size_t fresh)
{
        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_uint_eq(fresh_count(batch), fresh);
        OK(weir_pg_commit(pg, reterr));
        advance(batch);
}

static void use_keys(struct batch *batch, unsigned first_key)
{
        for (unsigned i = 0; i < batch->apply.key_count; i++)
                batch->keys[i] = key_of(first_key + i);
}

START_TEST(a_wrong_hope_is_put_right_and_brings_care_for_a_while)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 60, 20000, KEYS);
        uint32_t first_care;

        apply_and_commit(pg, batch, KEYS);
        ck_assert_uint_eq(pg->claims.careful_left, 0); /* hopeful, and it was right */
        apply_and_commit(pg, batch, 0);                /* the same keys again */
        first_care = pg->claims.careful_left + 1;      /* this batch was the first of them */
        ck_assert_uint_gt(first_care, 1);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT count(*) FROM weir.batch WHERE position = %d AND "
                            "records = 10 AND (fresh, next_offset) IN ((8, 110), (0, 120))",
                            batch->position.id),
                2);
        for (unsigned i = 1; pg->claims.careful_left; i++) { /* duplicates cost no flight now */
                uint32_t left = pg->claims.careful_left;

                use_keys(batch, 20000 + i);
                apply_and_commit(pg, batch, 1);
                ck_assert_uint_eq(pg->claims.careful_left, left - 1);
        }
        apply_and_commit(pg, batch, 0); /* hope again, wrong again: longer care */
        ck_assert_uint_eq(pg->claims.careful_left + 1, 2 * first_care);
        for (unsigned i = 1; pg->claims.careful_left || pg->claims.penalty; i++) {
                ck_assert_uint_lt(i,
                                  100 * first_care); /* good hope for long enough forgets it all */
                use_keys(batch, 21000 + i * KEYS);
                apply_and_commit(pg, batch, KEYS);
        }
        free(batch);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_batch_without_keys_moves_the_position)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 2, 0, 0);

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     batch->position.id),
                         110);
        free(batch);
        weir_pg_close(pg);
}
END_TEST

START_TEST(an_older_epoch_and_another_offset_are_fenced_and_write_nothing)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *stale = batch_of(pg, 3, 3000, KEYS), *now = batch_of(pg, 3, 3000, KEYS);

        ck_assert_int_eq(apply(pg, stale), 1);
        ck_assert(weir_pg_idle(pg));
        now->position.next_offset = 99;
        ck_assert_int_eq(apply(pg, now), 1);
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     now->position.id),
                         0);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.batch WHERE position = %d",
                                     now->position.id),
                         0);
        now->position.next_offset = 100;
        ck_assert_int_eq(apply(pg, now), 0);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(apply(pg, now), 1); /* the same batch once more: it has been done */
        free(stale);
        free(now);
        weir_pg_close(pg);
}
END_TEST

struct claimer {
        pthread_t thread;
        struct weir_pg *pg;
        struct batch *batch;
        int result;
        struct weir_error error;
};

static void *claim(void *arg)
{
        struct claimer *claimer = arg;

        claimer->result = weir_apply_begin(claimer->pg, &claimer->batch->apply,
                                           claimer->batch->fresh, &claimer->error);
        if (claimer->result == 0)
                claimer->result = weir_pg_commit(claimer->pg, &claimer->error);
        return NULL;
}

static void two_claimers(int32_t partition, unsigned first_key, bool commit, size_t fresh_of_second)
{
        struct weir_pg *first = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(first, partition, first_key, KEYS);
        struct claimer second = { .pg = fixture_connect() };
        int64_t backend = fixture_backend(second.pg);

        second.batch = batch_of(second.pg, partition + 1, first_key + 4, KEYS);
        ck_assert_int_eq(apply(first, batch), 0);
        pthread_create(&second.thread, NULL, claim, &second);
        fixture_until_waiting(other, backend);
        if (commit)
                OK(weir_pg_commit(first, reterr));
        else
                weir_pg_rollback(first);
        pthread_join(second.thread, NULL);
        ck_assert_msg(second.result == 0, "%s", second.error.text);
        ck_assert_uint_eq(fresh_count(second.batch), fresh_of_second);
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) - count(DISTINCT key) FROM weir.claim"),
                         0);
        free(batch);
        free(second.batch);
        weir_pg_close(first);
        weir_pg_close(second.pg);
        weir_pg_close(other);
}

START_TEST(a_key_claimed_by_two_at_once_belongs_to_who_commits)
{
        two_claimers(10, 4000, true, KEYS - 4);
        two_claimers(12, 4100, false, KEYS);
}
END_TEST

struct switcher {
        pthread_t thread;
        struct weir_pg *pg;
        int32_t generation;
        int result;
        struct weir_error error;
};

static void *switch_generation(void *arg)
{
        struct switcher *switcher = arg;

        switcher->result = weir_claim_switch(switcher->pg, WEIR_CLAIM_PATIENCE_MS,
                                             &switcher->generation, &switcher->error);
        return NULL;
}

START_TEST(a_key_is_unique_across_generations)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 20, 5000, KEYS);
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        for (int i = 0; i < 3; i++) {
                OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
                advance(batch);
                batch->keys[0] = key_of(
                        5100 + (unsigned)i); /* one new, the others from generations back */
                ck_assert_int_eq(apply(pg, batch), 0);
                ck_assert_uint_eq(fresh_count(batch), 1);
                ck_assert(batch->fresh[0]);
                OK(weir_pg_commit(pg, reterr));
                ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim_%d",
                                             generation),
                                 1);
        }
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) - count(DISTINCT key) FROM weir.claim"),
                         0);
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         KEYS + 3);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_switch_waits_for_the_open_claimer_and_holds_up_the_next)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 21, 6000, KEYS);
        struct switcher switcher = { .pg = fixture_connect() };
        struct claimer late = { .pg = fixture_connect() };
        int64_t switcher_backend = fixture_backend(switcher.pg),
                late_backend = fixture_backend(late.pg);

        late.batch = batch_of(late.pg, 22, 6000, KEYS);
        ck_assert_int_eq(apply(late.pg, late.batch),
                         0); /* so that it knows the generations of now */
        weir_pg_rollback(late.pg);
        ck_assert_int_eq(apply(pg, batch), 0);
        pthread_create(&switcher.thread, NULL, switch_generation, &switcher);
        fixture_until_waiting(other, switcher_backend);
        pthread_create(&late.thread, NULL, claim, &late);
        fixture_until_waiting(other, late_backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(switcher.thread, NULL);
        ck_assert_msg(switcher.result == 0, "%s", switcher.error.text);
        pthread_join(late.thread, NULL);
        ck_assert_msg(late.result == 0, "%s", late.error.text);
        /* It was sent with the old statement, behind the switch. Its fence saw the new version only if
         * each statement of the pipeline took its own snapshot; otherwise it would have claimed in the
         * old generation. */
        ck_assert_uint_eq(fresh_count(late.batch), 0);
        late.batch->keys[0] = key_of(6100);
        advance(late.batch);
        ck_assert_int_eq(apply(late.pg, late.batch), 0);
        OK(weir_pg_commit(late.pg, reterr));
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim_%d",
                                     switcher.generation),
                         1);
        free(batch);
        free(late.batch);
        weir_pg_close(pg);
        weir_pg_close(switcher.pg);
        weir_pg_close(late.pg);
        weir_pg_close(other);
}
END_TEST

/* Same race, with keys that are new: where do they land? */
START_TEST(a_claim_sent_before_a_switch_lands_in_the_new_generation)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 23, 6500, KEYS);
        struct switcher switcher = { .pg = fixture_connect() };
        struct claimer late = { .pg = fixture_connect() };
        int64_t switcher_backend = fixture_backend(switcher.pg),
                late_backend = fixture_backend(late.pg);

        late.batch = batch_of(late.pg, 24, 6600, KEYS);
        ck_assert_int_eq(apply(late.pg, late.batch), 0);
        weir_pg_rollback(late.pg);
        ck_assert_int_eq(apply(pg, batch), 0);
        pthread_create(&switcher.thread, NULL, switch_generation, &switcher);
        fixture_until_waiting(other, switcher_backend);
        pthread_create(&late.thread, NULL, claim, &late);
        fixture_until_waiting(other, late_backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(switcher.thread, NULL);
        pthread_join(late.thread, NULL);
        ck_assert_msg(late.result == 0, "%s", late.error.text);
        ck_assert_uint_eq(fresh_count(late.batch), KEYS);
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.claim_%d WHERE position = %d",
                                     switcher.generation, late.batch->position.id),
                         KEYS);
        free(batch);
        free(late.batch);
        weir_pg_close(pg);
        weir_pg_close(switcher.pg);
        weir_pg_close(late.pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_generation_that_was_dropped_is_a_stale_statement_not_an_error)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 25, 6700, KEYS);
        int32_t generation;

        OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        OK(weir_pg_run(
                other,
                "BEGIN; SELECT pg_advisory_xact_lock(2003134834, 1); DROP VIEW weir.claim;"
                "DO $$ DECLARE g int; BEGIN FOR g IN SELECT generation FROM weir.claim_generation"
                " WHERE generation < (SELECT max(generation) FROM weir.claim_generation) LOOP"
                " EXECUTE format('DROP TABLE weir.claim_%s', g); END LOOP; END $$;"
                "DELETE FROM weir.claim_generation WHERE generation <"
                " (SELECT max(generation) FROM weir.claim_generation);"
                "UPDATE weir.claim_state SET version = version + 1; COMMIT",
                reterr));
        advance(batch);
        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.batch WHERE position = %d",
                                     batch->position.id),
                         2);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_switch_gives_up_when_a_claimer_stays_open)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 26, 6800, KEYS);
        struct weir_error error = { 0 };
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_int_eq(weir_claim_switch(other, 100, &generation, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_int_eq(weir_pg_classify(&error), WEIR_SQL_INFRASTRUCTURE);
        ck_assert(weir_pg_idle(other));
        OK(weir_pg_commit(pg, reterr));
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(rights_follow_a_switch)
{
        struct weir_pg *pg = fixture_connect();
        int32_t generation;
        char sql[512];

        snprintf(sql, sizeof sql, "CREATE ROLE %s_worker", fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        snprintf(sql, sizeof sql,
                 "DO $$ BEGIN EXECUTE format('GRANT SELECT, INSERT ON weir.claim_%%s TO %s_worker',"
                 " (SELECT max(generation) FROM weir.claim_generation)); END $$",
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        OK(weir_claim_switch(pg, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_table_privilege('%s_worker', 'weir.claim_%d', 'INSERT')::int",
                        fixture.name, generation),
                1);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_table_privilege('%s_worker', 'weir.claim_%d', 'DELETE')::int",
                        fixture.name, generation),
                0);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT has_function_privilege('%s_worker', 'weir.claim_switch()', 'EXECUTE')::int",
                        fixture.name),
                0);
        snprintf(sql, sizeof sql, "DROP OWNED BY %s_worker; DROP ROLE %s_worker", fixture.name,
                 fixture.name);
        OK(weir_pg_run(pg, sql, reterr));
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_full_batch_of_keys_passes_in_one_flight)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 30, 7000, 2000);

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_uint_eq(fresh_count(batch), 2000);
        OK(weir_pg_commit(pg, reterr));
        advance(batch);
        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_uint_eq(fresh_count(batch), 0);
        OK(weir_pg_commit(pg, reterr));
        free(batch);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_begin_that_waits_ends_by_the_latch)
{
        struct weir_pg *holder = fixture_connect(), *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 31, 9500, KEYS);
        struct weir_error error = { 0 };
        struct weir_latch latch;

        OK(weir_pg_begin(holder, reterr));
        OK(weir_pg_run(holder, "SELECT pg_advisory_xact_lock(2003134834, 1)", reterr));
        weir_latch_init(&latch);
        weir_latch_set(&latch);
        weir_pg_set_interrupt(pg, &latch);
        ck_assert_int_eq(weir_apply_begin(pg, &batch->apply, batch->fresh, &error), WEIR_ESTOP);
        ck_assert(weir_pg_broken(pg));
        weir_latch_fini(&latch);
        weir_pg_rollback(holder);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(holder);
}
END_TEST

START_TEST(a_begin_on_a_dead_or_busy_connection_is_refused)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 32, 9600, KEYS);
        struct weir_error error = { 0 };

        OK(weir_pg_begin(pg, reterr));
        ck_assert_int_eq(weir_apply_begin(pg, &batch->apply, batch->fresh, &error), WEIR_EUSAGE);
        weir_pg_rollback(pg);
        ck_assert_int_eq(apply(pg, batch), 0);
        weir_pg_rollback(pg);
        fixture_int(other, "SELECT pg_terminate_backend(%lld, 5000)::int",
                    (long long)fixture_backend(pg));
        ck_assert_int_eq(weir_apply_begin(pg, &batch->apply, batch->fresh, &error), WEIR_EDB);
        ck_assert(weir_pg_broken(pg));
        ck_assert_int_eq(weir_apply_begin(pg, &batch->apply, batch->fresh, &error), WEIR_EDB);
        free(batch);
        weir_pg_close(pg);
        weir_pg_close(other);
}
END_TEST

START_TEST(what_was_claimed_in_this_transaction_can_be_taken_back)
{
        struct weir_pg *pg = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(pg, 40, 41000, KEYS);
        struct weir_key two[] = { batch->keys[2], batch->keys[5] };
        int32_t generation = 0;

        ck_assert_int_eq(apply(pg, batch), 0);
        OK(weir_apply_unclaim(pg, two, 2, reterr));
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(other, "SELECT count(*) FROM weir.claim WHERE position = %d",
                                     batch->position.id),
                         KEYS - 2);
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.batch WHERE position = %d"
                                     " AND events = %d AND fresh = %d AND dead = 2",
                                     batch->position.id, KEYS - 2, KEYS - 2),
                         1);
        advance(batch);
        ck_assert_int_eq(apply(pg, batch), 0); /* they, and they alone, can be claimed again */
        ck_assert_uint_eq(fresh_count(batch), 2);
        ck_assert(batch->fresh[2] && batch->fresh[5]);
        weir_pg_rollback(pg);

        OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        for (size_t i = 0; i < KEYS; i++)
                batch->keys[i] = key_of(42000 + (unsigned)i);
        two[0] = batch->keys[0];
        ck_assert_int_eq(apply(pg, batch), 0); /* into the new generation */
        OK(weir_apply_unclaim(pg, two, 1, reterr));
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.claim WHERE position = %d"
                                     " AND generation = %d",
                                     batch->position.id, generation),
                         KEYS - 1);
        weir_pg_close(other);
        weir_pg_close(pg);
        free(batch);
}
END_TEST

START_TEST(a_claim_that_is_not_there_cannot_be_taken_back)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 41, 43000, KEYS);
        const struct weir_key missing = key_of(44000);
        struct weir_error error;

        ck_assert_int_eq(apply(pg, batch), 0);
        ck_assert_int_eq(weir_apply_unclaim(pg, &missing, 1, &error), WEIR_ESCHEMA);
        weir_pg_rollback(pg);
        weir_pg_close(pg);
        free(batch);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("apply");
        TCase *tcase = tcase_create("apply");

        fixture_start("apply", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_batch_moves_the_position_claims_and_leaves_a_trail);
        tcase_add_test(tcase, fresh_keys_are_told_by_value);
        tcase_add_test(tcase, a_wrong_hope_is_put_right_and_brings_care_for_a_while);
        tcase_add_test(tcase, a_batch_without_keys_moves_the_position);
        tcase_add_test(tcase, what_was_claimed_in_this_transaction_can_be_taken_back);
        tcase_add_test(tcase, a_claim_that_is_not_there_cannot_be_taken_back);
        tcase_add_test(tcase, an_older_epoch_and_another_offset_are_fenced_and_write_nothing);
        tcase_add_test(tcase, a_key_claimed_by_two_at_once_belongs_to_who_commits);
        tcase_add_test(tcase, a_key_is_unique_across_generations);
        tcase_add_test(tcase, a_switch_waits_for_the_open_claimer_and_holds_up_the_next);
        tcase_add_test(tcase, a_claim_sent_before_a_switch_lands_in_the_new_generation);
        tcase_add_test(tcase, a_switch_gives_up_when_a_claimer_stays_open);
        tcase_add_test(tcase, rights_follow_a_switch);
        tcase_add_test(tcase, a_full_batch_of_keys_passes_in_one_flight);
        tcase_add_test(tcase, a_begin_that_waits_ends_by_the_latch);
        tcase_add_test(tcase, a_begin_on_a_dead_or_busy_connection_is_refused);
        tcase_add_test(tcase, a_generation_that_was_dropped_is_a_stale_statement_not_an_error);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
