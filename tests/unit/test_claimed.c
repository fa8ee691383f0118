/* SPDX-License-Identifier: MIT */
/* store/claimed: which keys have a claim, in all generations of one moment */
#include "store_fixture.h"

#include "event/key.h"
#include "store/claimed.h"
#include "store/claims.h"

enum { KEYS = 3000 };

static struct weir_pg *pg, *other;
static struct weir_claimed *claimed;
static struct weir_key keys[KEYS];
static bool answers[KEYS];

/* Key number i is md5(i), also for PostgreSQL. */
static void make_keys(void)
{
        struct weir_pg_rows *rows = NULL;

        OK(weir_pg_query(other, "SELECT md5(i::text) FROM generate_series(0, 2999) i ORDER BY i",
                         NULL, 0, &rows, reterr));
        for (size_t i = 0; i < KEYS; i++) {
                const char *hex = weir_pg_rows_text(rows, i, 0).ptr;

                for (size_t k = 0; k < sizeof keys[i].bytes; k++) {
                        unsigned byte;

                        ck_assert_int_eq(sscanf(hex + 2 * k, "%2x", &byte), 1);
                        keys[i].bytes[k] = (uint8_t)byte;
                }
        }
        weir_pg_rows_free(rows);
}

static int32_t newest(void)
{
        return (int32_t)fixture_int(other, "SELECT max(generation) FROM weir.claim_generation");
}

static void next(void)
{
        int32_t generation;

        OK(weir_claim_switch(other, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
}

/* Claims of the keys first, first + step, … into the newest generation. */
static void claim(int first, int step)
{
        char sql[200];

        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.claim_%d SELECT md5(i::text)::uuid, 1, i"
                 " FROM generate_series(%d, 2999, %d) i",
                 newest(), first, step);
        OK(weir_pg_run(other, sql, reterr));
}

static void setup(void)
{
        pg = fixture_connect();
        other = fixture_connect();
        OK(weir_pg_run(other,
                       "DO $$ DECLARE g int4; BEGIN FOR g IN SELECT generation FROM"
                       " weir.claim_generation LOOP EXECUTE format('TRUNCATE weir.claim_%s', g);"
                       " END LOOP; END $$",
                       reterr));
        make_keys();
        OK(weir_claimed_new(pg, &claimed, reterr));
        memset(answers, 0xff, sizeof answers);
}

static void teardown(void)
{
        weir_claimed_free(claimed);
        weir_pg_close(pg);
        weir_pg_close(other);
}

static void ask(size_t count)
{
        OK(weir_claimed_ask(claimed, keys, count, reterr));
}

static size_t answer(size_t count)
{
        size_t yes = 0;

        OK(weir_claimed_answer(claimed, answers, reterr));
        for (size_t i = 0; i < count; i++)
                yes += answers[i];
        return yes;
}

START_TEST(each_key_has_its_own_answer_in_whatever_generation_it_is)
{
        claim(0, 7);
        next();
        claim(1, 7);
        next();
        claim(3, 7);
        ask(KEYS);
        answer(KEYS);
        for (int i = 0; i < KEYS; i++)
                ck_assert_msg(answers[i] == (i % 7 == 0 || i % 7 == 1 || i % 7 == 3), "key %d", i);
        ask(1);
        ck_assert_uint_eq(answer(1), 1);
        ask(0);
        ck_assert_uint_eq(answer(0), 0);
}
END_TEST

START_TEST(a_key_may_be_asked_for_twice)
{
        claim(0, 2);
        for (int i = 1; i < KEYS; i += 2)
                keys[i] = keys[i - 1];
        ask(KEYS);
        ck_assert_uint_eq(answer(KEYS), KEYS);
}
END_TEST

START_TEST(CD1_a_generation_that_begins_between_two_questions_is_looked_into)
{
        claim(0, 2);
        ask(KEYS);
        ck_assert_uint_eq(answer(KEYS), KEYS / 2);
        next();
        claim(1, 2);
        ask(KEYS);
        ck_assert_uint_eq(answer(KEYS), KEYS);
}
END_TEST

START_TEST(a_generation_that_is_dropped_is_no_error_and_its_claims_are_gone)
{
        int32_t old = newest();

        claim(0, 2);
        next();
        claim(1, 2);
        ask(KEYS);
        ck_assert_uint_eq(answer(KEYS), KEYS);
        OK(weir_claim_drop(other, old, WEIR_CLAIM_PATIENCE_MS, NULL, reterr));
        OK(weir_claim_sweep(other, reterr));
        ask(KEYS); /* a table of the statement is not there any more */
        ck_assert_uint_eq(answer(KEYS), KEYS / 2);
}
END_TEST

START_TEST(the_set_changes_while_a_question_waits)
{
        int32_t old = newest();

        claim(0, 2);
        next();
        ask(KEYS);
        ck_assert_uint_eq(answer(KEYS), KEYS / 2);
        OK(weir_pg_begin(other, reterr));
        OK(weir_pg_run(other, "LOCK weir.claim_state IN ACCESS EXCLUSIVE MODE", reterr));
        ask(KEYS); /* is sent, and waits */
        claim(1, 2);
        fixture_int(other, "SELECT 1 FROM weir.claim_change(NULL, %d, 1000)", old);
        OK(weir_pg_commit(other, reterr));
        ck_assert_uint_eq(answer(KEYS), KEYS / 2);
        ck_assert(!answers[0]); /* of the generation that is not in the set any more */
        ck_assert(answers[1]);
}
END_TEST

START_TEST(a_connection_that_is_lost_is_an_error_of_the_world)
{
        struct weir_error error = { .code = 0 };
        int64_t backend = fixture_backend(pg);

        ask(KEYS);
        answer(KEYS);
        fixture_int(other, "SELECT pg_terminate_backend(%lld, 10000)::int", (long long)backend);
        if (weir_claimed_ask(claimed, keys, KEYS, &error) == 0)
                ck_assert_int_lt(weir_claimed_answer(claimed, answers, &error), 0);
        ck_assert_int_eq(error.code, WEIR_EDB);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("claimed");
        TCase *tcase = tcase_create("claimed");

        fixture_start("claimed", true);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, each_key_has_its_own_answer_in_whatever_generation_it_is);
        tcase_add_test(tcase, a_key_may_be_asked_for_twice);
        tcase_add_test(tcase, CD1_a_generation_that_begins_between_two_questions_is_looked_into);
        tcase_add_test(tcase, a_generation_that_is_dropped_is_no_error_and_its_claims_are_gone);
        tcase_add_test(tcase, the_set_changes_while_a_question_waits);
        tcase_add_test(tcase, a_connection_that_is_lost_is_an_error_of_the_world);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
