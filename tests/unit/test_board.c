/* SPDX-License-Identifier: MIT */
/* board, crash: what a process was doing when it died, and where */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/board.h"
#include "base/crash.h"
#include "base/thread.h"
#include "wait_fixture.h"

static struct weir_board *board;
static int fd;

static void setup(void)
{
        board = weir_board_new(&fd);
        ck_assert_ptr_nonnull(board);
}

static void teardown(void)
{
        weir_board_use(NULL);
        weir_board_close(board);
        close(fd);
}

START_TEST(without_a_board_nothing_happens)
{
        weir_board_claim("t", 1);
        ck_assert_ptr_null(weir_board_here);
        weir_board_enter(1, 1, 1);
        weir_board_leave();
        weir_board_do(WEIR_BOARD_READS);
        weir_board_moved(2);
        weir_board_release();
}
END_TEST

START_TEST(BD1_an_event_is_inside_from_enter_to_leave)
{
        struct weir_board_slot *slot = &board->slots[0];

        weir_board_use(board);
        weir_board_claim("orders", 3);
        ck_assert_str_eq(slot->topic, "orders");
        ck_assert_int_eq(slot->doing, WEIR_BOARD_TAKES);
        weir_board_item(2);
        weir_board_enter(70, 72, 3);
        ck_assert_int_eq(slot->doing, WEIR_BOARD_HANDLES);
        ck_assert_int_eq(slot->offset, 70);
        ck_assert_int_eq(slot->last_offset, 72);
        ck_assert_int_eq(slot->item, 2);
        ck_assert_int_eq(slot->count, 3);
        weir_board_leave();
        ck_assert_int_eq(slot->doing, WEIR_BOARD_APPLIES);
        weir_board_moved(73);
        ck_assert_int_eq(slot->next_offset, 73);
        ck_assert_int_eq(board->commits, 1);
        weir_board_release();
        ck_assert_int_eq(slot->doing, WEIR_BOARD_FREE);
        ck_assert_int_eq(slot->thread, 0);
}
END_TEST

START_TEST(a_slot_is_used_again)
{
        weir_board_use(board);
        for (int i = 0; i < 3 * WEIR_BOARD_LANES; i++) {
                weir_board_claim("t", i);
                ck_assert_ptr_eq(weir_board_here, &board->slots[0]);
                weir_board_release();
        }
}
END_TEST

START_TEST(one_lane_too_many_goes_unseen)
{
        weir_board_use(board);
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                board->slots[i].thread = 1;
        weir_board_claim("t", 1);
        ck_assert_ptr_null(weir_board_here);
        weir_board_enter(1, 1, 1);
}
END_TEST

START_TEST(a_topic_as_long_as_they_get_is_cut_at_the_end)
{
        char topic[2 * WEIR_BOARD_TOPIC_BYTES];

        memset(topic, 'x', sizeof topic);
        topic[sizeof topic - 1] = '\0';
        weir_board_use(board);
        weir_board_claim(topic, 1);
        ck_assert_uint_eq(strlen(weir_board_here->topic), WEIR_BOARD_TOPIC_BYTES - 1);
        weir_board_release();
}
END_TEST

START_TEST(it_is_there_after_the_process_that_wrote_it)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                struct weir_board *mine = weir_board_open(fd);

                if (!mine)
                        _exit(1);
                weir_board_use(mine);
                weir_board_claim("t", 5);
                weir_board_enter(99, 99, 1);
                raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(board->slots[0].doing, WEIR_BOARD_HANDLES);
        ck_assert_int_eq(board->slots[0].offset, 99);
        weir_board_clear(board);
        ck_assert_int_eq(board->slots[0].doing, WEIR_BOARD_FREE);
}
END_TEST

