/* SPDX-License-Identifier: MIT */
/* lane: who may still look at it. What it does in its life is fake. */
#include <check.h>
#include <stdlib.h>

#include "flow/lane_internal.h"
#include "wait_fixture.h"

static atomic_int users, hangs, freeing, go_on, users_at_end, lanes_at_end;
static const struct weir_lane_env env = { .users = &users };

/* ---- fakes -------------------------------------------------------------------------------- */

void weir_course_run(struct weir_lane *lane)
{
        while (!lane->stop || hangs)
                weir_latch_wait(&lane->waker, 1);
}
int weir_runner_init(struct weir_runner *runner, const struct weir_lane_env *e,
                     struct weir_partition *partition, struct weir_latch *abort,
                     struct weir_latch *waker, int (*stopping)(void *), void *context,
                     struct weir_error *reterr)
{
        (void)partition, (void)abort, (void)waker, (void)stopping, (void)context, (void)reterr;
        *runner = (struct weir_runner){ .env = e };
        return 0;
}
/* It frees what the plugin has made: it must still be there. */
void weir_runner_fini(struct weir_runner *runner)
{
        (void)runner;
        freeing = 1;
        while (!go_on)
                ;
        users_at_end = users;
        lanes_at_end = weir_lane_count();
        freeing = 2;
}
void weir_intake_init(struct weir_intake *intake, const struct weir_conf_worker *worker,
                      struct weir_budget *budget, struct weir_latch *waker)
{
        (void)intake, (void)worker, (void)budget, (void)waker;
}
void weir_intake_bound(struct weir_intake *intake, const struct weir_batch_rules *rules,
                       int64_t until_offset, uint32_t most_records)
{
        (void)intake, (void)rules, (void)until_offset, (void)most_records;
}
void weir_intake_fini(struct weir_intake *intake)
{
        (void)intake;
}
void weir_intake_drop(struct weir_intake *intake)
{
        (void)intake;
}
const char *weir_partition_topic(const struct weir_partition *p)
{
        (void)p;
        return "t";
}
int32_t weir_partition_number(const struct weir_partition *p)
{
        (void)p;
        return 0;
}
void weir_partition_unref(struct weir_partition *p)
{
        (void)p;
}
void weir_partition_wake(struct weir_partition *p)
{
        (void)p;
}

/* ---- tests -------------------------------------------------------------------------------- */

static const struct weir_conf_worker worker = { .name = "w" };

static struct weir_lane *start(void)
{
        struct weir_lane_env own = env;
        struct weir_lane *lane;
        struct weir_error error;

        own.worker = &worker;
        ck_assert_int_eq(weir_lane_start(&own, (void *)&users, &lane, &error), 0);
        ck_assert_int_eq(users, 1);
        ck_assert_int_eq(weir_lane_count(), 1);
        return lane;
}

START_TEST(a_lane_that_has_ended_is_joined_and_counted_out)
{
        struct weir_lane *lane = start();

        go_on = 1;
        weir_lane_stop(lane, WEIR_LANE_DRAIN);
        ck_assert(weir_lane_wait(lane, weir_clock_us() + 10000000));
        weir_lane_unref(lane);
        ck_assert_int_eq(freeing, 2);
        ck_assert_int_eq(users, 0);
        ck_assert_int_eq(weir_lane_count(), 0);
}
END_TEST

START_TEST(a_lane_that_was_given_up_counts_until_nothing_of_it_is_left)
{
        struct weir_lane *lane = start();

        hangs = 1;
        weir_lane_stop(lane, WEIR_LANE_ABORT);
        ck_assert(!weir_lane_wait(lane, weir_clock_us() + 10000));
        weir_lane_unref(lane);
        ck_assert_int_eq(weir_lane_count(), 1);
        hangs = 0;
        WAIT_UNTIL(freeing == 1);
        ck_assert_int_eq(weir_lane_count(), 1); /* at 0 the runtime frees the plugin under it */
        ck_assert_int_eq(users, 1);
        go_on = 1;
        WAIT_UNTIL(weir_lane_count() == 0);
        ck_assert_int_eq(freeing, 2);
        ck_assert_int_eq(users_at_end, 1);
        ck_assert_int_eq(lanes_at_end, 1);
        ck_assert_int_eq(users, 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("lane");
        TCase *tcase = tcase_create("lane");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, a_lane_that_has_ended_is_joined_and_counted_out);
        tcase_add_test(tcase, a_lane_that_was_given_up_counts_until_nothing_of_it_is_left);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
