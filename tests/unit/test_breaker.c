/* SPDX-License-Identifier: MIT */
/* test_breaker - when a destination is left alone, and who asks after it first */
#include <check.h>
#include <stdlib.h>

#include "side/breaker.h"

#define MS INT64_C(1000)

static int64_t backoff_ms(uint32_t failures)
{
        return 100 * failures;
}

static struct weir_breaker after(int failures)
{
        struct weir_breaker breaker = { .state = WEIR_DESTINATION_OPEN };

        for (int i = 0; i < failures; i++)
                weir_breaker_failed(&breaker, 10, 20, -1, backoff_ms);
        return breaker;
}

START_TEST(a_failure_or_two_are_the_event_s)
{
        struct weir_breaker breaker = after(2);

        ck_assert_int_eq(weir_breaker_ask(&breaker, 21), WEIR_BREAKER_SEND);
        ck_assert(!weir_breaker_delivered(&breaker, 30));
        ck_assert(!weir_breaker_failed(&breaker, 10, 20, -1, backoff_ms));
        ck_assert(!weir_breaker_failed(&breaker, 10, 20, -1, backoff_ms));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 21), WEIR_BREAKER_SEND);
}
END_TEST

START_TEST(three_in_a_row_are_the_receiver_s)
{
        struct weir_breaker breaker = after(2);

        ck_assert(weir_breaker_failed(&breaker, 10, 20, -1, backoff_ms));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 20 + 300 * MS - 1), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 20 + 300 * MS), WEIR_BREAKER_PROBE);
}
END_TEST

START_TEST(a_receiver_that_asks_for_time_gets_it_at_once)
{
        struct weir_breaker breaker = after(0);

        ck_assert(weir_breaker_failed(&breaker, 10, 20, 7000, backoff_ms));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 20 + 7000 * MS - 1), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 20 + 7000 * MS), WEIR_BREAKER_PROBE);
}
END_TEST

START_TEST(failures_of_the_same_moment_are_one)
{
        struct weir_breaker breaker = after(3);
        int64_t until_us = breaker.not_before_us;

        for (int i = 0; i < 5; i++)
                ck_assert(!weir_breaker_failed(&breaker, 10, 30, -1, backoff_ms));
        ck_assert_int_eq(breaker.failures, 3);
        ck_assert_int_eq(breaker.not_before_us, until_us);
}
END_TEST

START_TEST(a_late_success_does_not_cancel_what_the_receiver_asked_for)
{
        struct weir_breaker breaker = after(0);

        weir_breaker_failed(&breaker, 10, 20, 7000, backoff_ms);
        ck_assert(!weir_breaker_delivered(&breaker, 19));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 20 + 7000 * MS - 1), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(breaker.failures, 1);
        breaker = after(3);
        ck_assert(!weir_breaker_delivered(&breaker, 19));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 21), WEIR_BREAKER_WAIT);
}
END_TEST

START_TEST(a_late_answer_of_another_request_leaves_the_probe_alone)
{
        struct weir_breaker breaker = after(3);

        weir_breaker_probe(&breaker);
        ck_assert(!weir_breaker_delivered(&breaker, 19));
        ck_assert_int_eq(weir_breaker_ask(&breaker, breaker.not_before_us), WEIR_BREAKER_WAIT);
        ck_assert(weir_breaker_delivered(&breaker, breaker.not_before_us));
}
END_TEST

START_TEST(of_two_requests_for_time_the_longer_one_counts)
{
        struct weir_breaker breaker = after(0);

        weir_breaker_failed(&breaker, 10, 20, 7000, backoff_ms);
        ck_assert(weir_breaker_failed(&breaker, 10, 30, 9000, backoff_ms));
        ck_assert(!weir_breaker_failed(&breaker, 10, 40, 1000, backoff_ms));
        ck_assert_int_eq(breaker.not_before_us, 30 + 9000 * MS);
        ck_assert_int_eq(breaker.failures, 1);
}
END_TEST

