/* SPDX-License-Identifier: MIT */
/* child, death: when a process is started again, and whom its death is blamed on */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "guard/offer.h"

#define EXITED(status) ((status) << 8)
#define KILLED(signal) (signal)

static const struct weir_child_policy policy = { 100, 400, 4 };
static struct weir_board board;
static struct weir_child child;
static struct weir_death death;

static void setup(void)
{
        weir_board_clear(&board);
        memset(&death, 0, sizeof death);
        child = (struct weir_child){ .worker = "w", .board = &board };
        weir_child_started(&child, 7, 1000);
        board.ready = 1;
}

static void die(int64_t now_us)
{
        weir_child_died(&child, &policy, KILLED(11), false, now_us);
}

START_TEST(CH4_deaths_of_one_event_alone_give_nobody_up)
{
        for (uint32_t i = 0; i < 10 * policy.limit; i++) {
                weir_child_died(&child, &policy, KILLED(11), true, 0);
                ck_assert_uint_eq(child.deaths, 0);
                ck_assert_int_le(child.start_at_us, policy.first_delay_ms * 1000);
                weir_child_noted(&child, &policy);
                ck_assert_int_eq(child.state, WEIR_CHILD_DOWN);
                weir_child_started(&child, 8, 0);
        }
        for (uint32_t i = 0; i < policy.limit; i++) {
                die(0);
                weir_child_noted(&child, &policy);
        }
        ck_assert_int_eq(child.state, WEIR_CHILD_FAILED);
}
END_TEST

START_TEST(CH1_it_is_not_down_before_it_is_noted)
{
        die(5000);
        ck_assert_int_eq(child.state, WEIR_CHILD_NOTES);
        ck_assert_int_eq(child.pid, 0);
        ck_assert_int_eq(child.status, 128 + 11);
        weir_child_noted(&child, &policy);
        ck_assert_int_eq(child.state, WEIR_CHILD_DOWN);
        ck_assert_int_ge(child.start_at_us, 5000 + 75000);
        ck_assert_int_le(child.start_at_us, 5000 + 100000);
}
END_TEST

START_TEST(delays_grow_and_the_limit_is_the_end)
{
        int64_t before_us = 0;

        for (uint32_t i = 1; i <= policy.limit; i++) {
                die(0);
                ck_assert_uint_eq(child.deaths, i);
                ck_assert_int_ge(child.start_at_us, before_us / 2);
                ck_assert_int_le(child.start_at_us, 400000);
                before_us = child.start_at_us;
                weir_child_noted(&child, &policy);
                if (i < policy.limit) {
                        ck_assert_int_eq(child.state, WEIR_CHILD_DOWN);
                        weir_child_started(&child, 8, 0);
                }
        }
        ck_assert_int_eq(child.state, WEIR_CHILD_FAILED);
}
END_TEST

START_TEST(CH2_who_commits_between_two_deaths_is_never_given_up)
{
        for (int i = 0; i < 100; i++) {
                board.commits = 1;
                die(0);
                ck_assert_uint_eq(child.deaths, 1);
                weir_child_noted(&child, &policy);
                ck_assert_int_eq(child.state, WEIR_CHILD_DOWN);
                weir_child_started(&child, 8, 0);
        }
}
END_TEST

START_TEST(CH3_a_file_with_mistakes_is_no_death_and_no_end)
{
        die(0);
        weir_child_noted(&child, &policy);
        for (uint32_t i = 1; i <= 3 * policy.limit; i++) {
                weir_child_started(&child, 8, 0);
                board.ready = 0;
                weir_child_died(&child, &policy, EXITED(78), false, 0);
                ck_assert_uint_eq(child.deaths, 1);
                ck_assert_uint_eq(child.misfits, i);
                ck_assert_int_le(child.start_at_us, 400000);
                weir_child_noted(&child, &policy);
                ck_assert_int_eq(child.state, WEIR_CHILD_DOWN);
        }
        weir_child_started(&child, 8, 0);
        die(0);
        ck_assert_uint_eq(child.misfits, 0);
        ck_assert_uint_eq(child.deaths, 2);
}
END_TEST

