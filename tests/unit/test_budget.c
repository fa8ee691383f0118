/* SPDX-License-Identifier: MIT */
/* budget: who gets room, who waits, and that somebody always gets on */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/budget.h"
#include "wait_fixture.h"

#define PATIENCE_MS 20000

static struct weir_budget *budget;

static void setup(void)
{
        struct weir_error error;

        ck_assert_int_eq(weir_budget_new(100, &budget, &error), 0);
}

static void teardown(void)
{
        ck_assert_uint_eq(weir_budget_used(budget), 0);
        weir_budget_free(budget);
}

/* One that asks in a thread of its own. */
struct asker {
        struct weir_credit credit;
        uint64_t bytes;
        struct weir_latch interrupt;
        pthread_t thread;
        _Atomic bool done;
        bool granted;
};

static void *ask(void *p)
{
        struct asker *asker = p;

        asker->granted = weir_credit_take(&asker->credit, asker->bytes, &asker->interrupt,
                                          PATIENCE_MS);
        asker->done = true;
        return NULL;
}

/* Start it, and wait until it waits: then it stands in the queue, and nobody grows past it. */
static void begin(struct asker *asker, uint64_t bytes, struct weir_credit *witness)
{
        int64_t deadline_us = wait_deadline_us();

        asker->credit.budget = budget;
        asker->bytes = bytes;
        asker->done = false;
        ck_assert_int_eq(weir_latch_init(&asker->interrupt), 0);
        ck_assert_int_eq(pthread_create(&asker->thread, NULL, ask, asker), 0);
        while (weir_credit_grow(witness, witness->bytes + 1)) {
                weir_credit_set(witness, witness->bytes - 1);
                ck_assert(!asker->done);
                ck_assert_msg(wait_more(deadline_us), "nobody waits");
        }
}

static bool end(struct asker *asker)
{
        pthread_join(asker->thread, NULL);
        weir_latch_fini(&asker->interrupt);
        return asker->granted;
}

START_TEST(BU1_what_is_held_is_within_the_total)
{
        struct weir_credit a = { .budget = budget }, b = { .budget = budget };

        ck_assert(weir_credit_take(&a, 60, NULL, 0));
        ck_assert(!weir_credit_take(&b, 41, NULL, 0));
        ck_assert_uint_eq(b.bytes, 0);
        ck_assert(weir_credit_take(&b, 40, NULL, 0));
        ck_assert(!weir_credit_grow(&a, 61));
        ck_assert_uint_eq(weir_budget_used(budget), 100);
        weir_credit_set(&b, 10);
        ck_assert(weir_credit_grow(&a, 90));
        ck_assert(weir_credit_grow(&a, 80)); /* less: nothing to do */
        ck_assert_uint_eq(a.bytes, 90);
        weir_credit_set(&a, 150); /* it is in memory */
        ck_assert_uint_eq(weir_budget_used(budget), 160);
        ck_assert(!weir_credit_grow(&b, 11));
        weir_credit_give(&a);
        weir_credit_give(&a);
        weir_credit_give(&b);
}
END_TEST

START_TEST(BU2_one_larger_than_all_gets_on_alone)
{
        struct weir_credit a = { .budget = budget }, b = { .budget = budget };

        ck_assert(weir_credit_take(&a, 1000, NULL, 0));
        ck_assert(!weir_credit_take(&b, 1, NULL, 0));
        weir_credit_give(&a);
        ck_assert(weir_credit_take(&b, 1, NULL, 0));
        weir_credit_give(&b);
}
END_TEST

START_TEST(BU2_where_all_others_rest_one_gets_on)
{
        struct weir_credit a = { .budget = budget }, b = { .budget = budget },
                           c = { .budget = budget };

        ck_assert(weir_credit_take(&a, 100, NULL, 0));
        ck_assert(!weir_credit_take(&b, 50, NULL, 0));
        weir_credit_rest(&a, true);
        weir_credit_rest(&a, true);
        ck_assert(weir_credit_take(&b, 50, NULL, 0));
        ck_assert(!weir_credit_take(&c, 1, NULL, 0)); /* b does not rest */
        weir_credit_rest(&a, false);
        weir_credit_give(&b);
        ck_assert(!weir_credit_take(&c, 1, NULL, 0));
        weir_credit_give(&a);
}
END_TEST

/* It has its record in hand and learns how large it is: what it holds counts, and stops nobody's progress. */
START_TEST(BU2_one_that_waits_for_more_is_waited_for_by_nobody)
{
        struct weir_credit a = { .budget = budget, .bytes = 0 };
        struct asker b = { .done = false };

        ck_assert(weir_credit_take(&a, 40, NULL, 0));
        b.credit.budget = budget;
        ck_assert(weir_credit_take(&b.credit, 40, NULL, 0));
        begin(&b, 90, &a);
        ck_assert_uint_eq(weir_budget_used(budget), 80);
        weir_credit_give(&a); /* only b is left, and rests */
        ck_assert(end(&b));
        ck_assert_uint_eq(b.credit.bytes, 90);
        weir_credit_give(&b.credit);
}
END_TEST

