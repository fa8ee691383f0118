/* SPDX-License-Identifier: MIT */
/* failpoint: nothing without the variable, the named place at the n-th passing with it */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"

/* Pass two places three times in a child; the wait status. */
static int passed(const char *text)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                weir_log_setup(WEIR_LOG_ERROR, WEIR_LOG_TEXT);
                if (text)
                        setenv("WEIR_FAILPOINT", text, 1);
                else
                        unsetenv("WEIR_FAILPOINT");
                if (weir_failpoint_setup())
                        _exit(99);
                for (int i = 1; i <= 3; i++) {
                        WEIR_FAILPOINT("a.one");
                        WEIR_FAILPOINT("b.two");
                }
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
        if (WIFSTOPPED(status)) {
                int end;

                kill(pid, SIGCONT);
                ck_assert_int_eq(waitpid(pid, &end, 0), pid);
                ck_assert(WIFEXITED(end) && WEXITSTATUS(end) == 0);
        }
        return status;
}

START_TEST(nothing_happens_without_the_variable_or_elsewhere)
{
        ck_assert_int_eq(passed(NULL), 0);
        ck_assert_int_eq(passed(""), 0);
        ck_assert_int_eq(passed("a.one:kill:4"), 0);
}
END_TEST

START_TEST(the_named_place_ends_or_stops_the_process)
{
        ck_assert_int_eq(WTERMSIG(passed("a.one:kill")), SIGKILL);
        ck_assert_int_eq(WTERMSIG(passed("b.two:kill:3")), SIGKILL);
        ck_assert_int_eq(WTERMSIG(passed("b.two:abort:2")), SIGABRT);
        ck_assert_int_eq(WSTOPSIG(passed("a.one:stop:3")), SIGSTOP);
}
END_TEST

START_TEST(what_is_not_understood_is_said)
{
        ck_assert_int_eq(WEXITSTATUS(passed("a.one")), 99);
        ck_assert_int_eq(WEXITSTATUS(passed("c.three:kill")), 99); /* there is none */
        ck_assert_int_eq(WEXITSTATUS(passed("a.one:sleep")), 99);
        ck_assert_int_eq(WEXITSTATUS(passed("a.one:kill:0")), 99);
        ck_assert_int_eq(WEXITSTATUS(passed("a.one:kill:2x")), 99);
        ck_assert_int_eq(WEXITSTATUS(passed("a.one:kill2")), 99);
}
END_TEST

START_TEST(every_place_is_listed_once)
{
        ck_assert_str_eq(weir_failpoint_name(0), "a.one");
        ck_assert_str_eq(weir_failpoint_name(1), "b.two");
        ck_assert_ptr_null(weir_failpoint_name(2));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("failpoint");
        TCase *tcase = tcase_create("failpoint");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, nothing_happens_without_the_variable_or_elsewhere);
        tcase_add_test(tcase, the_named_place_ends_or_stops_the_process);
        tcase_add_test(tcase, what_is_not_understood_is_said);
        tcase_add_test(tcase, every_place_is_listed_once);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