START_TEST(CH3_who_was_ready_and_says_that_its_file_is_bad_has_died)
{
        for (uint32_t i = 1; i <= policy.limit; i++) {
                weir_child_started(&child, 8, 0);
                weir_child_died(&child, &policy, EXITED(78), false, 0);
                ck_assert_uint_eq(child.deaths, i);
                weir_child_noted(&child, &policy);
        }
        ck_assert_int_eq(child.state, WEIR_CHILD_FAILED);
}
END_TEST

START_TEST(only_one_that_never_was_ready_and_says_so_is_unfit)
{
        ck_assert(!weir_child_unfit(&child, EXITED(78)));
        board.ready = 0;
        ck_assert(weir_child_unfit(&child, EXITED(78)));
        ck_assert(!weir_child_unfit(&child, EXITED(0)));
        ck_assert(!weir_child_unfit(&child, KILLED(11)));
        child.was_ready = true;
        ck_assert(!weir_child_unfit(&child, EXITED(1)));
}
END_TEST

static struct weir_board_slot *lane(int i, int doing, int64_t offset, int64_t last)
{
        struct weir_board_slot *slot = &board.slots[i];

        slot->thread = 100 + i;
        slot->doing = doing;
        slot->partition = i;
        slot->offset = offset;
        slot->last_offset = last;
        slot->count = (int32_t)(last - offset + 1);
        slot->item = 2;
        snprintf(slot->topic, sizeof slot->topic, "t");
        return slot;
}

START_TEST(DE1_only_what_was_inside_a_handler_is_suspected)
{
        lane(0, WEIR_BOARD_APPLIES, 5, 5);
        lane(1, WEIR_BOARD_HANDLES, 6, 6);
        lane(2, WEIR_BOARD_READS, 7, 7);
        lane(9, WEIR_BOARD_HANDLES, 8, 11);
        weir_death_read(&death, KILLED(9), 0, &board);
        ck_assert_uint_eq(death.count, 2);
        ck_assert_int_eq(death.suspicions[0].partition, 1);
        ck_assert_int_eq(death.suspicions[0].first, 6);
        ck_assert_int_eq(death.suspicions[0].item, 2);
        ck_assert_int_eq(death.suspicions[1].first, 8);
        ck_assert_int_eq(death.suspicions[1].last, 11);
        ck_assert_int_eq(death.suspicions[1].item, -1);
        ck_assert_str_eq(death.text, "SIGKILL\n");
        lane(9, WEIR_BOARD_HANDLES, 8, 9); /* one of two is not told apart either */
        weir_death_read(&death, KILLED(9), 0, &board);
        ck_assert_int_eq(death.suspicions[1].last, 9);
        ck_assert_int_eq(death.suspicions[1].item, -1);
}
END_TEST

START_TEST(DE2_the_thread_that_broke_is_the_only_suspect)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        lane(1, WEIR_BOARD_HANDLES, 6, 6);
        board.crash_thread = 101;
        board.crash_signal = 11;
        snprintf(board.trace, sizeof board.trace, "probe.so+0x10\n\001~\177\200");
        board.trace_size = 18;
        weir_death_read(&death, KILLED(11), 0, &board);
        ck_assert_uint_eq(death.count, 1);
        ck_assert_int_eq(death.suspicions[0].partition, 1);
        ck_assert_str_eq(death.text, "SIGSEGV\nprobe.so+0x10\n?~??");
}
END_TEST

#define EXHAUSTED 71

START_TEST(DE3_who_was_out_of_memory_has_no_suspects)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        lane(1, WEIR_BOARD_APPLIES, 6, 6);
        board.exhausted = 1;
        weir_death_read(&death, EXITED(EXHAUSTED), 0, &board);
        ck_assert_uint_eq(death.count, 0);
        ck_assert_str_eq(weir_death_name(&death), "memory");
        weir_child_died(&child, &policy, EXITED(EXHAUSTED), death.exact, 0);
        ck_assert_uint_eq(child.deaths, 1); /* as ordinary ones: CH2 */
        board.commits = 1;
        weir_child_died(&child, &policy, EXITED(EXHAUSTED), death.exact, 0);
        ck_assert_uint_eq(child.deaths, 1);
        weir_death_read(&death, KILLED(11), 0, &board); /* a crash on the way out is one */
        ck_assert_uint_eq(death.count, 1);
        ck_assert_str_eq(weir_death_name(&death), "SIGSEGV");
}
END_TEST