START_TEST(BU3_a_small_wish_waits_behind_a_large_one)
{
        struct weir_credit a = { .budget = budget }, c = { .budget = budget };
        struct asker b = { .done = false };

        ck_assert(weir_credit_take(&a, 50, NULL, 0));
        begin(&b, 80, &a);
        ck_assert(!weir_credit_take(&c, 1, NULL, 0));
        ck_assert(!weir_credit_grow(&a, 51));
        ck_assert(!b.done);
        weir_credit_set(&a, 20);
        ck_assert(end(&b));
        ck_assert_uint_eq(weir_budget_used(budget), 100);
        weir_credit_give(&a);
        ck_assert(weir_credit_take(&c, 20, NULL, 0));
        weir_credit_give(&b.credit);
        weir_credit_give(&c);
}
END_TEST

/* Who has begun and needs more goes before those who have nothing, or each of them would begin, too. */
START_TEST(BU3_who_has_begun_comes_first)
{
        struct weir_credit witness = { .budget = budget };
        struct asker large = { 0 }, late[3] = { 0 };

        large.credit.budget = budget;
        ck_assert(weir_credit_take(&large.credit, 90, NULL, 0));
        for (size_t i = 0; i < 3; i++)
                begin(&late[i], 50, &witness);
        ck_assert(weir_credit_take(&large.credit, 180, NULL, 0)); /* alone, and at once */
        for (size_t i = 0; i < 3; i++)
                ck_assert(!late[i].done);
        ck_assert_uint_eq(weir_budget_used(budget), 180);
        weir_credit_give(&large.credit);
        for (size_t i = 0; i < 3; i++) { /* in turn: two fit, the third after the first */
                ck_assert(end(&late[i]));
                if (i == 0)
                        weir_credit_give(&late[i].credit);
        }
        weir_credit_give(&late[1].credit);
        weir_credit_give(&late[2].credit);
}
END_TEST

START_TEST(an_interrupt_ends_the_waiting_and_who_stood_behind_gets_on)
{
        struct weir_credit a = { .budget = budget };
        struct asker b = { .done = false }, c = { .done = false };

        ck_assert(weir_credit_take(&a, 50, NULL, 0));
        begin(&b, 80, &a);
        begin(&c, 10, &a);
        ck_assert(!b.done && !c.done);
        weir_latch_set(&b.interrupt);
        ck_assert(!end(&b));
        ck_assert_uint_eq(b.credit.bytes, 0);
        /* c had its place behind b, or came just after: in both cases it fits now. */
        ck_assert(end(&c));
        weir_credit_give(&a);
        weir_credit_give(&c.credit);
}
END_TEST

START_TEST(without_a_budget_there_is_no_bound)
{
        struct weir_credit credit = { .budget = NULL };

        ck_assert(weir_credit_take(&credit, UINT64_MAX, NULL, 0));
        ck_assert(weir_credit_grow(&credit, UINT64_MAX));
        weir_credit_set(&credit, 5);
        weir_credit_rest(&credit, true);
        weir_credit_give(&credit);
        ck_assert_uint_eq(weir_budget_total(NULL), UINT64_MAX);
}
END_TEST

/* Many that take, grow, rest and give at random: nobody is forgotten, and the books are even at the end. */
static void *live(void *p)
{
        struct weir_credit credit = { .budget = budget };
        unsigned *seed = p, random = *seed;

        for (int i = 0; i < 3000; i++) {
                random = random * 1103515245 + 12345;
                if (!weir_credit_take(&credit, 1 + random / 65536 % 130, NULL, PATIENCE_MS)) {
                        *seed = 0; /* forgotten */
                        break;
                }
                if (random / 65536 % 3 == 0)
                        weir_credit_grow(&credit, credit.bytes + 10);
                if (random / 65536 % 5 == 0) {
                        weir_credit_rest(&credit, true);
                        weir_credit_rest(&credit, false);
                }
                if (random / 65536 % 7 == 0)
                        weir_credit_set(&credit, 1);
                weir_credit_give(&credit);
        }
        return NULL;
}

START_TEST(many_at_random_are_all_served)
{
        pthread_t threads[8];
        unsigned seeds[8];

        for (unsigned i = 0; i < 8; i++) {
                seeds[i] = 17 + i;
                ck_assert_int_eq(pthread_create(&threads[i], NULL, live, &seeds[i]), 0);
        }
        for (unsigned i = 0; i < 8; i++) {
                pthread_join(threads[i], NULL);
                ck_assert_uint_ne(seeds[i], 0);
        }
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("budget");
        TCase *tcase = tcase_create("budget");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, BU1_what_is_held_is_within_the_total);
        tcase_add_test(tcase, BU2_one_larger_than_all_gets_on_alone);
        tcase_add_test(tcase, BU2_where_all_others_rest_one_gets_on);
        tcase_add_test(tcase, BU2_one_that_waits_for_more_is_waited_for_by_nobody);
        tcase_add_test(tcase, BU3_a_small_wish_waits_behind_a_large_one);
        tcase_add_test(tcase, BU3_who_has_begun_comes_first);
        tcase_add_test(tcase, an_interrupt_ends_the_waiting_and_who_stood_behind_gets_on);
        tcase_add_test(tcase, without_a_budget_there_is_no_bound);
        tcase_add_test(tcase, many_at_random_are_all_served);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