START_TEST(a_success_begun_before_another_relay_s_news_is_none)
{
        struct weir_breaker breaker = after(0);

        weir_breaker_learn(&breaker, WEIR_DESTINATION_WAITING, 4, 900, 0, 500);
        ck_assert(!weir_breaker_delivered(&breaker, 499));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 899), WEIR_BREAKER_WAIT);
        ck_assert(weir_breaker_delivered(&breaker, 900));
}
END_TEST

START_TEST(a_request_of_the_moment_of_the_news_is_not_late)
{
        struct weir_breaker breaker = after(3);

        ck_assert_int_eq(breaker.changed_us, 20);
        ck_assert(weir_breaker_delivered(&breaker, 20));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 21), WEIR_BREAKER_SEND);
}
END_TEST

START_TEST(who_asks_late_for_what_is_waited_anyway_changes_nothing)
{
        struct weir_breaker breaker = after(0);

        ck_assert(weir_breaker_failed(&breaker, 10, 20, 7000, backoff_ms));
        ck_assert(!weir_breaker_failed(&breaker, 10, 20, 7000, backoff_ms));
        ck_assert(weir_breaker_failed(&breaker, 10, 21, 7000, backoff_ms));
}
END_TEST

START_TEST(exactly_one_request_probes)
{
        struct weir_breaker breaker = after(3);
        int64_t due_us = breaker.not_before_us;

        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us), WEIR_BREAKER_PROBE);
        weir_breaker_probe(&breaker);
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us + 3600000 * MS), WEIR_BREAKER_WAIT);
}
END_TEST

START_TEST(a_probe_that_arrives_opens)
{
        struct weir_breaker breaker = after(3);

        weir_breaker_probe(&breaker);
        ck_assert(weir_breaker_delivered(&breaker, breaker.not_before_us));
        ck_assert_int_eq(weir_breaker_ask(&breaker, 0), WEIR_BREAKER_SEND);
        ck_assert_int_eq(breaker.failures, 0);
}
END_TEST

START_TEST(a_probe_that_fails_waits_longer)
{
        struct weir_breaker breaker = after(3);
        int64_t due_us = breaker.not_before_us;

        weir_breaker_probe(&breaker);
        ck_assert(weir_breaker_failed(&breaker, due_us, due_us + 5, -1, backoff_ms));
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us + 5 + 400 * MS - 1), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us + 5 + 400 * MS), WEIR_BREAKER_PROBE);
}
END_TEST

START_TEST(what_a_probe_is_told_counts_also_when_it_is_sooner)
{
        struct weir_breaker breaker = after(3);

        weir_breaker_probe(&breaker);
        ck_assert(weir_breaker_failed(&breaker, 20, 30, 5, backoff_ms));
        ck_assert_int_eq(breaker.not_before_us, 30 + 5 * MS);
        ck_assert(weir_breaker_failed(&breaker, 30, 40, 1, backoff_ms)); /* no probe: the longer */
        ck_assert_int_eq(breaker.not_before_us, 30 + 5 * MS);
}
END_TEST

START_TEST(a_probe_that_says_nothing_may_be_repeated)
{
        struct weir_breaker breaker = after(3);
        int64_t due_us = breaker.not_before_us;

        weir_breaker_probe(&breaker);
        weir_breaker_ended(&breaker);
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us), WEIR_BREAKER_PROBE);
}
END_TEST

START_TEST(who_retires_stays_retired_until_somebody_opens)
{
        struct weir_breaker breaker = after(0);

        ck_assert(weir_breaker_retired(&breaker));
        ck_assert(!weir_breaker_retired(&breaker));
        ck_assert(!weir_breaker_delivered(&breaker, 30));
        ck_assert(!weir_breaker_failed(&breaker, 1, 2, 5, backoff_ms));
        ck_assert_int_eq(weir_breaker_ask(&breaker, INT64_MAX), WEIR_BREAKER_RETIRED);
        weir_breaker_learn(&breaker, WEIR_DESTINATION_OPEN, 0, 0, 0, 500);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 0), WEIR_BREAKER_SEND);
}
END_TEST

