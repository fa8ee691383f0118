/* SPDX-License-Identifier: MIT */
/*
 * check - as much of the library Check as weir's tests use, in its place; collects what runner.c runs
 *
 * Check runs a test once and reports. Here the same test is run again and again, each time with another call that fails,
 * and what is asked of it is another question: see runner.c.
 */
#include <check.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

Suite *suite_create(const char *name)
{
        Suite *suite = calloc(1, sizeof *suite);

        suite->name = name;
        return suite;
}

TCase *tcase_create(const char *name)
{
        TCase *tcase = calloc(1, sizeof *tcase);

        (void)name;
        return tcase;
}

void suite_add_tcase(Suite *suite, TCase *tcase)
{
        if (suite->count == RUNNER_CASES)
                abort();
        suite->cases[suite->count++] = tcase;
}

void _tcase_add_test(TCase *tcase, const TTest *test, int signal, int status, int first, int end)
{
        if (signal || status || tcase->count == RUNNER_TESTS)
                abort(); /* none of weir's tests ends by a signal */
        tcase->tests[tcase->count++] = (struct runner_test){ test, first, end };
}

void tcase_add_checked_fixture(TCase *tcase, SFun setup, SFun teardown)
{
        tcase->setup = setup;
        tcase->teardown = teardown;
}

void tcase_add_unchecked_fixture(TCase *tcase, SFun setup, SFun teardown)
{
        tcase->before = setup;
        tcase->after = teardown;
}

void tcase_set_timeout(TCase *tcase, double timeout)
{
        (void)tcase, (void)timeout;
}

void tcase_fn_start(const char *name, const char *file, int line)
{
        (void)name, (void)file, (void)line;
}

void _mark_point(const char *file, int line)
{
        (void)file, (void)line;
}

/* What a frame of ours leaves unwritten still shows what stood there before, a pointer that weir has lost perhaps, and
 * holds the leak fast. So texts are static, and the area of arguments is cleared where the ABI says where it lies. */
void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
        static char text[400];
        int used = snprintf(text, sizeof text, "%.200s:%d: ", file, line);
        va_list ap;

        if (!msg)
                snprintf(text + used, sizeof text - (size_t)used, "%s", expr);
        va_start(ap, msg);
        if (msg)
                vsnprintf(text + used, sizeof text - (size_t)used, msg, ap);
#ifdef __x86_64__
        memset(ap->reg_save_area, 0, 6 * sizeof(uint64_t));
#endif
        va_end(ap);
        runner_refuse(text);
}

SRunner *srunner_create(Suite *suite)
{
        SRunner *runner = calloc(1, sizeof *runner);

        runner->suite = suite;
        return runner;
}

void srunner_run_all(SRunner *runner, enum print_output mode)
{
        (void)mode;
        runner_run(runner);
}

int srunner_ntests_failed(SRunner *runner)
{
        return (int)runner->failed;
}

void srunner_free(SRunner *runner)
{
        for (size_t i = 0; i < runner->suite->count; i++)
                free(runner->suite->cases[i]);
        free(runner->suite);
        free(runner);
}
