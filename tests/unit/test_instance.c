/* SPDX-License-Identifier: MIT */
/* instance: an id of a group is one process's, and free again when that has ended */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/instance.h"

static struct weir_latch stop;
static struct weir_error error;
static char group[64]; /* no other run's */

static void set_up(void)
{
        ck_assert_int_eq(weir_latch_init(&stop), 0);
        snprintf(group, sizeof group, "test-%ld", (long)getpid());
        memset(&error, 0, sizeof error);
}

static void tear_down(void)
{
        weir_latch_fini(&stop);
}

static int hold(const char *brokers, const char *of, const char *instance, int64_t wait_ms,
                int *ret_fd)
{
        return weir_instance_hold(brokers, of, instance, wait_ms, &stop, ret_fd, &error);
}

START_TEST(IN1_the_second_is_refused_and_told_what_to_do)
{
        int first = -1, second = -1;

        ck_assert_int_eq(hold("b:1", group, "weir-a-h-0", 0, &first), 0);
        ck_assert_int_eq(hold("b:1", group, "weir-a-h-0", 0, &second), WEIR_ECONF);
        ck_assert_int_eq(second, -1);
        ck_assert(strstr(error.text, group) && strstr(error.text, "weir-a-h-0") &&
                  strstr(error.text, "static_membership = false"));
        close(first);
        ck_assert_int_eq(hold("b:1", group, "weir-a-h-0", 0, &second), 0);
        close(second);
}
END_TEST

START_TEST(others_are_others)
{
        char longest[250];
        int fd[5] = { -1, -1, -1, -1, -1 };

        memset(longest, 'g', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        ck_assert_int_eq(hold("b:1", group, "weir-a-h-0", 0, &fd[0]), 0);
        ck_assert_int_eq(hold("b:1", group, "weir-a-h-1", 0, &fd[1]), 0);
        ck_assert_int_eq(hold("b:1", "test-other", "weir-a-h-0", 0, &fd[2]), 0);
        ck_assert_int_eq(hold("b:2", group, "weir-a-h-0", 0, &fd[3]), 0);
        ck_assert_int_eq(hold("b:1", longest, longest, 0, &fd[4]), 0);
        for (size_t i = 0; i < sizeof fd / sizeof fd[0]; i++)
                close(fd[i]);
}
END_TEST

START_TEST(IN2_who_is_on_its_way_out_is_waited_for)
{
        int told[2], fd = -1;
        pid_t process;
        char byte;

        ck_assert_int_eq(pipe(told), 0);
        process = fork();
        ck_assert_int_ge(process, 0);
        if (process == 0) {
                if (hold("b:1", group, "i", 0, &fd) < 0 || write(told[1], "x", 1) != 1)
                        _exit(1);
                alarm(20);
                for (;;)
                        pause();
        }
        ck_assert_int_eq(read(told[0], &byte, 1), 1);
        ck_assert_int_eq(hold("b:1", group, "i", 60, &fd), WEIR_ECONF);
        ck_assert_int_eq(kill(process, SIGKILL), 0);
        ck_assert_int_eq(hold("b:1", group, "i", 10000, &fd), 0); /* it may not be gone yet */
        ck_assert_int_eq(waitpid(process, NULL, 0), process);
        close(fd);
}
END_TEST

START_TEST(a_stop_ends_the_waiting)
{
        int first = -1, second = -1;
        int64_t began_ms = weir_clock_ms();

        ck_assert_int_eq(hold("b:1", group, "i", 0, &first), 0);
        weir_latch_set(&stop);
        ck_assert_int_eq(hold("b:1", group, "i", 60000, &second), WEIR_ESTOP);
        ck_assert_int_lt(weir_clock_ms() - began_ms, 30000);
        close(first);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("instance");
        TCase *tcase = tcase_create("instance");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, IN1_the_second_is_refused_and_told_what_to_do);
        tcase_add_test(tcase, others_are_others);
        tcase_add_test(tcase, IN2_who_is_on_its_way_out_is_waited_for);
        tcase_add_test(tcase, a_stop_ends_the_waiting);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
