/* SPDX-License-Identifier: MIT */
/* locate: a position outside the log halts, with both offsets and the command that resolves it; so does a range of a replay,
 * with other ways out, in a world of fakes: a log, and the one row that is passed over what it has lost */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow/locate.h"
#include "store/withheld.h"

static int judge(int64_t next, int64_t start, int64_t end, struct weir_error *error)
{
        struct weir_position position = { .next_offset = next };
        struct weir_log_range range = { start, end };

        return weir_locate_judge("audit", "orders", 2, &position, &range, error);
}

START_TEST(a_position_inside_the_log_fits)
{
        struct weir_error error;

        ck_assert_int_eq(judge(50, 0, 100, &error), 0);
        ck_assert_int_eq(judge(0, 0, 0, &error), 0);
        ck_assert_int_eq(judge(100, 0, 100, &error), 0); /* everything read */
        ck_assert_int_eq(judge(40, 40, 100, &error), 0);
}
END_TEST

START_TEST(a_log_start_past_the_position_names_the_gap_and_the_way_out)
{
        struct weir_error error;

        ck_assert_int_eq(judge(50, 60, 100, &error), WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "orders/2"));
        ck_assert_ptr_nonnull(strstr(error.text, "log start 60 is past the position 50"));
        ck_assert_ptr_nonnull(strstr(error.text, "offsets 50 to 59"));
        ck_assert_ptr_nonnull(strstr(error.text, "weir position set audit orders/2 60"));
}
END_TEST

START_TEST(a_log_shorter_than_the_position_halts)
{
        struct weir_error error;

        ck_assert_int_eq(judge(101, 0, 100, &error), WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "log end 100 is before the position 101"));
        ck_assert_ptr_nonnull(strstr(error.text, "weir position set audit orders/2 0"));
}
END_TEST

START_TEST(the_longest_names_leave_the_way_out_whole)
{
        char topic[250], worker[64], command[400];
        const struct weir_position position = { .next_offset = INT64_MAX / 2 };
        const struct weir_log_range past = { INT64_MAX - 1, INT64_MAX };
        const struct weir_log_range shorter = { INT64_MAX / 4, INT64_MAX / 3 };
        struct weir_error error;

        memset(topic, 't', sizeof topic - 1);
        topic[sizeof topic - 1] = '\0';
        memset(worker, 'w', sizeof worker - 1);
        worker[sizeof worker - 1] = '\0';
        ck_assert_int_eq(weir_locate_judge(worker, topic, INT32_MAX, &position, &past, &error),
                         WEIR_ELOG);
        snprintf(command, sizeof command, "%s %s/%d %lld --reason retention", worker, topic,
                 INT32_MAX, (long long)past.start_offset);
        ck_assert_ptr_nonnull(strstr(error.text, command));
        ck_assert_int_eq(weir_locate_judge(worker, topic, INT32_MAX, &position, &shorter, &error),
                         WEIR_ELOG);
        snprintf(command, sizeof command, "%s %s/%d %lld --reason recreated", worker, topic,
                 INT32_MAX, (long long)shorter.start_offset);
        ck_assert_ptr_nonnull(strstr(error.text, command));
}
END_TEST

/* ---- a replay, against a log as the fakes have it ---------------------------------------------- */

static struct {
        struct weir_log_range log;
        int64_t fetched; /* from where; -1 = nothing was asked for */
        int64_t passed;  /* to where the row was moved; -1 = it was not */
        int passing;     /* what moving it answers */
} world;

int weir_partition_range(struct weir_partition *partition, int timeout_ms,
                         struct weir_log_range *ret, struct weir_error *reterr)
{
        (void)partition;
        (void)timeout_ms;
        (void)reterr;
        *ret = world.log;
        return 0;
}
void weir_partition_fetch(struct weir_partition *partition, int64_t offset)
{
        (void)partition;
        world.fetched = offset;
}
int weir_partition_offset_at(struct weir_partition *partition, int64_t time_ms, int timeout_ms,
                             int64_t *ret, struct weir_error *reterr)
{
        (void)partition;
        (void)time_ms;
        (void)timeout_ms;
        (void)ret;
        return weir_fail(reterr, WEIR_EKAFKA, 0, "nobody asks for a time");
}
const char *weir_partition_topic(const struct weir_partition *partition)
{
        (void)partition;
        return "orders";
}
int32_t weir_partition_number(const struct weir_partition *partition)
{
        (void)partition;
        return 2;
}
int weir_pool_acquire(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret,
                      struct weir_error *reterr)
{
        (void)pool;
        (void)interrupt;
        (void)reterr;
        *ret = NULL;
        return 0;
}
void weir_pool_release(struct weir_pool *pool, struct weir_pg *pg)
{
        (void)pool;
        (void)pg;
}
int weir_position_begin(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                        struct weir_error *reterr)
{
        (void)pg;
        (void)position;
        (void)next_offset;
        return weir_fail(reterr, WEIR_EDB, 0, "the position of a replay is there from its plan on");
}
int weir_withheld_pass(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr)
{
        (void)pg;
        (void)reterr;
        world.passed = next_offset;
        if (world.passing == 0)
                position->next_offset = next_offset;
        return world.passing;
}