START_TEST(DE3_who_hung_outside_of_a_handler_has_no_suspects)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        lane(1, WEIR_BOARD_HANDLES, 6, 6);
        weir_death_read(&death, KILLED(9), 7777, &board);
        ck_assert_uint_eq(death.count, 0);
        ck_assert(!death.exact);
        ck_assert_str_eq(weir_death_name(&death), "stuck");
}
END_TEST

START_TEST(a_thread_that_is_in_no_handler_leaves_all_suspected)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        lane(1, WEIR_BOARD_HANDLES, 6, 6);
        lane(2, WEIR_BOARD_APPLIES, 6, 6);
        board.crash_thread = 102;
        board.crash_signal = 6;
        weir_death_read(&death, KILLED(6), 0, &board);
        ck_assert_uint_eq(death.count, 2);
}
END_TEST

START_TEST(who_was_ended_for_one_handler_is_blamed_on_that)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        lane(1, WEIR_BOARD_HANDLES, 6, 6);
        weir_death_read(&death, KILLED(9), 100, &board);
        ck_assert_uint_eq(death.count, 1);
        ck_assert_int_eq(death.suspicions[0].partition, 0);
        ck_assert_str_eq(weir_death_name(&death), "stuck");
}
END_TEST

START_TEST(an_exit_inside_a_handler_is_a_death)
{
        lane(0, WEIR_BOARD_HANDLES, 5, 5);
        weir_death_read(&death, EXITED(3), 0, &board);
        ck_assert_uint_eq(death.count, 1);
        ck_assert_str_eq(death.text, "exit with status 3\n");
}
END_TEST

START_TEST(every_signal_has_a_name_that_a_reason_has_room_for)
{
        const struct {
                int number;
                const char *name;
        } wanted[] = {
                { SIGUSR1, "SIGUSR1" }, { SIGXFSZ, "SIGXFSZ" }, { SIGHUP, "SIGHUP" },
                { SIGVTALRM, "SIG26" }, { SIGRTMIN, "SIG34" },  { SIGABRT, "SIGABRT" },
        };

        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
                weir_death_read(&death, KILLED(wanted[i].number), 0, &board);
                ck_assert_str_eq(weir_death_name(&death), wanted[i].name);
                ck_assert_int_eq(strncmp(death.text, wanted[i].name, strlen(wanted[i].name)), 0);
        }
}
END_TEST

START_TEST(BD3_a_torn_board_suspects_nobody_and_hurts_nobody)
{
        memset(board.slots, 0xff, sizeof board.slots);
        memset(board.trace, 0xff, sizeof board.trace);
        board.trace_size = UINT32_MAX;
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                board.slots[i].doing = WEIR_BOARD_HANDLES;
        weir_death_read(&death, KILLED(11), 0, &board);
        ck_assert_uint_eq(death.count, 0);
        ck_assert_uint_lt(strlen(death.text), sizeof death.text);
        lane(0, WEIR_BOARD_HANDLES, 9, 8);
        lane(1, WEIR_BOARD_HANDLES, 5, 5)->kind = 77;
        weir_death_read(&death, KILLED(11), 0, &board);
        ck_assert_uint_eq(death.count, 0);
        memset(board.slots[2].topic, 'x', sizeof board.slots[2].topic);
        board.slots[2].kind = WEIR_BOARD_RECORD;
        board.slots[2].partition = 1;
        board.slots[2].offset = board.slots[2].last_offset = 3;
        weir_death_read(&death, KILLED(11), 0, &board);
        ck_assert_uint_eq(death.count, 1);
        ck_assert_uint_eq(strlen(death.suspicions[0].topic), WEIR_BOARD_TOPIC_BYTES - 1);
}
END_TEST

/* ---- no deaths ---------------------------------------------------------------------------------- */

