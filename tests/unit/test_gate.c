/* SPDX-License-Identifier: MIT */
/* gate: many transactions, or one suspect */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"
#include "flow/gate.h"
#include "wait_fixture.h"

static struct weir_gate gate;
static atomic_int inside, alone_inside, wrong, stop;

static int stopping(void *context)
{
        (void)context;
        return stop;
}

static void *crowd(void *arg)
{
        bool alone = arg != NULL;

        for (int i = 0; i < 2000; i++) {
                if (!weir_gate_enter(&gate, alone && i % 100 == 0, stopping, NULL))
                        break;
                if (alone && i % 100 == 0) {
                        alone_inside++;
                        if (inside != 0 || alone_inside != 1)
                                wrong++;
                        alone_inside--;
                } else {
                        inside++;
                        if (alone_inside != 0)
                                wrong++;
                        inside--;
                }
                weir_gate_leave(&gate);
        }
        return NULL;
}

START_TEST(GT1_a_suspect_is_alone)
{
        pthread_t threads[4];

        weir_gate_init(&gate);
        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(weir_thread_start(&threads[i], WEIR_ROLE_ANY, "crowd", crowd,
                                                   i < 2 ? &gate : NULL),
                                 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        ck_assert_int_eq(wrong, 0);
        weir_gate_fini(&gate);
}
END_TEST

static void *want_in(void *arg)
{
        bool *ret = arg;

        *ret = weir_gate_enter(&gate, true, stopping, NULL);
        return NULL;
}

START_TEST(a_stop_ends_the_waiting)
{
        bool in = true;
        pthread_t thread;

        weir_gate_init(&gate);
        ck_assert(weir_gate_enter(&gate, false, stopping, NULL));
        ck_assert_int_eq(weir_thread_start(&thread, WEIR_ROLE_ANY, "wants", want_in, &in), 0);
        stop = 1;
        pthread_join(thread, NULL);
        ck_assert(!in);
        weir_gate_leave(&gate);
        weir_gate_fini(&gate);
}
END_TEST

struct wish {
        bool alone;
        atomic_int looked, in; /* for a stop; let in */
        struct wish *late;     /* who has all the time to come in while we look */
};

static int keep_waiting(void *context)
{
        struct wish *wish = context;
        int looked = wish->late ? wish->late->looked : 0;
        int64_t deadline_us = wait_deadline_us();

        while (looked && wish->late->looked == looked && !wish->late->in && wait_more(deadline_us))
                ;
        wish->looked++;
        return 0;
}

static void *wait_for_turn(void *arg)
{
        struct wish *wish = arg;

        weir_gate_enter(&gate, wish->alone, keep_waiting, wish);
        wish->in = 1;
        while (wish->alone && !stop)
                ;
        weir_gate_leave(&gate);
        return NULL;
}

START_TEST(GT2_who_waits_to_be_alone_is_passed_by_nobody)
{
        struct wish late = { .alone = false }, suspect = { .alone = true, .late = &late };
        pthread_t threads[2];

        stop = 0;
        weir_gate_init(&gate);
        ck_assert(weir_gate_enter(&gate, false, stopping, NULL)); /* a slow handler */
        ck_assert_int_eq(weir_thread_start(&threads[0], WEIR_ROLE_ANY, "suspect", wait_for_turn,
                                           &suspect),
                         0);
        WAIT_UNTIL(suspect.looked > 0);
        ck_assert_int_eq(weir_thread_start(&threads[1], WEIR_ROLE_ANY, "late", wait_for_turn,
                                           &late),
                         0);
        WAIT_UNTIL(suspect.looked > 5);
        ck_assert_int_eq(late.in, 0);
        weir_gate_leave(&gate);
        WAIT_UNTIL(suspect.in);
        ck_assert_int_eq(late.in, 0);
        stop = 1;
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL); /* it comes in, now */
        weir_gate_fini(&gate);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("gate");
        TCase *tcase = tcase_create("gate");
        SRunner *runner;
        int failed;

        tcase_add_test(tcase, GT1_a_suspect_is_alone);
        tcase_add_test(tcase, a_stop_ends_the_waiting);
        tcase_add_test(tcase, GT2_who_waits_to_be_alone_is_passed_by_nobody);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
