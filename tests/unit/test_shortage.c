/* SPDX-License-Identifier: MIT */
/* shortage: when a process that cannot allocate has to end, and when not */
#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/shortage.h"

#define MS INT64_C(1000)
#define LASTS_US (WEIR_SHORTAGE_LASTS_MS * MS)
#define STEP_US (200 * MS)

static struct weir_board board;
static struct weir_shortage shortage;
static int64_t now_us, ms;

static void set_up(void)
{
        weir_board_clear(&board);
        shortage = (struct weir_shortage){ 0 };
        now_us = weir_clock_us();
        ms = 0;
}

static bool look_at(int64_t at_us)
{
        return weir_shortage_look(&shortage, &board, at_us, &ms);
}

/* A lane that fails again and again. What is noted has the time of the real clock: so it is the beginning that is moved. */
static bool fails_for(int64_t us)
{
        struct weir_error error = { 0 };

        for (; us > 0; us -= STEP_US) {
                weir_fail(&error, WEIR_ENOMEM, 0, "a piece");
                if (look_at(weir_clock_us()))
                        return true;
                if (shortage.since_us)
                        shortage.since_us -= STEP_US;
        }
        return false;
}

START_TEST(what_goes_on_failing_ends)
{
        ck_assert(!fails_for(LASTS_US - 2 * STEP_US));
        ck_assert(fails_for(4 * STEP_US));
        ck_assert_int_ge(ms, WEIR_SHORTAGE_LASTS_MS);
}
END_TEST

START_TEST(SH1_who_commits_goes_on)
{
        ck_assert(!fails_for(LASTS_US - STEP_US));
        board.commits++;
        ck_assert(!fails_for(LASTS_US - STEP_US));
        board.commits++;
        ck_assert(!fails_for(LASTS_US - STEP_US));
        ck_assert(fails_for(3 * STEP_US));
}
END_TEST

START_TEST(SH2_what_failed_once_is_forgotten)
{
        weir_shortage_note();
        ck_assert(!look_at(now_us));
        ck_assert(shortage.since_us);
        ck_assert(!look_at(now_us + WEIR_SHORTAGE_QUIET_MS * MS + STEP_US));
        ck_assert(!shortage.since_us);
        ck_assert(!look_at(now_us + 2 * LASTS_US));
        ck_assert(!shortage.since_us);
}
END_TEST

START_TEST(SH3_a_handler_that_has_been_inside_is_waited_for)
{
        struct weir_board_slot *slot = &board.slots[3];

        slot->since_us = weir_clock_us() - 2 * LASTS_US;
        slot->doing = WEIR_BOARD_HANDLES;
        ck_assert(!fails_for(2 * LASTS_US));
        slot->since_us = weir_clock_us(); /* the next event: that one is another's */
        ck_assert(fails_for(STEP_US));
}
END_TEST

START_TEST(other_failures_are_no_shortage)
{
        struct weir_error error = { 0 };

        weir_fail(&error, WEIR_EDB, 0, "the server is away");
        ck_assert(!look_at(now_us + WEIR_SHORTAGE_QUIET_MS * MS + STEP_US));
        ck_assert(!shortage.since_us);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("shortage");
        TCase *tcase = tcase_create("shortage");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, what_goes_on_failing_ends);
        tcase_add_test(tcase, SH1_who_commits_goes_on);
        tcase_add_test(tcase, SH2_what_failed_once_is_forgotten);
        tcase_add_test(tcase, SH3_a_handler_that_has_been_inside_is_waited_for);
        tcase_add_test(tcase, other_failures_are_no_shortage);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