START_TEST(one_that_left_as_somebody_told_it_to_has_not_died)
{
        struct weir_process process = { .child = child, .name = "w" };

        process.child.deaths = policy.limit - 1;
        ck_assert(!weir_process_left(&process, EXITED(0))); /* exit(0) in a handler */
        board.left = 1;
        board.ready = 0;
        ck_assert(!weir_process_left(&process, EXITED(0))); /* it was of no use yet */
        board.ready = 1;
        ck_assert(!weir_process_left(&process, EXITED(1)));
        ck_assert(!weir_process_left(&process, KILLED(15)));
        for (uint32_t i = 0; i < 2 * policy.limit; i++) {
                ck_assert(weir_process_left(&process, EXITED(0)));
                ck_assert_uint_eq(process.child.deaths, policy.limit - 1);
                ck_assert_int_eq(process.child.state, WEIR_CHILD_DOWN);
                ck_assert_int_le(process.child.start_at_us, weir_clock_us());
                ck_assert_int_eq(process.child.pid, 0);
                weir_child_started(&process.child, 8, 0);
        }
        process.child.started_us = weir_clock_us();
        ck_assert(weir_process_left(&process, EXITED(0)));
        ck_assert_int_eq(process.child.start_at_us, process.child.started_us + 1000000);
        board.commits = 1;
        ck_assert(weir_process_left(&process, EXITED(0)));
        ck_assert_uint_eq(process.child.deaths, 0); /* CH2 */
}
END_TEST

/* Which of its conditions is not so; 4: none, it died of the trial. */
START_TEST(a_death_of_a_trial_is_not_counted)
{
        const struct weir_offer offer = { .number = 3 };
        const struct weir_process_env env = { .policy = policy, .offer = &offer };
        struct weir_process process = { .child = child, .name = "w" };

        board.ready = _i != 0;
        board.plugin = _i == 1 ? WEIR_BOARD_OUTSIDE : WEIR_BOARD_OPENS;
        board.offer.offered = _i == 2 ? 2 : 3;
        board.offer.prepared = _i == 3 ? 3 : 2;
        weir_process_died(&process, &env, EXITED(0));
        ck_assert_uint_eq(process.child.deaths, _i == 4 ? 0 : 1);
        ck_assert_int_eq(process.child.state, WEIR_CHILD_DOWN);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("child");
        TCase *tcase = tcase_create("child");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, NULL);
        tcase_add_test(tcase, one_that_left_as_somebody_told_it_to_has_not_died);
        tcase_add_loop_test(tcase, a_death_of_a_trial_is_not_counted, 0, 5);
        tcase_add_test(tcase, CH4_deaths_of_one_event_alone_give_nobody_up);
        tcase_add_test(tcase, CH1_it_is_not_down_before_it_is_noted);
        tcase_add_test(tcase, delays_grow_and_the_limit_is_the_end);
        tcase_add_test(tcase, CH2_who_commits_between_two_deaths_is_never_given_up);
        tcase_add_test(tcase, CH3_a_file_with_mistakes_is_no_death_and_no_end);
        tcase_add_test(tcase, CH3_who_was_ready_and_says_that_its_file_is_bad_has_died);
        tcase_add_test(tcase, only_one_that_never_was_ready_and_says_so_is_unfit);
        tcase_add_test(tcase, DE1_only_what_was_inside_a_handler_is_suspected);
        tcase_add_test(tcase, DE2_the_thread_that_broke_is_the_only_suspect);
        tcase_add_test(tcase, DE3_who_was_out_of_memory_has_no_suspects);
        tcase_add_test(tcase, DE3_who_hung_outside_of_a_handler_has_no_suspects);
        tcase_add_test(tcase, a_thread_that_is_in_no_handler_leaves_all_suspected);
        tcase_add_test(tcase, who_was_ended_for_one_handler_is_blamed_on_that);
        tcase_add_test(tcase, an_exit_inside_a_handler_is_a_death);
        tcase_add_test(tcase, every_signal_has_a_name_that_a_reason_has_room_for);
        tcase_add_test(tcase, BD3_a_torn_board_suspects_nobody_and_hurts_nobody);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
