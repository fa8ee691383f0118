/* SPDX-License-Identifier: MIT */
/* apply: position, claims and trail of a batch are one statement; a fence that fails writes nothing */
#include "apply_fixture.h"

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

START_TEST(where_most_keys_were_there_they_are_looked_up_first)
{
        struct weir_pg *pg = fixture_connect();
        struct batch *batch = batch_of(pg, 61, 50000, KEYS);

        apply_and_commit(pg, batch, KEYS);
        apply_and_commit(pg, batch, 0); /* the wrong hope, put right */
        ck_assert(pg->claims.repeating);
        use_keys(batch, 50003); /* three that are new, under the form that looks up */
        apply_and_commit(pg, batch, 3);
        for (unsigned i = 0; i < KEYS; i++)
                ck_assert_int_eq(batch->fresh[i], i >= KEYS - 3);
        ck_assert(pg->claims.repeating);
        use_keys(batch, 51000);
        apply_and_commit(pg, batch, KEYS);
        ck_assert(!pg->claims.repeating && pg->claims.careful_left);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(fresh) FROM weir.batch WHERE position = %d",
                                     batch->position.id),
                         KEYS + 0 + 3 + KEYS);
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

/* @care: the second one's form; hopeful, careful, repeating. */
static void two_claimers(int32_t partition, unsigned first_key, bool commit, unsigned care,
                         size_t fresh_of_second)
{
        struct weir_pg *first = fixture_connect(), *other = fixture_connect();
        struct batch *batch = batch_of(first, partition, first_key, KEYS);
        struct claimer second = { .pg = fixture_connect() };
        int64_t backend = fixture_backend(second.pg);

        second.batch = batch_of(second.pg, partition + 1, first_key + 4, KEYS);
        ck_assert_int_eq(apply(first, batch), 0);
        second.pg->claims.careful_left = care ? 10 : 0;
        second.pg->claims.repeating = care == 2;
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
        for (unsigned care = 0; care < 3; care++) {
                two_claimers(10 + 100 * (int32_t)care, 4000 + 1000000 * care, true, care, KEYS - 4);
                two_claimers(12 + 100 * (int32_t)care, 4100 + 1000000 * care, false, care, KEYS);
        }
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

int main(void)
{
        Suite *suite = suite_create("apply");
        TCase *tcase = tcase_create("apply");

        fixture_start("apply", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_batch_moves_the_position_claims_and_leaves_a_trail);
        tcase_add_test(tcase, fresh_keys_are_told_by_value);
        tcase_add_test(tcase, a_wrong_hope_is_put_right_and_brings_care_for_a_while);
        tcase_add_test(tcase, where_most_keys_were_there_they_are_looked_up_first);
        tcase_add_test(tcase, a_batch_without_keys_moves_the_position);
        tcase_add_test(tcase, an_older_epoch_and_another_offset_are_fenced_and_write_nothing);
        tcase_add_test(tcase, a_key_claimed_by_two_at_once_belongs_to_who_commits);
        tcase_add_test(tcase, a_full_batch_of_keys_passes_in_one_flight);
        tcase_add_test(tcase, a_begin_that_waits_ends_by_the_latch);
        tcase_add_test(tcase, a_begin_on_a_dead_or_busy_connection_is_refused);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
