/* SPDX-License-Identifier: MIT */
/* watch: who is past the deadline and who is excused; who stalls, and what is said of it */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "guard/watch.h"

#define S INT64_C(1000000)
#define DEADLINE_US (5 * S)

static struct weir_board board;
static struct weir_watch watch;
static pid_t
        process; /* that is looked at: it can be stopped, and a signal for its stack does not end it */
static int64_t now_us;
static int log_fd, error_fd;

static void set_up(void)
{
        const char *folder = getenv("TMPDIR");
        char path[512];

        weir_board_clear(&board);
        weir_watch_begin(&watch, DEADLINE_US);
        now_us = 1000 * S;
        process = fork();
        if (process == 0) {
                for (int i = 1; i < SIGRTMAX; i++)
                        signal(i, SIG_IGN);
                for (;;)
                        pause();
        }
        snprintf(path, sizeof path, "%s/weir-watch.XXXXXX", folder ? folder : "/tmp");
        log_fd = mkstemp(path);
        unlink(path);
        error_fd = dup(2);
        dup2(log_fd, 2);
}

static void tear_down(void)
{
        dup2(error_fd, 2);
        close(error_fd);
        close(log_fd);
        kill(process, SIGKILL);
        waitpid(process, NULL, 0);
}

/* How many lines of the log so far hold @word. */
static int lines(const char *word)
{
        static char text[65536];
        ssize_t size = pread(log_fd, text, sizeof text - 1, 0);
        int count = 0;

        text[size > 0 ? size : 0] = '\0';
        for (char *at = text; (at = strstr(at, word)) != NULL; at++)
                count++;
        return count;
}

/* The supervisor's loop for @us, ten times a second. The thread for whom the process must end. */
static int32_t pass(int64_t us)
{
        for (int64_t end_us = now_us + us; now_us < end_us;) {
                int32_t stuck;

                now_us += S / 10;
                stuck = weir_watch_look(&watch, process, "w", &board, now_us);
                if (stuck)
                        return stuck;
        }
        return 0;
}

static void lane(int doing, int64_t next_offset, int64_t end_offset)
{
        struct weir_board_slot *slot = &board.slots[3];

        snprintf(slot->topic, sizeof slot->topic, "orders");
        slot->partition = 7;
        slot->thread = (int32_t)process; /* its only one */
        if (next_offset != slot->next_offset)
                slot->moved_us = now_us;
        slot->next_offset = next_offset;
        slot->end_offset = end_offset;
        slot->since_us = now_us;
        slot->doing = doing;
}

static void stop_process(void)
{
        kill(process, SIGSTOP);
        waitpid(process, NULL, WUNTRACED);
}

static void go_on(void)
{
        kill(process, SIGCONT);
        waitpid(process, NULL, WCONTINUED);
}

START_TEST(who_is_past_the_deadline_is_named_with_its_event)
{
        lane(WEIR_BOARD_HANDLES, 40, 50);
        board.slots[3].offset = 41;
        ck_assert_int_eq(pass(DEADLINE_US), 0);
        ck_assert_int_eq(board.stack_asked, 0); /* the whole deadline is its own */
        ck_assert_int_eq(pass(S), (int32_t)process);
        ck_assert_int_eq(board.stack_asked, (int32_t)process);
        ck_assert_int_eq(lines("event=handler.stuck"), 1);
        ck_assert_int_eq(lines("topic=orders partition=7 offset=41"), 1);
        ck_assert_int_eq(lines("deadline_ms=5000"), 1);
}
END_TEST

START_TEST(who_comes_back_while_its_stack_is_asked_for_lives)
{
        lane(WEIR_BOARD_HANDLES, 40, 50);
        ck_assert_int_eq(pass(DEADLINE_US + S / 10), 0);
        ck_assert_int_ne(board.stack_asked, 0);
        lane(WEIR_BOARD_APPLIES, 40, 50);
        ck_assert_int_eq(pass(3 * S), 0);
        /* the next time it is late it is asked anew: what was asked for then is another event's */
        board.stack_asked = 0;
        lane(WEIR_BOARD_HANDLES, 40, 50);
        ck_assert_int_eq(pass(DEADLINE_US + S / 10), 0);
        ck_assert_int_eq(board.stack_asked, (int32_t)process);
}
END_TEST

START_TEST(WT1_a_stopped_process_has_its_whole_deadline_when_it_goes_on)
{
        lane(WEIR_BOARD_HANDLES, 40, 50);
        ck_assert_int_eq(pass(DEADLINE_US - S), 0);
        stop_process();
        ck_assert_int_eq(pass(60 * S), 0);
        go_on();
        ck_assert_int_eq(pass(DEADLINE_US), 0);
        ck_assert_int_eq(pass(S), (int32_t)process);
}
END_TEST

START_TEST(WT1_a_machine_that_stood_still_blames_nobody)
{
        lane(WEIR_BOARD_HANDLES, 40, 50);
        ck_assert_int_eq(pass(S), 0);
        now_us += 60 * S; /* neither we nor it ran */
        ck_assert_int_eq(pass(DEADLINE_US), 0);
        ck_assert_int_eq(pass(S), (int32_t)process);
}
END_TEST

