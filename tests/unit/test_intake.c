/* SPDX-License-Identifier: MIT */
/* intake: how much room a lane asks for before it has seen how large records are, and after. The partition is a fake. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow/intake.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define TOTAL KIB(4096)
#define QUARTER (TOTAL / 4)

static struct {
        size_t bytes; /* of each record */
        int count;    /* that are there */
        int64_t next;
} queue;
static struct weir_budget *budget;
static struct weir_credit others;
static struct weir_latch waker;
static struct weir_intake intake;
static const struct weir_conf_worker worker = { .name = "w",
                                                .batch_max_events = 10,
                                                .batch_max_bytes = TOTAL };
static const struct weir_position position = { .last_offset = -1 };
static char value[KIB(512)];

/* ---- fakes ---------------------------------------------------------------------------------- */

int weir_partition_await(struct weir_partition *partition, int timeout_ms,
                         struct weir_error *reterr)
{
        (void)partition, (void)timeout_ms, (void)reterr;
        return queue.count > 0;
}
int weir_partition_read(struct weir_partition *partition, int timeout_ms, struct weir_record *ret,
                        struct weir_error *reterr)
{
        (void)partition, (void)timeout_ms, (void)reterr;
        if (queue.count == 0)
                return 0;
        queue.count--;
        *ret = (struct weir_record){ .topic = "t",
                                     .offset = queue.next++,
                                     .value = { value, queue.bytes } };
        return 1;
}
int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        (void)record, (void)arena;
        return 0;
}
void weir_record_release(struct weir_record *record)
{
        (void)record;
}
bool weir_partition_out(struct weir_partition *partition)
{
        (void)partition;
        return false;
}
int64_t weir_partition_end(const struct weir_partition *partition)
{
        (void)partition;
        return -1;
}
size_t weir_partition_queued(const struct weir_partition *partition)
{
        (void)partition;
        return (size_t)queue.count;
}
void weir_partition_waits(struct weir_partition *partition)
{
        (void)partition;
}

void weir_partition_starves(struct weir_partition *partition)
{
        (void)partition;
}
bool weir_partition_revoked(const struct weir_partition *partition)
{
        (void)partition;
        return false;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void setup(void)
{
        struct weir_error error;

        ck_assert_int_eq(weir_latch_init(&waker), 0);
        ck_assert_int_eq(weir_budget_new(TOTAL, &budget, &error), 0);
        others = (struct weir_credit){ .budget = budget };
        weir_intake_init(&intake, &worker, budget, &waker);
}

static void teardown(void)
{
        weir_intake_fini(&intake);
        weir_credit_give(&others);
        ck_assert_uint_eq(weir_budget_used(budget), 0);
        weir_budget_free(budget);
        weir_latch_fini(&waker);
}

/* So many of so many bytes come. How many of them are a batch? */
static size_t collect(int count, size_t bytes)
{
        struct weir_error error = { 0 };

        queue.count = count;
        queue.bytes = bytes;
        ck_assert_msg(weir_intake_collect(&intake, NULL, &position, &error) == 0, "%s", error.text);
        ck_assert_uint_le(weir_batch_cost(&intake.batch), intake.credit.bytes);
        return weir_intake_count(&intake);
}

START_TEST(a_lane_that_has_seen_none_asks_for_a_quarter_and_no_more_once_it_has_seen_one)
{
        weir_credit_set(&others, TOTAL - QUARTER - 1);
        ck_assert_uint_eq(collect(10, 100), 10); /* a quarter more than the first is not there */
        ck_assert_uint_lt(intake.credit.bytes, KIB(128));
}
END_TEST

START_TEST(a_record_that_is_larger_is_what_the_next_one_is_expected_to_be)
{
        ck_assert_uint_eq(collect(10, KIB(512)), 3); /* with a fourth it would be all, and more */
        ck_assert_uint_ge(intake.expected_bytes, KIB(1024));
}
END_TEST

/* The first record of all tells more than a guess, that of a later batch no more than those before. */
START_TEST(what_was_learnt_is_forgotten_by_halves)
{
        uint64_t before;

        collect(1, KIB(256));
        before = intake.expected_bytes;
        ck_assert_uint_ge(before, KIB(512));
        weir_intake_drop(&intake);
        collect(1, 100);
        ck_assert_uint_eq(intake.expected_bytes, before / 2);
        weir_intake_drop(&intake);
        collect(1, 100);
        ck_assert_uint_eq(intake.expected_bytes, before / 4);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("intake");
        TCase *tcase = tcase_create("intake");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(
                tcase,
                a_lane_that_has_seen_none_asks_for_a_quarter_and_no_more_once_it_has_seen_one);
        tcase_add_test(tcase, a_record_that_is_larger_is_what_the_next_one_is_expected_to_be);
        tcase_add_test(tcase, what_was_learnt_is_forgotten_by_halves);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
