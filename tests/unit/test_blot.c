/* SPDX-License-Identifier: MIT */
/* side/blot: what an echo may still say of a URL */
#include <check.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "side/blot.h"

static const struct {
        const char *path, *query, *text, *wanted;
} echoes[] = {
        { "/h", NULL, "no /h here", "no ** here" },
        { "/", NULL, "a/b", "a/b" },
        { "/hooks/T0123456789", NULL, "no hook T0123456789 in hooks",
          "no hook *********** in hooks" },
        { "/hooks/T0123456789", NULL, "{\"path\":\"\\/hooks\\/t0123456789\"}",
          "{\"path\":\"********************\"}" },
        { "/a%20secret%2Fpart", NULL, "a secret/part", "*************" },
        { "/a%20secret%2Fpart", NULL, "A%20SECRET%2fPART", "*****************" },
        { "/h", "key=hunter2&v=1", "?v=1&key=hunter2", "?v=1&key=*******" },
        { "/h", "key=hunter2&v=1", "key=hunter2&v=1!", "***************!" },
        { NULL, "token=a%2Bb+c%3D", "a+b+c=", "******" },
        { NULL, "token=a%2Bb+c%3D", "a+b c=", "******" },
        { NULL, "hunter2", "who is hunter2?", "who is *******?" },
        { NULL, "a=123", "123", "123" },
        { NULL, "a=1234", "12341234", "********" },
        { NULL, NULL, "plain", "plain" },
        { NULL, "a=%zz%4", "%zz%4", "*****" },
        { "/hooks/ab%2Fcdefgh", NULL, "see /x?u=%2Fhooks%2Fab%252Fcdefgh.",
          "see /x?u=************************." },
        { "/hooks/ab%2Fcdefgh", NULL, "AB%25252FCDEFGH!", "***************!" },
        { "/hooks/ab%252Fcdefgh", NULL, "ab/cdefgh!", "*********!" },
        { "/bot123456:AAHdqTcvCH", NULL, "no aahdqtcvch here", "no ********** here" },
        { "/bot123456:AAHdqTcvCH", NULL, "100%25 of bot", "100%25 of bot" },
        { NULL, "token=a%2Bb+c%3D", "a%252bb%20c%253D", "****************" },
};

START_TEST(an_echo_does_not_say_the_url)
{
        char text[100];

        snprintf(text, sizeof text, "%s", echoes[_i].text);
        ck_assert(weir_blot_url(text, strlen(text), echoes[_i].path, echoes[_i].query));
        ck_assert_str_eq(text, echoes[_i].wanted);
}
END_TEST

START_TEST(a_secret_goes_wherever_it_stands)
{
        char text[] = "abcABCab", bytes[] = { 'x', '\0', 'k', 'e', 'y' };
        char encoded[] = "u=TO%2Fken%3D=!", signing[] = "key mfkq9r8gkyqr, whsec";

        weir_blot(text, sizeof text - 1, "abc");
        ck_assert_str_eq(text, "******ab");
        weir_blot(text, sizeof text - 1, "");
        weir_blot(text, sizeof text - 1, NULL);
        weir_blot(NULL, 0, "abc");
        ck_assert_str_eq(text, "******ab");
        weir_blot(bytes, sizeof bytes, "key");
        ck_assert_mem_eq(bytes, "x\0***", 5);
        weir_blot(encoded, sizeof encoded - 1, "to/ken==");
        ck_assert_str_eq(encoded, "u=************!");
        weir_blot(signing, sizeof signing - 1, "whsec_MfKQ9r8GKYqr");
        ck_assert_str_eq(signing, "key ************, whsec");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("blot");
        TCase *tcase = tcase_create("blot");
        SRunner *runner;
        int failed;

        tcase_add_loop_test(tcase, an_echo_does_not_say_the_url, 0, WEIR_COUNT_OF(echoes));
        tcase_add_test(tcase, a_secret_goes_wherever_it_stands);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