START_TEST(WT2_a_stall_is_told_once_within_ten_seconds_and_its_end_too)
{
        lane(WEIR_BOARD_WAITS, 40, 50);
        pass(8 * S + S / 10); /* it is first seen at the first look */
        ck_assert_int_eq(lines("event=lane.stalls"), 0);
        pass(S / 10);
        ck_assert_int_eq(lines("event=lane.stalls"), 1);
        ck_assert_int_eq(lines("topic=orders partition=7 offset=40"), 1);
        pass(30 * S);
        ck_assert_int_eq(lines("event=lane.stalls"), 1);
        lane(WEIR_BOARD_READS, 50, 50);
        pass(S);
        ck_assert_int_eq(lines("event=lane.moves"), 1);
        lane(WEIR_BOARD_WAITS, 50, 60);
        pass(10 * S);
        ck_assert_int_eq(lines("event=lane.stalls"), 2);
}
END_TEST

START_TEST(WT3_a_lane_without_work_never_stalls)
{
        lane(WEIR_BOARD_READS, 50, 50);
        pass(60 * S);
        ck_assert_int_eq(lines("event=lane"), 0);
        lane(WEIR_BOARD_HANDLES, 50, 51); /* the first event after a minute */
        pass(2 * S);
        lane(WEIR_BOARD_READS, 51, 51);
        pass(60 * S);
        ck_assert_int_eq(lines("event=lane"), 0);
}
END_TEST

START_TEST(records_that_are_there_and_do_not_come_are_a_stall)
{
        lane(WEIR_BOARD_READS, 50, 55); /* the log goes on, the broker does not */
        pass(10 * S);
        ck_assert_int_eq(lines("event=lane.stalls"), 1);
}
END_TEST

START_TEST(a_lane_that_moves_slowly_does_not_stall)
{
        for (int i = 0; i < 10; i++) {
                lane(WEIR_BOARD_HANDLES, 40 + i, 100);
                ck_assert_int_eq(pass(4 * S), 0);
        }
        ck_assert_int_eq(lines("event=lane"), 0);
}
END_TEST

START_TEST(an_open_that_hangs_ends_the_process_as_a_handler_does)
{
        weir_board_use(&board);
        weir_board_plugin(WEIR_BOARD_OPENS);
        weir_board_use(NULL);
        board.plugin_since_us = now_us;
        board.plugin_thread = process; /* its only one */
        for (; now_us <= board.plugin_since_us + DEADLINE_US; now_us += S / 2)
                ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us), 0);
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us), 0); /* the stack */
        ck_assert_int_eq(board.stack_asked, process);
        board.stack_given = process;
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us), process);
        ck_assert_int_eq(lines("event=plugin.stuck worker=w in=open() "), 1);
}
END_TEST

START_TEST(an_open_that_is_over_is_forgotten)
{
        board.plugin = WEIR_BOARD_OPENS;
        board.plugin_thread = process;
        board.plugin_since_us = now_us;
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us + DEADLINE_US), 0);
        board.plugin = WEIR_BOARD_OUTSIDE;
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us + 9 * DEADLINE_US),
                         0);
        ck_assert_int_eq(board.stack_asked, 0);
}
END_TEST

START_TEST(WT1_a_process_that_was_stopped_in_open_is_excused)
{
        board.plugin = WEIR_BOARD_OPENS;
        board.plugin_thread = process;
        board.plugin_since_us = now_us;
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us), 0);
        now_us += 2 * DEADLINE_US; /* nobody ran meanwhile: a gap between two looks */
        ck_assert_int_eq(weir_watch_look(&watch, process, "w", &board, now_us), 0);
        ck_assert_int_eq(board.stack_asked, 0);
}
END_TEST

static void see(int64_t us)
{
        for (int64_t end_us = now_us + us; now_us < end_us; now_us += S / 10)
                weir_watch_stopped(&watch, process, "w", now_us);
}

/* Idle: no lane has anything in hand. */
START_TEST(WT2_who_is_stopped_is_named_once_and_when_it_goes_on)
{
        int status;

        see(20 * S);
        ck_assert_int_eq(lines("process.stopped"), 0);
        kill(process, SIGSTOP);
        ck_assert_int_eq(waitpid(process, &status, WUNTRACED), process);
        see(7 * S);
        ck_assert_int_eq(lines("process.stopped"), 0);
        see(3 * S);
        ck_assert_int_eq(lines("event=process.stopped worker=w pid="), 1);
        see(30 * S);
        ck_assert_int_eq(lines("process.stopped"), 1);
        kill(process, SIGCONT);
        ck_assert_int_eq(waitpid(process, &status, WCONTINUED), process);
        see(3 * S);
        ck_assert_int_eq(lines("event=process.goes_on worker=w pid="), 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("watch");
        TCase *tcase = tcase_create("watch");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, who_is_past_the_deadline_is_named_with_its_event);
        tcase_add_test(tcase, who_comes_back_while_its_stack_is_asked_for_lives);
        tcase_add_test(tcase, WT1_a_stopped_process_has_its_whole_deadline_when_it_goes_on);
        tcase_add_test(tcase, WT1_a_machine_that_stood_still_blames_nobody);
        tcase_add_test(tcase, WT2_a_stall_is_told_once_within_ten_seconds_and_its_end_too);
        tcase_add_test(tcase, WT3_a_lane_without_work_never_stalls);
        tcase_add_test(tcase, records_that_are_there_and_do_not_come_are_a_stall);
        tcase_add_test(tcase, an_open_that_hangs_ends_the_process_as_a_handler_does);
        tcase_add_test(tcase, an_open_that_is_over_is_forgotten);
        tcase_add_test(tcase, WT1_a_process_that_was_stopped_in_open_is_excused);
        tcase_add_test(tcase, WT2_who_is_stopped_is_named_once_and_when_it_goes_on);
        tcase_add_test(tcase, a_lane_that_moves_slowly_does_not_stall);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
