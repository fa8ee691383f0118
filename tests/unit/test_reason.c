/* SPDX-License-Identifier: MIT */
/* test_reason - every dead letter has a next step, and it is the one of its kind */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "event/refusal.h"
#include "flow/policy.h"
#include "store/reason.h"

static void says(const char *klass, const char *reason, const char *words)
{
        const char *next = weir_reason_next(klass, reason);

        ck_assert_msg(strstr(next, words), "%s, %s: \"%s\" does not say \"%s\"", klass, reason,
                      next, words);
        ck_assert_uint_gt(strlen(next), 20);
        ck_assert_uint_lt(strlen(next), WEIR_REASON_NEXT_BYTES);
}

START_TEST(every_refusal_has_a_next_step_at_the_producer)
{
        for (int klass = 1; strcmp(weir_refusal_name(klass), "unknown") != 0; klass++)
                says(WEIR_CLASS_DECODE, weir_refusal_name(klass),
                     klass == WEIR_REFUSED_NOT_A_CLOUDEVENT ? "topic" : "producer");
        says(WEIR_CLASS_DECODE, weir_refusal_name(WEIR_REFUSED_UNSUPPORTED_FORMAT),
             "accept_json_batch");
        says(WEIR_CLASS_DECODE, weir_refusal_name(WEIR_REFUSED_BAD_JSON), "the byte");
}
END_TEST

START_TEST(every_action_that_condemns_has_a_next_step)
{
        const char *const states[] = { "21000", "22P02", "23505", "44000", "54000", "P0001" };

        says(weir_policy_class(WEIR_ACTION_DEAD), "handler", "plugin");
        says(weir_policy_class(WEIR_ACTION_RETRY), "handler", "retry.attempts");
        for (size_t i = 0; i < sizeof states / sizeof *states; i++)
                says(weir_policy_class(WEIR_ACTION_DEAD), states[i], "then requeue");
        says(WEIR_CLASS_REJECT, "23505", "constraint");
        says(WEIR_CLASS_REJECT, "22P02", "value");
        says(WEIR_CLASS_REJECT, "44000", "statement");
}
END_TEST

START_TEST(what_no_receiver_took_names_the_receivers_part)
{
        says("deliver", "retired", "weir relay open");
        says("deliver", "http-410", "weir relay open");
        says("deliver", "http-308", "url");
        says("deliver", "http-400", "receiver");
        says("deliver", "request", "HTTP");
        says("deliver", "kafka-MSG_SIZE_TOO_LARGE", "max.message.bytes");
        says("deliver", "kafka-UNKNOWN_TOPIC_OR_PART", "create the topic");
        says("deliver", "kafka-_UNKNOWN_TOPIC", "create the topic");
        says("deliver", "kafka-TOPIC_EXCEPTION", "name");
        says("deliver", "kafka-INVALID_RECORD", "broker");
}
END_TEST

START_TEST(a_class_that_nobody_knows_has_one_too)
{
        says("later", "something", "text");
        says(NULL, NULL, "text");
        says(WEIR_CLASS_REJECT, NULL, "plugin");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("reason");
        TCase *tcase = tcase_create("reason");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, every_refusal_has_a_next_step_at_the_producer);
        tcase_add_test(tcase, every_action_that_condemns_has_a_next_step);
        tcase_add_test(tcase, what_no_receiver_took_names_the_receivers_part);
        tcase_add_test(tcase, a_class_that_nobody_knows_has_one_too);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