START_TEST(what_is_no_board_is_not_opened)
{
        int other = open("/dev/zero", 0);

        ck_assert_ptr_null(weir_board_open(other));
        ck_assert_int_eq(errno, EPROTO);
        close(other);
        board->size--;
        ck_assert_ptr_null(weir_board_open(fd));
        ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* ---- last words ----------------------------------------------------------------------------- */

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
static volatile bool deeper = true;

/* Each call keeps its room until the one inside has returned: no tail call. */
static void *overflow(void *arg)
{
        volatile char room[4096];
        void *result = arg;

        room[0] = 1;
        if (deeper)
                result = overflow(arg);
        return room[0] ? result : NULL;
}

static void *null_pointer(void *arg)
{
        return (void *)(intptr_t) * (volatile int *)arg; /* NOLINT: meant */
}
#endif

static void *give_up(void *arg)
{
        (void)arg;
        abort();
}

static int die_in_a_thread(void *(*how)(void *))
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
                pthread_t thread;

                weir_board_use(weir_board_open(fd));
                if (weir_crash_arm() < 0 ||
                    weir_thread_start(&thread, WEIR_ROLE_ANY, "dies", how, NULL))
                        _exit(1);
                pthread_join(thread, NULL);
                _exit(2);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void check_told(int signal_number, int got)
{
        ck_assert_int_eq(got, signal_number); /* CR1 */
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
        ck_assert_int_eq(board->crash_signal, signal_number);
        ck_assert_int_gt(board->crash_thread, 0);
        ck_assert_uint_gt(board->trace_size, 20);
        ck_assert_ptr_nonnull(memmem(board->trace, board->trace_size, "+0x", 3));
#endif
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
START_TEST(CR1_a_null_pointer_is_told_and_kills)
{
        check_told(SIGSEGV, die_in_a_thread(null_pointer));
}
END_TEST

static atomic_int there;

static void *break_too(void *arg)
{
        there++;
        while (there < 2)
                ;
        return null_pointer(arg);
}

static void *break_together(void *arg)
{
        pthread_t thread;

        weir_thread_start(&thread, WEIR_ROLE_ANY, "dies too", break_too, arg);
        there++;
        while (there < 2)
                ;
        return null_pointer(arg);
}

START_TEST(the_second_thread_that_breaks_lets_the_first_finish_its_words)
{
        for (int i = 0; i < 300; i++) { /* one in fifty went wrong */
                weir_board_clear(board);
                check_told(SIGSEGV, die_in_a_thread(break_together));
        }
}
END_TEST

START_TEST(CR1_a_stack_that_overflows_is_told_and_kills)
{
        check_told(SIGSEGV, die_in_a_thread(overflow));
}
END_TEST
#endif

START_TEST(CR1_abort_is_told_and_kills)
{
        check_told(SIGABRT, die_in_a_thread(give_up));
}
END_TEST

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
static void *spin(void *arg)
{
        atomic_int *go_on = arg;

        weir_board_claim("t", 0);
        while (*go_on)
                ;
        weir_board_release();
        return NULL;
}

START_TEST(the_stack_of_a_living_thread_can_be_asked_for)
{
        atomic_int go_on = 1;
        pthread_t thread;

        weir_board_use(board);
        ck_assert_int_eq(weir_crash_arm(), 0);
        ck_assert_int_eq(weir_thread_start(&thread, WEIR_ROLE_ANY, "spins", spin, &go_on), 0);
        WAIT_UNTIL(board->slots[0].thread);
        board->stack_asked = board->slots[0].thread;
        ck_assert_int_eq(tgkill(getpid(), board->slots[0].thread, weir_crash_stack_signal()), 0);
        WAIT_UNTIL(board->stack_given);
        ck_assert_int_eq(board->stack_given, board->stack_asked);
        ck_assert_uint_gt(board->trace_size, 0);
        go_on = 0;
        pthread_join(thread, NULL);
}
END_TEST
#endif

int main(void)
{
        Suite *suite = suite_create("board");
        TCase *tcase = tcase_create("board");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, without_a_board_nothing_happens);
        tcase_add_test(tcase, BD1_an_event_is_inside_from_enter_to_leave);
        tcase_add_test(tcase, a_slot_is_used_again);
        tcase_add_test(tcase, one_lane_too_many_goes_unseen);
        tcase_add_test(tcase, a_topic_as_long_as_they_get_is_cut_at_the_end);
        tcase_add_test(tcase, it_is_there_after_the_process_that_wrote_it);
        tcase_add_test(tcase, what_is_no_board_is_not_opened);
        tcase_add_test(tcase, CR1_abort_is_told_and_kills);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
        tcase_add_test(tcase, CR1_a_null_pointer_is_told_and_kills);
        tcase_add_test(tcase, the_second_thread_that_breaks_lets_the_first_finish_its_words);
        tcase_add_test(tcase, CR1_a_stack_that_overflows_is_told_and_kills);
        tcase_add_test(tcase, the_stack_of_a_living_thread_can_be_asked_for);
#endif
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