START_TEST(what_others_found_out_counts_here)
{
        struct weir_breaker breaker = after(1);

        weir_breaker_learn(&breaker, WEIR_DESTINATION_OPEN, 0, 0, 0, 500);
        ck_assert_int_eq(breaker.failures, 1);
        weir_breaker_learn(&breaker, WEIR_DESTINATION_WAITING, 4, 900, 0, 500);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 899), WEIR_BREAKER_WAIT);
        weir_breaker_yield(&breaker, 1000);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 999), WEIR_BREAKER_WAIT);
        weir_breaker_probe(&breaker);
        weir_breaker_learn(&breaker, WEIR_DESTINATION_WAITING, 4, 500, 5000, 500);
        ck_assert_int_eq(breaker.not_before_us, 1000);
        weir_breaker_learn(&breaker, WEIR_DESTINATION_RETIRED, 4, 0, 0, 500);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 2000), WEIR_BREAKER_RETIRED);
}
END_TEST

START_TEST(a_wait_that_another_relay_was_told_of_ends_the_probe)
{
        struct weir_breaker breaker = after(3);
        int64_t due_us = breaker.not_before_us;

        weir_breaker_probe(&breaker);
        weir_breaker_learn(&breaker, WEIR_DESTINATION_WAITING, 3, due_us + 60000 * MS,
                           due_us + 9000 * MS, due_us + 10);
        ck_assert(!weir_breaker_delivered(&breaker, due_us)); /* younger than our question */
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us + 60000 * MS - 1), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, due_us + 60000 * MS), WEIR_BREAKER_PROBE);
}
END_TEST

START_TEST(the_probe_of_another_relay_is_waited_for)
{
        struct weir_breaker breaker = after(0);

        weir_breaker_learn(&breaker, WEIR_DESTINATION_WAITING, 3, 400, 900, 500);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 899), WEIR_BREAKER_WAIT);
        ck_assert_int_eq(weir_breaker_ask(&breaker, 900), WEIR_BREAKER_PROBE);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("breaker");
        TCase *tcase = tcase_create("breaker");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, a_failure_or_two_are_the_event_s);
        tcase_add_test(tcase, three_in_a_row_are_the_receiver_s);
        tcase_add_test(tcase, a_receiver_that_asks_for_time_gets_it_at_once);
        tcase_add_test(tcase, failures_of_the_same_moment_are_one);
        tcase_add_test(tcase, a_late_success_does_not_cancel_what_the_receiver_asked_for);
        tcase_add_test(tcase, a_late_answer_of_another_request_leaves_the_probe_alone);
        tcase_add_test(tcase, of_two_requests_for_time_the_longer_one_counts);
        tcase_add_test(tcase, a_success_begun_before_another_relay_s_news_is_none);
        tcase_add_test(tcase, exactly_one_request_probes);
        tcase_add_test(tcase, who_asks_late_for_what_is_waited_anyway_changes_nothing);
        tcase_add_test(tcase, a_request_of_the_moment_of_the_news_is_not_late);
        tcase_add_test(tcase, a_probe_that_arrives_opens);
        tcase_add_test(tcase, a_probe_that_fails_waits_longer);
        tcase_add_test(tcase, what_a_probe_is_told_counts_also_when_it_is_sooner);
        tcase_add_test(tcase, a_probe_that_says_nothing_may_be_repeated);
        tcase_add_test(tcase, who_retires_stays_retired_until_somebody_opens);
        tcase_add_test(tcase, what_others_found_out_counts_here);
        tcase_add_test(tcase, a_wait_that_another_relay_was_told_of_ends_the_probe);
        tcase_add_test(tcase, the_probe_of_another_relay_is_waited_for);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
