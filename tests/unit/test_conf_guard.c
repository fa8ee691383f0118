/* SPDX-License-Identifier: MIT */
/* conf/guard: whatever happens to the child, the caller gets a verdict, in time, and no zombie */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/guard.h"

static void returns(void *arg)
{
        *(int *)arg = 7;
}

static __attribute__((noreturn)) void exits(void *arg)
{
        (void)arg;
        _exit(2);
}

static __attribute__((noreturn)) void dies(void *arg)
{
        (void)arg;
        raise(SIGKILL);
        _exit(0);
}

static __attribute__((noreturn)) void hangs(void *arg)
{
        (void)arg;
        for (;;)
                pause();
}

static void expect_no_child(void)
{
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}

START_TEST(what_returns_passes_and_touches_nothing_here)
{
        int value = 1;

        ck_assert_int_eq(weir_guard_try(returns, &value, 5000, NULL), 0);
        ck_assert_int_eq(value, 1);
        expect_no_child();
}
END_TEST

START_TEST(an_exit_is_a_verdict)
{
        struct weir_error error;

        ck_assert_int_eq(weir_guard_try(exits, NULL, 5000, &error), 1);
        ck_assert_ptr_nonnull(strstr(error.text, "status 2"));
        expect_no_child();
}
END_TEST

START_TEST(a_death_is_a_verdict)
{
        struct weir_error error;

        ck_assert_int_eq(weir_guard_try(dies, NULL, 5000, &error), 1);
        ck_assert_ptr_nonnull(strstr(error.text, "signal 9"));
        expect_no_child();
}
END_TEST

START_TEST(a_hang_is_ended_at_the_deadline)
{
        struct weir_error error;
        int64_t begin_ms = weir_clock_ms();

        ck_assert_int_eq(weir_guard_try(hangs, NULL, 50, &error), 1);
        ck_assert_int_ge(weir_clock_ms() - begin_ms, 49);
        ck_assert_ptr_nonnull(strstr(error.text, "50 ms"));
        expect_no_child();
}
END_TEST

START_TEST(a_caller_that_ignores_sigchld_gets_the_same_verdict)
{
        int value = 0;

        ck_assert(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        ck_assert_int_eq(weir_guard_try(returns, &value, 5000, NULL), 0);
        ck_assert_int_eq(weir_guard_try(exits, NULL, 5000, NULL), 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("conf_guard");
        TCase *tcase = tcase_create("guard");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, what_returns_passes_and_touches_nothing_here);
        tcase_add_test(tcase, an_exit_is_a_verdict);
        tcase_add_test(tcase, a_death_is_a_verdict);
        tcase_add_test(tcase, a_hang_is_ended_at_the_deadline);
        tcase_add_test(tcase, a_caller_that_ignores_sigchld_gets_the_same_verdict);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
