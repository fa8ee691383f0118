/* SPDX-License-Identifier: MIT */
/* side/answer: statuses, Retry-After in all its forms, what an answer to OPTIONS grants */
#include <check.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "side/webhook.h"

START_TEST(every_status_has_one_meaning)
{
        for (int status = -1; status < 1000; status++) {
                enum weir_webhook_action wanted = WEIR_WEBHOOK_RETRY;

                if (status == 410)
                        wanted = WEIR_WEBHOOK_RETIRED;
                else if (status >= 200 && status < 300)
                        wanted = WEIR_WEBHOOK_DELIVERED;
                else if (status >= 300 && status < 500 && status != 401 && status != 403 &&
                         status != 408 && status != 425 && status != 429)
                        wanted = WEIR_WEBHOOK_REFUSED;
                ck_assert_msg(weir_webhook_action_of(status) == wanted, "status %d", status);
        }
}
END_TEST

START_TEST(only_a_failure_that_may_be_the_event_s_is_blamed_on_it)
{
        for (int status = -1; status < 1000; status++) {
                bool blames = weir_webhook_blames_event(status);

                if (blames)
                        ck_assert_int_eq(weir_webhook_action_of(status), WEIR_WEBHOOK_RETRY);
                ck_assert_msg(blames == (status == 500 || status == 501 ||
                                         (status > 504 && status < 511)),
                              "status %d", status);
        }
}
END_TEST

/* Sat, 04 Jul 2026 10:00:00 GMT */
#define NOW_S INT64_C(1783159200)

static const struct {
        const char *retry_after, *date;
        int64_t seconds;
} waits[] = {
        { "120", NULL, 120 },
        { " 7\t", NULL, 7 },
        { "0", NULL, 0 },
        { "007", NULL, 7 },
        { "86400", NULL, 86400 },
        { "86401", NULL, 86400 },
        { "999999999999999999", NULL, 86400 },
        { "9999999999999999999", NULL, -1 },
        { "99999999999999999999999999999999", NULL, -1 },
        { NULL, NULL, -1 },
        { "", NULL, -1 },
        { "soon", NULL, -1 },
        { "-5", NULL, -1 },
        { "+5", NULL, -1 },
        { "5.5", NULL, -1 },
        { "1e3", NULL, -1 },
        { "0x10", NULL, -1 },
        { "5, 6", NULL, -1 },
        { "Sat, 04 Jul 2026 10:05:00 GMT", NULL, 300 },
        { "Sat, 04 Jul 2026 10:05:00 GMT", "Sat, 04 Jul 2026 10:04:00 GMT", 60 },
        { "Sat, 04 Jul 2026 10:05:00 GMT", "garbage", 300 },
        { "Sat, 04 Jul 2026 09:00:00 GMT", NULL, 0 },
        { "Saturday, 04-Jul-26 10:00:30 GMT", NULL, 30 },
        { "Saturday, 04-Jul-26 10:00:30 GMT", "Sat Jul  4 10:00:10 2026", 20 },
        { "Sat Jul  4 10:01:00 2026", NULL, 60 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", NULL, 0 }, /* 1994, not 2094 */
        { "Fri, 01 Jan 2027 00:00:00 GMT", NULL, 86400 },
        { "Sun, 28 Feb 2028 23:59:59 GMT", "Sun, 28 Feb 2028 23:59:00 GMT", 59 },
        { "Tue, 29 Feb 2028 00:00:10 GMT", "Mon, 28 Feb 2028 23:59:50 GMT", 20 },
        { "Wed, 01 Mar 2028 00:00:00 GMT", "Tue, 29 Feb 2028 23:59:59 GMT", 1 },
        { "Sat, 04 Jul 2026 10:05:00 +0000", NULL, -1 },
        { "Sat, 04 Jul 2026 10:05:00", NULL, -1 },
        { "Sat, 04 Foo 2026 10:05:00 GMT", NULL, -1 },
        { "Sat, 44 Jul 2026 10:05:00 GMT", NULL, -1 },
        { "Sat, 04 Jul 2026 24:05:00 GMT", NULL, -1 },
        { "Sat, 04 Jul 2026 10:05:00 GMT, 5", NULL, -1 },
        { "2026-07-04T10:05:00Z", NULL, -1 },
        { "S, 04-Jul-26 10:00:30 GMT", NULL, -1 },
};

START_TEST(a_wait_is_read_or_it_is_none)
{
        int64_t seconds = weir_webhook_retry_after_s(waits[_i].retry_after, waits[_i].date, NOW_S);

        ck_assert_msg(seconds == waits[_i].seconds, "%s: %lld",
                      waits[_i].retry_after ? waits[_i].retry_after : "(none)", (long long)seconds);
}
END_TEST

static const struct {
        const char *origin, *rate;
        bool granted;
        int64_t per_minute;
} grants[] = {
        { "emit.example.com", "100", true, 100 },
        { " emit.example.com ", " 5 ", true, 5 },
        { "*", "*", true, -1 },
        { "*", NULL, true, 0 },
        { "*", "0", true, 0 },
        { "*", "-1", true, 0 },
        { "*", "fast", true, 0 },
        { "*", "99999999999999999999", true, 0 },
        { "emit.example.com.evil.net", "5", false, 0 },
        { "emit.example", "5", false, 0 },
        { "EMIT.EXAMPLE.COM", "5", false, 0 },
        { "emit.example.com, *", "5", false, 0 },
        { "**", "5", false, 0 },
        { "", "5", false, 0 },
        { NULL, "5", false, 0 },
};

START_TEST(consent_is_for_this_origin_or_for_all)
{
        struct weir_webhook_grant grant = weir_webhook_grant_of("emit.example.com",
                                                                grants[_i].origin, grants[_i].rate);

        ck_assert(grant.granted == grants[_i].granted);
        ck_assert_int_eq(grant.rate_per_minute, grants[_i].per_minute);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_answer");
        TCase *tcase = tcase_create("answer");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, every_status_has_one_meaning);
        tcase_add_test(tcase, only_a_failure_that_may_be_the_event_s_is_blamed_on_it);
        tcase_add_loop_test(tcase, a_wait_is_read_or_it_is_none, 0, WEIR_COUNT_OF(waits));
        tcase_add_loop_test(tcase, consent_is_for_this_origin_or_for_all, 0, WEIR_COUNT_OF(grants));
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
