/* SPDX-License-Identifier: MIT */
/* test_replaying - which events a replay means, in which claims, how far and how fast */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/filter.h"
#include "flow/pace.h"
#include "flow/replaying.h"

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, strlen(text) };
}

static struct weir_event event_of(const char *type, const char *source, const char *subject,
                                  const char *id)
{
        struct weir_event event = { .size = sizeof event };

        event.type = view(type);
        event.source = view(source);
        event.id = view(id);
        if (subject)
                event.subject = view(subject);
        return event;
}

START_TEST(no_list_means_every_event)
{
        const struct weir_filter none = { .types = { .count = 0 } };
        struct weir_event event = event_of("t", "/s", NULL, "1");

        ck_assert(weir_filter_empty(NULL));
        ck_assert(weir_filter_empty(&none));
        ck_assert(weir_filter_match(NULL, &event));
        ck_assert(weir_filter_match(&none, &event));
}
END_TEST

START_TEST(each_list_must_hold_the_event_whole)
{
        static const char *const types[] = { "a", "order" }, *const subjects[] = { "7" },
                                 *const ids[] = { "1", "2" }, *const sources[] = { "/s" };
        const struct weir_filter filter = {
                { types, 2 }, { sources, 1 }, { subjects, 1 }, { ids, 2 }
        };
        const struct {
                const char *type, *source, *subject, *id;
                bool meant;
        } cases[] = {
                { "order", "/s", "7", "2", true },   { "orders", "/s", "7", "2", false },
                { "orde", "/s", "7", "2", false },   { "order", "/S", "7", "2", false },
                { "order", "/s", NULL, "2", false }, { "order", "/s", "", "2", false },
                { "order", "/s", "7", "3", false },  { "a", "/s", "7", "1", true },
        };

        ck_assert(!weir_filter_empty(&filter));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct weir_event event = event_of(cases[i].type, cases[i].source, cases[i].subject,
                                                   cases[i].id);

                ck_assert_msg(weir_filter_match(&filter, &event) == cases[i].meant, "case %zu", i);
        }
}
END_TEST

START_TEST(one_list_alone_makes_a_filter)
{
        static const char *const one[] = { "x" };
        const struct weir_filter filters[] = { { .types = { one, 1 } },
                                               { .sources = { one, 1 } },
                                               { .subjects = { one, 1 } },
                                               { .ids = { one, 1 } } };

        ck_assert(!weir_filter_empty(&filters[_i]));
}
END_TEST

START_TEST(an_epoch_has_claims_of_its_own)
{
        char space[WEIR_SPACE_BYTES];

        weir_replaying_space("audit", NULL, space);
        ck_assert_str_eq(space, "audit");
        weir_replaying_space("audit", "fix.1", space);
        ck_assert_str_eq(space, "audit@fix.1");
}
END_TEST

START_TEST(it_is_over_when_every_range_has_ended)
{
        struct weir_replay_range ranges[] = { { .topic = "a", .partition = 0 },
                                              { .topic = "a", .partition = 1 },
                                              { .topic = "b", .partition = 1 } };
        const struct weir_replaying replaying = { .ranges = ranges, .range_count = 3 };

        ck_assert_ptr_eq(weir_replaying_range(&replaying, "b", 1), &ranges[2]);
        ck_assert_ptr_eq(weir_replaying_range(&replaying, "a", 1), &ranges[1]);
        ck_assert_ptr_null(weir_replaying_range(&replaying, "b", 0));
        ranges[0].end = WEIR_REPLAY_DONE;
        ranges[1].end = WEIR_REPLAY_FAILED;
        ck_assert(!weir_replaying_over(&replaying));
        ranges[2].end = WEIR_REPLAY_TAKEN;
        ck_assert(weir_replaying_over(&replaying));
}
END_TEST

/* ---- pace ------------------------------------------------------------------------------------ */

static struct weir_pace pace;
static struct weir_latch waker;

static void setup(void)
{
        ck_assert_int_eq(weir_latch_init(&waker), 0);
}

static void teardown(void)
{
        weir_latch_fini(&waker);
        weir_pace_fini(&pace);
}

START_TEST(records_are_paid_for_in_time)
{
        int64_t began_us = weir_clock_us();

        weir_pace_init(&pace, 1000);
        for (int i = 0; i < 5; i++)
                ck_assert(weir_pace_wait(&pace, 50, &waker));
        /* The first goes at once, the fifth when the two hundred before it are paid for. */
        ck_assert_int_ge(weir_clock_us() - began_us, 200000);
}
END_TEST

START_TEST(what_was_not_used_is_not_saved_up)
{
        int64_t began_us;

        weir_pace_init(&pace, 1000);
        ck_assert(weir_pace_wait(&pace, 1, &waker));
        pace.due_us = weir_clock_us() - 60000000;
        began_us = weir_clock_us();
        ck_assert(weir_pace_wait(&pace, 100, &waker));
        ck_assert_int_ge(pace.due_us, began_us + 100000);
}
END_TEST

START_TEST(without_a_rate_nothing_waits)
{
        weir_pace_init(&pace, 0);
        weir_latch_set(&waker); /* a wait would say so */
        ck_assert(weir_pace_wait(&pace, 1000000, &waker));
        ck_assert(weir_pace_wait(&pace, 1000000, &waker));
}
END_TEST

START_TEST(no_more_at_once_than_those_of_a_second)
{
        weir_pace_init(&pace, 7);
        ck_assert_uint_eq(weir_pace_most(&pace), 7);
        weir_pace_init(&pace, 0);
        ck_assert_uint_eq(weir_pace_most(&pace), UINT32_MAX);
        ck_assert_uint_eq(weir_pace_most(NULL), UINT32_MAX);
}
END_TEST

static void *let_go(void *arg)
{
        (void)arg;
        weir_pace_set_held(&pace, false);
        return NULL;
}

START_TEST(who_is_held_waits_until_he_is_let_go_or_told_to_leave)
{
        pthread_t thread;

        weir_pace_init(&pace, 0);
        weir_pace_set_held(&pace, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, let_go, NULL), 0);
        ck_assert(weir_pace_wait(&pace, 1, &waker));
        pthread_join(thread, NULL);
        weir_pace_set_held(&pace, true);
        weir_latch_set(&waker);
        ck_assert(!weir_pace_wait(&pace, 1, &waker));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("replaying");
        TCase *pure = tcase_create("pure"), *timed = tcase_create("pace");
        SRunner *runner;
        int failed;

        tcase_add_test(pure, no_list_means_every_event);
        tcase_add_test(pure, each_list_must_hold_the_event_whole);
        tcase_add_loop_test(pure, one_list_alone_makes_a_filter, 0, 4);
        tcase_add_test(pure, an_epoch_has_claims_of_its_own);
        tcase_add_test(pure, it_is_over_when_every_range_has_ended);
        tcase_add_checked_fixture(timed, setup, teardown);
        tcase_add_test(timed, records_are_paid_for_in_time);
        tcase_add_test(timed, what_was_not_used_is_not_saved_up);
        tcase_add_test(timed, without_a_rate_nothing_waits);
        tcase_add_test(timed, no_more_at_once_than_those_of_a_second);
        tcase_add_test(timed, who_is_held_waits_until_he_is_let_go_or_told_to_leave);
        suite_add_tcase(suite, pure);
        suite_add_tcase(suite, timed);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
