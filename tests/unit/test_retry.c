/* SPDX-License-Identifier: MIT */
/* retry: what is known of failed attempts is told to the events that it is about, and goes when they are passed */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/retry.h"

enum { ROWS = 4, ITEMS = 6 };

/* ---- the table ------------------------------------------------------------------------------ */

static struct weir_attempt table[ROWS], saved;
static size_t table_count;
static int save_answer, passes;
static int64_t passed_to;

int weir_attempt_load(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_arena *arena, struct weir_attempt **ret, size_t *ret_count,
                      struct weir_error *reterr)
{
        (void)pg;
        (void)position;
        (void)arena;
        (void)reterr;
        *ret = calloc(ROWS, sizeof **ret);
        memcpy(*ret, table, table_count * sizeof *table);
        *ret_count = table_count;
        return 0;
}
int weir_attempt_save(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_attempt *attempt, const char *reason, const char *text,
                      struct weir_error *reterr)
{
        (void)pg;
        (void)position;
        (void)reason;
        (void)text;
        (void)reterr;
        attempt->first_failed_us = 4711;
        saved = *attempt;
        return save_answer;
}
int weir_attempt_pass(struct weir_pg *pg, int32_t position, int64_t next_offset,
                      struct weir_error *reterr)
{
        (void)pg;
        (void)position;
        (void)reterr;
        passes++;
        passed_to = next_offset;
        return 0;
}

/* ---- fixture -------------------------------------------------------------------------------- */

static struct weir_retry retry;
static struct weir_position position;
static struct weir_batch_record records[4];
static struct weir_item items[ITEMS];
static struct weir_batch batch;
static struct weir_error error;

/* Offsets 100, 101 with three events, 105 and 106. */
static void setup(void)
{
        static const int64_t offsets[] = { 100, 101, 105, 106 };
        static const uint32_t counts[] = { 1, 3, 1, 1 };
        uint32_t item = 0;

        for (uint32_t i = 0; i < 4; i++) {
                records[i].record.offset = offsets[i];
                records[i].first_item = item;
                records[i].item_count = counts[i];
                for (uint32_t k = 0; k < counts[i]; k++, item++) {
                        items[item].record = i;
                        items[item].event.offset = offsets[i];
                }
        }
        batch = (struct weir_batch){
                .records = records, .record_count = 4, .items = items, .item_count = ITEMS
        };
        save_answer = WEIR_KEPT_DONE;
}

static void teardown(void)
{
        weir_retry_fini(&retry);
}

static void load(void)
{
        ck_assert_int_eq(weir_retry_load(&retry, NULL, &position, &error), 0);
}

static void row(int64_t offset, int32_t item, int32_t attempts, int32_t deaths)
{
        table[table_count++] = (struct weir_attempt){ .offset = offset,
                                                      .item = item,
                                                      .attempts = attempts,
                                                      .deaths = deaths,
                                                      .death = deaths ? "SIGSEGV" : NULL };
}

START_TEST(deaths_are_the_events_own_or_all_of_its_records)
{
        row(101, -1, 0, 2);
        row(101, 1, 0, 3);
        row(105, 0, 0, 1);
        load();
        weir_retry_meet(&retry, &batch);
        ck_assert_int_eq(items[0].deaths, 0);
        ck_assert_ptr_null(items[0].death);
        ck_assert_int_eq(items[1].deaths, 2);
        ck_assert_int_eq(items[2].deaths, 5);
        ck_assert_int_eq(items[3].deaths, 2);
        ck_assert_int_eq(items[4].deaths, 1);
        ck_assert_str_eq(items[4].death, "SIGSEGV");
        ck_assert_int_eq(items[5].deaths, 0);
        ck_assert_int_eq(items[2].attempts, 0); /* a death is no call that failed */
        ck_assert_int_eq(items[2].event.attempt, 0);
}
END_TEST

