/* SPDX-License-Identifier: MIT */
/* side/rate: moments that were reserved, and when they may be used */
#include <check.h>
#include <stdlib.h>

#include "side/relay_state.h"

#define S INT64_C(1000000)

static struct weir_outlet outlet_at(uint32_t rate_per_s, uint32_t moments, int64_t first_us)
{
        static struct weir_conf_sink sink;

        sink = (struct weir_conf_sink){ .name = "hook", .rate_per_s = rate_per_s };
        return (struct weir_outlet){ .sink = &sink, .moments = moments, .moment_us = first_us };
}

static int leave_at(struct weir_outlet *outlet, int64_t now_us)
{
        int count = 0;

        while (count < 1000 && weir_outlet_token(outlet, now_us))
                count++;
        return count;
}

START_TEST(a_moment_is_used_once_and_not_before_it_comes)
{
        struct weir_outlet outlet = outlet_at(10, 3, 5 * S);

        ck_assert_int_eq(leave_at(&outlet, 5 * S - 1), 0);
        ck_assert_int_eq(weir_outlet_token_at_us(&outlet), 5 * S);
        ck_assert_int_eq(leave_at(&outlet, 5 * S), 1);
        ck_assert_int_eq(leave_at(&outlet, 5 * S + S / 10), 0);
        ck_assert_int_eq(leave_at(&outlet, 5 * S + S / 10 + 1), 1);
        ck_assert_int_eq(leave_at(&outlet, 7 * S), 1);
        ck_assert_int_eq(leave_at(&outlet, 9 * S), 0); /* none is left */
        ck_assert_int_eq(weir_outlet_token_at_us(&outlet), 0);
}
END_TEST

START_TEST(a_pause_is_no_reason_for_a_burst)
{
        struct weir_outlet outlet = outlet_at(100, 25, 1 * S);

        ck_assert_int_eq(leave_at(&outlet, 60 * S),
                         10); /* of a tenth of a second, and the one that is due */
        ck_assert_uint_eq(outlet.moments, 15);
        ck_assert_int_gt(weir_outlet_token_at_us(&outlet), 60 * S);
}
END_TEST

START_TEST(the_smaller_of_two_rates_counts_and_none_is_no_limit)
{
        struct weir_outlet outlet = outlet_at(10, 2, 0);

        outlet.allowed_rate = 60; /* a minute */
        ck_assert_int_eq(leave_at(&outlet, 0), 1);
        ck_assert_int_eq(leave_at(&outlet, S - 1), 0);
        outlet.allowed_rate = 60000;
        outlet.moment_us = 0;
        ck_assert(weir_outlet_token(&outlet, 0));
        ck_assert(!weir_outlet_token(&outlet, 60 * S));
        outlet = outlet_at(0, 0, 0);
        ck_assert_int_eq(leave_at(&outlet, 0), 1000);
        ck_assert_int_eq(weir_outlet_token_at_us(&outlet), 0);
}
END_TEST

START_TEST(a_missing_topic_is_missing_only_after_a_while)
{
        struct weir_outlet topic = { .kind = 't' };

        ck_assert(weir_outlet_may_be_made(&topic, 1000000));
        ck_assert(weir_outlet_may_be_made(&topic, 3999999));
        ck_assert(!weir_outlet_may_be_made(&topic, 4000000));
        ck_assert(!weir_outlet_may_be_made(&topic, 13000000));
        ck_assert(weir_outlet_may_be_made(&topic, 24000000)); /* sent again, later */
        ck_assert(weir_outlet_may_be_made(&topic, 25000000));
        ck_assert(!weir_outlet_may_be_made(&topic, 27000000));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("rate");
        TCase *tcase = tcase_create("rate");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, a_moment_is_used_once_and_not_before_it_comes);
        tcase_add_test(tcase, a_pause_is_no_reason_for_a_burst);
        tcase_add_test(tcase, the_smaller_of_two_rates_counts_and_none_is_no_limit);
        tcase_add_test(tcase, a_missing_topic_is_missing_only_after_a_while);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
