/* SPDX-License-Identifier: MIT */
/* Tests of lib/kafka/turns.c: who fetches where not all can, and what a topic's records are reckoned to weigh. */
#include <check.h>
#include <stdlib.h>

#include "kafka/turns.h"

#define COUNT 64
#define MB 1000000
#define SECOND_US 1000000

static struct weir_turn all[COUNT];
static struct weir_turn *turns[COUNT];

static void prepare(uint64_t bytes)
{
        for (size_t i = 0; i < COUNT; i++) {
                all[i] = (struct weir_turn){ .bytes = bytes, .wants = true };
                turns[i] = &all[i];
        }
}

static size_t running(void)
{
        size_t count = 0;

        for (size_t i = 0; i < COUNT; i++)
                count += all[i].runs;
        return count;
}

/* Those that run are done and put out, the next are let in. */
static void turn_over(int64_t now_us)
{
        for (size_t i = 0; i < COUNT; i++)
                if (all[i].runs) {
                        all[i].over = true;
                        all[i].since_us = now_us;
                }
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 0);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
}

START_TEST(TU1_as_many_run_as_fit)
{
        prepare(10 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 2);
        prepare(10 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 20 * MB));
        ck_assert_uint_eq(running(), 2);
        prepare(10 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 20 * MB - 1));
        ck_assert_uint_eq(running(), 1);
        prepare(10 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 640 * MB));
        ck_assert_uint_eq(running(), COUNT);
}
END_TEST

START_TEST(TU1_one_runs_that_is_larger_than_the_room)
{
        prepare(100 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 1);
        ck_assert(!weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 1);
}
END_TEST

START_TEST(TU2_everybody_runs_equally_often)
{
        unsigned had[COUNT] = { 0 };

        prepare(10 * MB);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        for (int round = 0; round < 320; round++) {
                for (size_t i = 0; i < COUNT; i++)
                        had[i] += all[i].runs;
                turn_over(round + 1);
        }
        for (size_t i = 0; i < COUNT; i++)
                ck_assert_uint_eq(had[i], 10);
}
END_TEST

START_TEST(TU2_a_heavy_one_is_not_overtaken_by_light_ones)
{
        int rounds = 0;

        prepare(1 * MB);
        all[63].bytes = 24 * MB;
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        while (!all[63].runs) {
                ck_assert_int_lt(rounds, COUNT);
                turn_over(++rounds);
        }
        ck_assert_uint_eq(running(), 1);
        ck_assert_int_eq(rounds, 3); /* 24, 24, 15 and then it, alone */
}
END_TEST

START_TEST(TU3_nothing_changes_while_one_of_them_is_not_done)
{
        prepare(10 * MB);
        weir_turns_choose(turns, COUNT, 24 * MB);
        all[0].over = true;
        ck_assert(all[0].runs && all[1].runs);
        ck_assert(!weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 2);
        all[1].over = true;
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 0);
}
END_TEST

START_TEST(TU3_nothing_changes_while_nobody_waits)
{
        prepare(10 * MB);
        for (size_t i = 1; i < COUNT; i++)
                all[i].wants = false;
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        all[0].over = true;
        ck_assert(!weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert(all[0].runs);
        all[0].runs = all[0].wants = false;
        ck_assert(!weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 0);
}
END_TEST

START_TEST(TU4_those_that_turn_out_heavier_are_put_out)
{
        prepare(MB / 10);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), COUNT);
        for (size_t i = 0; i < COUNT; i++)
                all[i].bytes = 10 * MB;
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 0);
        ck_assert(weir_turns_choose(turns, COUNT, 24 * MB));
        ck_assert_uint_eq(running(), 2);
}
END_TEST

START_TEST(a_large_record_counts_for_one_while_or_two)
{
        struct weir_weight weight = { 0 };
        int64_t now_us = 100 * (int64_t)SECOND_US;
        uint64_t seen = 0;

        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us), 0);
        seen = 100;
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us), 100);
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us), 100);
        seen = 10 * MB;
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us + SECOND_US), 10 * MB);
        now_us += 61 * (int64_t)SECOND_US;
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us), 10 * MB);
        ck_assert_uint_eq(seen, 0); /* another while */
        seen = 200;
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us + 59 * (int64_t)SECOND_US),
                          10 * MB);
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us + 61 * (int64_t)SECOND_US),
                          10 * MB);
        seen = 300;
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, now_us + 62 * (int64_t)SECOND_US),
                          300);
}
END_TEST

START_TEST(what_was_seen_is_not_forgotten_in_silence)
{
        struct weir_weight weight = { 0 };
        uint64_t seen = 10 * MB;

        weir_weight_reckon(&weight, &seen, 100 * (int64_t)SECOND_US);
        ck_assert_uint_eq(seen, 0);
        ck_assert_uint_eq(weir_weight_reckon(&weight, &seen, 86400 * (int64_t)SECOND_US), 10 * MB);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("turns");
        TCase *tcase = tcase_create("turns");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, TU1_as_many_run_as_fit);
        tcase_add_test(tcase, TU1_one_runs_that_is_larger_than_the_room);
        tcase_add_test(tcase, TU2_everybody_runs_equally_often);
        tcase_add_test(tcase, TU2_a_heavy_one_is_not_overtaken_by_light_ones);
        tcase_add_test(tcase, TU3_nothing_changes_while_one_of_them_is_not_done);
        tcase_add_test(tcase, TU3_nothing_changes_while_nobody_waits);
        tcase_add_test(tcase, TU4_those_that_turn_out_heavier_are_put_out);
        tcase_add_test(tcase, a_large_record_counts_for_one_while_or_two);
        tcase_add_test(tcase, what_was_seen_is_not_forgotten_in_silence);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