static int never(void *context)
{
        (void)context;
        return 0;
}

/* A replay of 10 to 90 that stands at @next. */
static int start(int64_t next, bool skip_missing, struct weir_position *position,
                 struct weir_error *error)
{
        const struct weir_replay_range range = {
                .topic = "orders", .partition = 2, .from_offset = 10, .until_offset = 90
        };
        const struct weir_replaying replaying = { .id = 7, .skip_missing = skip_missing };
        const struct weir_conf_worker worker = { .name = "audit" };
        struct weir_latch waker;
        struct weir_locate locate = { .worker = &worker,
                                      .waker = &waker,
                                      .stopping = never,
                                      .replaying = &replaying,
                                      .range = &range };
        int r;

        ck_assert_int_eq(weir_latch_init(&waker), 0);
        *position = (struct weir_position){ .next_offset = next, .last_offset = -1 };
        world.fetched = world.passed = -1;
        r = weir_locate_start(&locate, position, error);
        weir_latch_fini(&waker);
        return r;
}

START_TEST(a_range_that_is_through_needs_no_log)
{
        struct weir_position position;
        struct weir_error error;

        /* What is left of it is parked: the log may have been trimmed or shortened meanwhile. */
        world.log = (struct weir_log_range){ 40, 60 };
        ck_assert_int_eq(start(90, false, &position, &error), WEIR_LOCATED);
        ck_assert_int_eq(position.next_offset, 90);
        world.log = (struct weir_log_range){ 200, 300 };
        ck_assert_int_eq(start(90, true, &position, &error), WEIR_LOCATED);
        ck_assert_int_eq(position.next_offset, 90);
        ck_assert_int_eq(world.passed, -1); /* nothing of it is missing */
        ck_assert_int_ge(world.fetched, 90);
}
END_TEST

START_TEST(what_a_replay_finds_gone_halts_it_or_is_passed)
{
        struct weir_position position;
        struct weir_error error;

        world.log = (struct weir_log_range){ 50, 100 };
        ck_assert_int_eq(start(20, false, &position, &error), WEIR_LOCATE_HALT);
        ck_assert_ptr_nonnull(strstr(error.text, "orders/2: log start 50 is past 20"));
        ck_assert_ptr_nonnull(strstr(error.text, "offsets 20 to 49 were deleted"));
        ck_assert_ptr_nonnull(strstr(error.text, "weir replay resume 7 --if-missing skip"));
        ck_assert_int_eq(world.passed, -1);
        ck_assert_int_eq(world.fetched, -1);
        ck_assert_int_eq(start(20, true, &position, &error), WEIR_LOCATED);
        ck_assert_int_eq(position.next_offset, 50);
        ck_assert_int_eq(world.fetched, 50);
        ck_assert_int_eq(start(50, false, &position, &error), WEIR_LOCATED); /* just there */
        ck_assert_int_eq(world.passed, -1);
        /* All of the rest is gone: to its end and no further. */
        world.log = (struct weir_log_range){ 200, 300 };
        ck_assert_int_eq(start(20, false, &position, &error), WEIR_LOCATE_HALT);
        ck_assert_ptr_nonnull(strstr(error.text, "offsets 20 to 89 were deleted"));
        ck_assert_int_eq(start(20, true, &position, &error), WEIR_LOCATED);
        ck_assert_int_eq(position.next_offset, 90);
        world.passing = 1; /* another process has the position */
        ck_assert_int_eq(start(20, true, &position, &error), WEIR_LOCATE_FENCED);
        world.passing = 0;
}
END_TEST

START_TEST(a_log_that_ends_inside_the_range_is_another)
{
        struct weir_position position;
        struct weir_error error;

        world.log = (struct weir_log_range){ 0, 89 };
        ck_assert_int_eq(start(20, true, &position, &error), WEIR_LOCATE_HALT);
        ck_assert_ptr_nonnull(
                strstr(error.text, "orders/2: log end 89 is before the end of the range 90"));
        ck_assert_int_eq(world.fetched, -1);
        world.log.end_offset = 90;
        ck_assert_int_eq(start(20, true, &position, &error), WEIR_LOCATED);
        ck_assert_int_eq(position.next_offset, 20);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("locate");
        TCase *tcase = tcase_create("locate");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, a_position_inside_the_log_fits);
        tcase_add_test(tcase, a_log_start_past_the_position_names_the_gap_and_the_way_out);
        tcase_add_test(tcase, a_log_shorter_than_the_position_halts);
        tcase_add_test(tcase, the_longest_names_leave_the_way_out_whole);
        tcase_add_test(tcase, a_range_that_is_through_needs_no_log);
        tcase_add_test(tcase, what_a_replay_finds_gone_halts_it_or_is_passed);
        tcase_add_test(tcase, a_log_that_ends_inside_the_range_is_another);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
