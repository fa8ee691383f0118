/* SPDX-License-Identifier: MIT */
/* locate: a position outside the log halts, with both offsets and the command that resolves it */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow/locate.h"

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
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
