/* SPDX-License-Identifier: MIT */
/* test_claims - generations come and go, and nobody notices */
#include "claims_fixture.h"

START_TEST(a_key_is_the_same_in_sql)
{
        static const char *const names[][2] = { { "/s", "1" },
                                                { "", "x" },
                                                { "urn:\xc3\xbc", "\xe2\x82\xac'\\" },
                                                { "a", "bc" },
                                                { "ab", "c" } };

        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
                const struct weir_key key = key_of(names[i][0], names[i][1]);
                const struct weir_value params[] = { weir_text_z("w"), weir_text_z(names[i][0]),
                                                     weir_text_z(names[i][1]),
                                                     weir_uuid(key.bytes) };
                struct weir_pg_rows *rows = NULL;

                OK(weir_pg_query(pg,
                                 "SELECT (weir.claim_key($1::text, $2::text, $3::text) ="
                                 " $4::uuid)::int4",
                                 params, 4, &rows, reterr));
                ck_assert_int_eq(weir_pg_rows_int(rows, 0, 0, 0), 1);
                weir_pg_rows_free(rows);
        }
}
END_TEST

START_TEST(what_was_dropped_is_forgotten_and_nothing_else)
{
        int32_t first = newest(), second;

        ck_assert_uint_eq(claim(0, KEYS), KEYS);
        second = next();
        ck_assert_uint_eq(claim(100, KEYS), KEYS);
        next();
        ck_assert_uint_eq(claim(0, KEYS) + claim(100, KEYS), 0);
        OK(weir_claim_drop(pg, first, WEIR_CLAIM_PATIENCE_MS, reterr));
        ck_assert_uint_eq(claim(100, KEYS), 0); /* with a statement that knew it */
        ck_assert_uint_eq(claim(0, KEYS), KEYS);
        ck_assert_uint_eq(claim(0, KEYS), 0);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.claim WHERE generation = %d",
                                     first),
                         0);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.claim_%d", first), KEYS);
        OK(weir_claim_sweep(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('weir.claim_%d') IS NULL)::int",
                                     first),
                         1);
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('weir.claim_%d') IS NULL)::int",
                                     second),
                         0);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.claim_dropped WHERE"
                                     " generation = %d AND until > since AND dropped_by ="
                                     " session_user",
                                     first),
                         1);
}
END_TEST

START_TEST(CL1_the_newest_and_what_is_not_there_cannot_be_dropped)
{
        struct weir_error error = { .code = 0 };

        ck_assert_int_eq(weir_claim_drop(pg, newest(), 100, &error), WEIR_ESQL);
        ck_assert_ptr_nonnull(strstr(error.text, "is the newest"));
        ck_assert_int_eq(weir_claim_drop(pg, newest() + 7, 100, &error), WEIR_ESQL);
        ck_assert_ptr_nonnull(strstr(error.text, "there is no generation"));
        ck_assert(weir_pg_idle(pg));
}
END_TEST

/* A claimer is open: the drop gives up, in tries, between which others claim; then it comes through. */
START_TEST(CL2_a_drop_waits_for_an_open_claimer_and_nobody_for_a_reader)
{
        struct weir_pg *other = fixture_connect(), *reader = fixture_connect();
        struct weir_error error = { .code = 0 };
        int32_t first = newest();

        ck_assert_uint_eq(claim(200, KEYS), KEYS);
        next();
        OK(weir_pg_begin(reader, reterr));
        fixture_int(reader, "SELECT count(*) FROM weir.claim_%d", first); /* as a dump does */
        OK(weir_pg_begin(other, reterr));
        fixture_int(other, "SELECT 1 FROM pg_advisory_xact_lock_shared(2003134834, 1)");
        ck_assert_int_eq(weir_claim_drop(pg, first, 40, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_uint_eq(claim(200, KEYS), 0); /* nothing of it stayed locked */
        OK(weir_pg_commit(other, reterr));
        OK(weir_claim_drop(pg, first, WEIR_CLAIM_PATIENCE_MS, reterr));
        ck_assert_uint_eq(claim(200, KEYS), KEYS);
        ck_assert_int_eq(weir_claim_sweep(pg, &error), WEIR_ESQL); /* the table is read */
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_uint_eq(claim(300, KEYS), KEYS);
        weir_pg_rollback(reader);
        OK(weir_claim_sweep(pg, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT (to_regclass('weir.claim_%d') IS NULL)::int",
                                     first),
                         1);
        weir_pg_close(other);
        weir_pg_close(reader);
}
END_TEST

static void *claim_aside(void *result)
{
        *(size_t *)result = claim(250, KEYS);
        return NULL;
}

/* 1. a connection reads the set  2. its oldest is dropped, table and all  3. it makes a statement of what it has read. */
START_TEST(a_generation_that_goes_while_a_statement_is_made_for_it_is_a_stale_set)
{
        struct weir_pg *other = fixture_connect(), *holder = fixture_connect();
        int64_t backend = fixture_backend(pg);
        int32_t first = newest();
        size_t fresh_count = 0;
        pthread_t thread;
        char sql[100];

        ck_assert_int_gt(fixture_int(other, "SELECT weir.claim_switch()"), 0);
        snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE weir.claim_%d", first);
        OK(weir_pg_run(holder, sql, reterr));
        pthread_create(&thread, NULL, claim_aside, &fresh_count);
        fixture_until_waiting(other, backend);
        OK(weir_claim_drop(other, first, WEIR_CLAIM_PATIENCE_MS, reterr));
        snprintf(sql, sizeof sql, "DROP TABLE weir.claim_%d; COMMIT", first);
        OK(weir_pg_run(holder, sql, reterr));
        pthread_join(thread, NULL);
        ck_assert_uint_eq(fresh_count, KEYS);
        weir_pg_close(other);
        weir_pg_close(holder);
}
END_TEST

/* A set that names a table which is not there, and never comes, is an error with its name. */
START_TEST(a_generation_without_a_table_is_named)
{
        struct weir_apply apply = { .position = &position,
                                    .first_offset = position.next_offset,
                                    .next_offset = position.next_offset };
        struct weir_error error = { .code = 0 };

        OK(weir_pg_run(pg, "INSERT INTO weir.claim_generation VALUES (0, '2020-01-01')", reterr));
        ck_assert_int_eq(weir_apply_begin(pg, &apply, NULL, &error), WEIR_ESQL);
        ck_assert_ptr_nonnull(strstr(error.text, "\"weir.claim_0\" does not exist"));
        OK(weir_pg_run(pg, "DELETE FROM weir.claim_generation WHERE generation = 0", reterr));
}
END_TEST
int main(void)
{
        Suite *suite = suite_create("claims");
        TCase *tcase = tcase_create("claims");

        fixture_start("claims", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_key_is_the_same_in_sql);
        tcase_add_test(tcase, what_was_dropped_is_forgotten_and_nothing_else);
        tcase_add_test(tcase, CL1_the_newest_and_what_is_not_there_cannot_be_dropped);
        tcase_add_test(tcase, CL2_a_drop_waits_for_an_open_claimer_and_nobody_for_a_reader);
        tcase_add_test(tcase,
                       a_generation_that_goes_while_a_statement_is_made_for_it_is_a_stale_set);
        tcase_add_test(tcase, a_generation_without_a_table_is_named);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