START_TEST(attempts_meet_their_event_and_what_is_left_of_its_wait)
{
        row(100, 0, 3, 0);
        row(101, 2, 1, 0);
        row(103, 0, 9, 0); /* of no record here */
        row(105, 1, 9, 0); /* of no event of its record */
        table[1].wait_ms = 5000;
        load();
        weir_retry_meet(&retry, &batch);
        ck_assert_int_eq(items[0].attempts, 3);
        ck_assert_int_eq(items[0].event.attempt, 4);
        ck_assert_int_eq(items[0].try_at_us, 0);
        ck_assert_int_eq(items[1].attempts, 0);
        ck_assert_int_eq(items[3].attempts, 1);
        ck_assert_int_eq(items[3].try_at_us, retry.loaded_us + 5000000);
        ck_assert_int_eq(items[4].attempts, 0);
}
END_TEST

START_TEST(J1_what_was_noted_is_met_again_as_it_was)
{
        int64_t try_at_us;

        row(101, 1, 0, 2);
        load();
        retry.loaded_us -= 3600 * INT64_C(1000000); /* an hour ago */
        weir_retry_meet(&retry, &batch);
        items[2].attempts = 1;
        ck_assert_int_eq(weir_retry_note(&retry, NULL, &position, &batch, 2, 250, &error),
                         WEIR_KEPT_DONE);
        ck_assert_int_eq(saved.offset, 101);
        ck_assert_int_eq(saved.item, 1);
        ck_assert_int_eq(saved.attempts, 1);
        ck_assert_int_eq(saved.wait_ms, 250);
        ck_assert_int_eq(items[2].first_failed_us, 4711);
        ck_assert_uint_eq(retry.count, 1);
        try_at_us = items[2].try_at_us;
        ck_assert_int_gt(try_at_us, weir_clock_us() - 20000000);
        items[2] = (struct weir_item){ .record = 1 }; /* the batch is read once more */
        weir_retry_meet(&retry, &batch);
        ck_assert_int_eq(items[2].attempts, 1);
        ck_assert_int_eq(items[2].deaths, 2); /* they are not forgotten over an attempt */
        ck_assert_str_eq(items[2].death, "SIGSEGV");
        ck_assert_int_eq(items[2].first_failed_us, 4711);
        ck_assert_int_le(items[2].try_at_us, try_at_us); /* not once more from the beginning */
        ck_assert_int_gt(items[2].try_at_us, try_at_us - 1000);
}
END_TEST

START_TEST(J1_a_fenced_attempt_is_not_known)
{
        load();
        save_answer = WEIR_KEPT_FENCED;
        items[0].attempts = 1;
        ck_assert_int_eq(weir_retry_note(&retry, NULL, &position, &batch, 0, 250, &error),
                         WEIR_KEPT_FENCED);
        ck_assert_uint_eq(retry.count, 0);
        ck_assert_int_eq(items[0].try_at_us, 0);
}
END_TEST

START_TEST(J2_a_query_only_when_something_is_passed)
{
        row(101, 0, 1, 0);
        row(105, 0, 1, 0);
        load();
        ck_assert_int_eq(weir_retry_pass(&retry, NULL, 1, 101, &error), 0);
        ck_assert_int_eq(passes, 0);
        ck_assert_int_eq(weir_retry_pass(&retry, NULL, 1, 102, &error), 0);
        ck_assert_int_eq(passes, 1);
        ck_assert_int_eq(passed_to, 102);
        weir_retry_passed(&retry, 101);
        ck_assert_uint_eq(retry.count, 2);
        weir_retry_passed(&retry, 102);
        ck_assert_uint_eq(retry.count, 1);
        ck_assert_int_eq(retry.rows[0].offset, 105);
        ck_assert_int_eq(weir_retry_pass(&retry, NULL, 1, 105, &error), 0);
        ck_assert_int_eq(passes, 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("retry");
        TCase *tcase = tcase_create("retry");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, deaths_are_the_events_own_or_all_of_its_records);
        tcase_add_test(tcase, attempts_meet_their_event_and_what_is_left_of_its_wait);
        tcase_add_test(tcase, J1_what_was_noted_is_met_again_as_it_was);
        tcase_add_test(tcase, J1_a_fenced_attempt_is_not_known);
        tcase_add_test(tcase, J2_a_query_only_when_something_is_passed);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
