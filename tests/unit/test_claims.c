/* SPDX-License-Identifier: MIT */
/* test_claims - generations come and go, and nobody notices */
#include "claims_fixture.h"
#include "store/replay.h"

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
        OK(weir_claim_drop(pg, first, WEIR_CLAIM_PATIENCE_MS, NULL, reterr));
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

        ck_assert_int_eq(weir_claim_drop(pg, newest(), 100, NULL, &error), WEIR_ESQL);
        ck_assert_ptr_nonnull(strstr(error.text, "is the newest"));
        ck_assert_int_eq(weir_claim_drop(pg, newest() + 7, 100, NULL, &error), WEIR_ESQL);
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
        ck_assert_int_eq(weir_claim_drop(pg, first, 40, NULL, &error), WEIR_ESQL);
        ck_assert_str_eq(error.sqlstate, "55P03");
        ck_assert_uint_eq(claim(200, KEYS), 0); /* nothing of it stayed locked */
        OK(weir_pg_commit(other, reterr));
        OK(weir_claim_drop(pg, first, WEIR_CLAIM_PATIENCE_MS, NULL, reterr));
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
        OK(weir_claim_drop(other, first, WEIR_CLAIM_PATIENCE_MS, NULL, reterr));
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

/* ---- CL4: who begins a replay, or goes on with one, and who drops exclude each other ------------- */

struct dropper {
        struct weir_pg *pg;
        int32_t generation;
        pthread_t thread;
        struct weir_claim_needed needed;
        struct weir_error error;
        int result;
};

static void *drop_aside(void *arg)
{
        struct dropper *dropper = arg;

        dropper->result = weir_claim_drop(dropper->pg, dropper->generation, WEIR_CLAIM_PATIENCE_MS,
                                          &dropper->needed, &dropper->error);
        return NULL;
}

static const char begun[] =
        "INSERT INTO weir.replay (worker, policy, types, sources, subjects, ids, effects,"
        " if_missing, rate_per_s, asked_from, asked_to, plugin_version, state, owner, by)"
        " VALUES ('w', 'missing', '{}', '{}', '{}', '{}', false, 'fail', 0, 'earliest', 'now',"
        " '1', 'running', 'x', 'x')";

/* 1. the drop has asked: nothing needs it  2. a replay begins, its transaction is open  3. the drop goes on. */
START_TEST(CL4_a_replay_that_begins_meanwhile_keeps_its_claims)
{
        struct weir_pg *other = fixture_connect();
        struct dropper dropper = { .pg = fixture_connect(), .generation = newest() };
        int64_t backend = fixture_backend(dropper.pg);

        next();
        OK(weir_pg_begin(pg, reterr));
        OK(weir_claims_stand(pg, reterr));
        OK(weir_pg_run(pg, begun, reterr));
        pthread_create(&dropper.thread, NULL, drop_aside, &dropper);
        fixture_until_waiting(other, backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(dropper.thread, NULL);
        ck_assert_msg(dropper.result == 1, "%d %s", dropper.result, dropper.error.text);
        ck_assert_ptr_nonnull(strstr(dropper.needed.text, "weir replay resume"));
        ck_assert(weir_pg_idle(dropper.pg));
        ck_assert_int_eq(fixture_int(other,
                                     "SELECT count(*) FROM weir.claim_generation "
                                     "WHERE generation = %d",
                                     dropper.generation),
                         1);
        OK(weir_claim_drop(dropper.pg, dropper.generation, WEIR_CLAIM_PATIENCE_MS, NULL,
                           reterr)); /* --force */
        OK(weir_pg_run(pg, "DELETE FROM weir.replay", reterr));
        weir_pg_close(dropper.pg);
        weir_pg_close(other);
}
END_TEST

struct taker {
        struct weir_pg *pg;
        struct weir_replay *replay;
        pthread_t thread;
        struct weir_error error;
        int result;
};

static void *take_aside(void *arg)
{
        struct taker *taker = arg;

        taker->result = weir_replay_take(taker->pg, taker->replay, "here:2", &taker->error);
        return NULL;
}

/* 1. a failed replay is looked at: no claims went  2. a drop is open  3. the replay is taken, and the drop committed. */
START_TEST(CL4_a_failed_replay_is_not_taken_beside_a_drop)
{
        struct weir_pg *other = fixture_connect();
        struct taker taker = { .pg = fixture_connect() };
        int64_t backend = fixture_backend(taker.pg), id;
        int32_t first = newest();

        next();
        OK(weir_pg_run(pg, begun, reterr));
        OK(weir_pg_run(pg, "UPDATE weir.replay SET state = 'failed'", reterr));
        id = fixture_int(pg, "SELECT id FROM weir.replay");
        OK(weir_replay_load(pg, id, &taker.replay, reterr));
        ck_assert_ptr_null(taker.replay->gone);
        OK(weir_pg_begin(pg, reterr));
        fixture_int(pg, "SELECT 1 FROM weir.claim_drop(%d)", first);
        pthread_create(&taker.thread, NULL, take_aside, &taker);
        fixture_until_waiting(other, backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(taker.thread, NULL);
        ck_assert_msg(taker.result == 1, "%d %s", taker.result, taker.error.text);
        ck_assert(weir_pg_idle(taker.pg));
        weir_replay_free(taker.replay);
        OK(weir_pg_run(pg, "DELETE FROM weir.replay", reterr));
        weir_pg_close(taker.pg);
        weir_pg_close(other);
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
        tcase_add_test(tcase, CL4_a_replay_that_begins_meanwhile_keeps_its_claims);
        tcase_add_test(tcase, CL4_a_failed_replay_is_not_taken_beside_a_drop);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
