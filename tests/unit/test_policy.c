/* SPDX-License-Identifier: MIT */
/* policy: each row of "What a failure means" is a test */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/worker.h>

#include "base/cleanup.h"
#include "flow/policy.h"

static const struct {
        int outcome;
        const char *sqlstate;
        enum weir_action action;
} rows[] = {
        { WEIR_RETRY, "", WEIR_ACTION_RETRY },
        { WEIR_REJECT, "", WEIR_ACTION_DEAD },
        { 99, "", WEIR_ACTION_DEAD }, /* an outcome nobody defined */
        { WEIR_ECOMMIT, "", WEIR_ACTION_LOOK },
        { WEIR_ESTOP, "", WEIR_ACTION_LEAVE },
        { WEIR_EDB, "", WEIR_ACTION_WAIT },
        { WEIR_EKAFKA, "", WEIR_ACTION_WAIT },
        { WEIR_ENOMEM, "", WEIR_ACTION_WAIT },
        { WEIR_EHANDLER, "", WEIR_ACTION_DEAD },
        { WEIR_EUSAGE, "", WEIR_ACTION_DEAD },
        /* the event is at fault */
        { WEIR_ESQL, "22P02", WEIR_ACTION_DEAD }, /* invalid text representation */
        { WEIR_ESQL, "22021", WEIR_ACTION_DEAD }, /* character not in repertoire */
        { WEIR_ESQL, "22012", WEIR_ACTION_DEAD }, /* division by zero */
        { WEIR_ESQL, "23505", WEIR_ACTION_DEAD }, /* unique violation */
        { WEIR_ESQL, "23502", WEIR_ACTION_DEAD }, /* not null violation */
        { WEIR_ESQL, "21000", WEIR_ACTION_DEAD }, /* a subquery found two rows */
        { WEIR_ESQL, "44000", WEIR_ACTION_DEAD }, /* a view's check option */
        { WEIR_ESQL, "54000", WEIR_ACTION_DEAD }, /* an index row too large */
        { WEIR_ESQL, "P0001", WEIR_ACTION_DEAD }, /* RAISE EXCEPTION */
        /* the world is at fault: never a dead letter */
        { WEIR_ESQL, "40001", WEIR_ACTION_WAIT }, /* serialization failure */
        { WEIR_ESQL, "40P01", WEIR_ACTION_WAIT }, /* deadlock */
        { WEIR_ESQL, "53100", WEIR_ACTION_WAIT }, /* disk full */
        { WEIR_ESQL, "53300", WEIR_ACTION_WAIT }, /* too many connections */
        { WEIR_ESQL, "55P03", WEIR_ACTION_WAIT }, /* lock not available */
        { WEIR_ESQL, "57014", WEIR_ACTION_WAIT }, /* statement timeout */
        { WEIR_ESQL, "57P01", WEIR_ACTION_WAIT }, /* admin shutdown */
        { WEIR_ESQL, "58030", WEIR_ACTION_WAIT }, /* I/O error */
        { WEIR_ESQL, "25006", WEIR_ACTION_WAIT }, /* read-only server */
        { WEIR_ESQL, "25P03", WEIR_ACTION_WAIT }, /* idle in transaction timeout */
        { WEIR_ESQL, "08006", WEIR_ACTION_WAIT }, /* connection failure */
        { WEIR_ESQL, "XX000", WEIR_ACTION_WAIT }, /* internal error */
        { WEIR_ESQL, "42P01", WEIR_ACTION_WAIT }, /* undefined table: a deployment, not an event */
        { WEIR_ESQL, "42501", WEIR_ACTION_WAIT }, /* permission denied */
};

START_TEST(a_failure_meets_the_action_of_its_class)
{
        struct weir_error error = { .code = rows[_i].outcome };

        snprintf(error.sqlstate, sizeof error.sqlstate, "%s", rows[_i].sqlstate);
        ck_assert_msg(weir_policy_action(rows[_i].outcome, &error) == rows[_i].action,
                      "outcome %d sqlstate '%s': %s, wanted %s", rows[_i].outcome,
                      rows[_i].sqlstate,
                      weir_policy_name(weir_policy_action(rows[_i].outcome, &error)),
                      weir_policy_name(rows[_i].action));
}
END_TEST

/* ---- under which name it is kept ------------------------------------------------------------ */

static const struct {
        enum weir_action action;
        const char *klass;
} classes[] = {
        { WEIR_ACTION_WAIT, NULL },        { WEIR_ACTION_LOOK, NULL },
        { WEIR_ACTION_LEAVE, NULL },       { WEIR_ACTION_DEAD, "reject" },
        { WEIR_ACTION_RETRY, "attempts" },
};

START_TEST(an_action_keeps_under_its_class_or_never)
{
        const char *klass = weir_policy_class(classes[_i].action);

        if (classes[_i].klass)
                ck_assert_str_eq(klass, classes[_i].klass);
        else
                ck_assert_ptr_null(klass);
}
END_TEST

START_TEST(the_reason_is_the_sqlstate_or_the_handler)
{
        ck_assert_str_eq(weir_policy_reason(&(struct weir_error){ .sqlstate = "22012" }), "22012");
        ck_assert_str_eq(weir_policy_reason(&(struct weir_error){ .code = -1 }), "handler");
}
END_TEST

START_TEST(attempts_are_calls_the_first_included)
{
        struct weir_conf_worker worker = { .retry_attempts = 3 };

        ck_assert(weir_policy_again(&worker, 1));
        ck_assert(weir_policy_again(&worker, 2));
        ck_assert(!weir_policy_again(&worker, 3));
        worker.retry_attempts = 1;
        ck_assert(!weir_policy_again(&worker, 1));
}
END_TEST

START_TEST(waits_grow_by_the_factor_up_to_the_longest)
{
        struct weir_conf_worker worker = { .retry_first_delay_ms = 100,
                                           .retry_max_delay_ms = 1000,
                                           .retry_factor = 3 };

        ck_assert_int_eq(weir_policy_delay_ms(&worker, 1), 100);
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 2), 300);
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 3), 900);
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 4), 1000);
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 10000), 1000);
        worker.retry_factor = 1;
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 10000), 100);
        worker.retry_factor = 100; /* the largest of everything does not overflow */
        worker.retry_first_delay_ms = worker.retry_max_delay_ms = 86400000;
        ck_assert_int_eq(weir_policy_delay_ms(&worker, 10000), 86400000);
}
END_TEST

START_TEST(jitter_shortens_and_never_lengthens)
{
        struct weir_conf_worker worker = { .retry_first_delay_ms = 1000000,
                                           .retry_max_delay_ms = 1000000,
                                           .retry_factor = 2,
                                           .retry_jitter_percent = 25 };

        for (int i = 0; i < 1000; i++) {
                int64_t ms = weir_policy_delay_ms(&worker, 1);

                ck_assert_int_ge(ms, 750000);
                ck_assert_int_le(ms, 1000000);
        }
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("policy");
        TCase *tcase = tcase_create("policy");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, a_failure_meets_the_action_of_its_class, 0,
                            (int)WEIR_COUNT_OF(rows));
        tcase_add_loop_test(tcase, an_action_keeps_under_its_class_or_never, 0,
                            (int)WEIR_COUNT_OF(classes));
        tcase_add_test(tcase, the_reason_is_the_sqlstate_or_the_handler);
        tcase_add_test(tcase, attempts_are_calls_the_first_included);
        tcase_add_test(tcase, waits_grow_by_the_factor_up_to_the_longest);
        tcase_add_test(tcase, jitter_shortens_and_never_lengthens);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
