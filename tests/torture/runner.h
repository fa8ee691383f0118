/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_RUNNER_H
#define WEIR_TEST_RUNNER_H
/* runner - the tests of a program, as check.c collects them and runner.c runs them */
#include <check.h>
#include <stdbool.h>

#define RUNNER_CASES 16
#define RUNNER_TESTS 64

struct runner_test {
        const TTest *test;
        int first, end; /* of a loop test */
};
struct TCase {
        struct runner_test tests[RUNNER_TESTS];
        size_t count;
        SFun setup, teardown; /* around each test, in its process */
        SFun before, after;   /* around all of them, in the runner's */
};
struct Suite {
        const char *name;
        TCase *cases[RUNNER_CASES];
        size_t count;
};
struct SRunner {
        Suite *suite;
        unsigned long passed, failed;
};

void runner_run(SRunner *runner);

/* A copy of this program's database; false: it has none. */
bool database_keep(void);
void database_renew(void); /* as it was then */
void database_forget(void);

/* The test does not go on: one of its checks failed, or it said exit() or abort(). */
__attribute__((noreturn)) void runner_refuse(const char *why);

#endif
