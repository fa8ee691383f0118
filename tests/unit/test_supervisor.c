/* SPDX-License-Identifier: MIT */
/*
 * test_supervisor - the loop itself, over processes that do as the test says
 *
 * It runs in a process of its own, and so do those of its family: two of a worker and the relay. They are forked and not
 * exec'd, so they, it and the test have one page in common, and its log goes to a file that the test reads.
 */
#include <stdatomic.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "reload_fixture.h"
#include "wait_fixture.h"

enum { RELAY = 2, PROCESSES };

/* What a process does when it is told to end. */
enum { LEAVES, ENDS, ENDS_IN_HANDLER, ENDS_IN_HANDLER_TOLD };

static struct stage {
        struct {
                _Atomic int pid, starts;
                _Atomic int stillborn; /* its next start is none */
                _Atomic int unready;   /* it takes its time */
                _Atomic int end;       /* now, untold: by exit(3) in no handler */
                _Atomic int told;      /* LEAVES .. */
                _Atomic int fork;      /* another, and leave it behind */
        } of[PROCESSES];
        _Atomic int stray, reader, read; /* it may go on */
} * stage;
static const char *file_at_start, *file_then; /* at a SIGHUP */
static pid_t supervisor;

#define CONF(stop)                                                                                 \
        KAFKA "store = { url = \"postgresql://127.0.0.1:1/nothing\"; };\n"                         \
              "stop = { deadline = \"" stop "\"; drain = \"100ms\"; };\n"                          \
              "restart = { first_delay = \"10ms\"; max_delay = \"20ms\"; limit = 9; };\n"          \
              "workers = ( { name = \"a\"; plugin = \"p\"; group = \"g\"; topics = [ \"t\" ]; "    \
              "processes = 2; } );\n"

/* ---- a process of the family ---------------------------------------------------------------- */

static void rest(void)
{
        const struct timespec pause = { 0, 1000000 };

        nanosleep(&pause, NULL);
}

static void end(struct weir_board *board, int how)
{
        if (how == ENDS_IN_HANDLER || how == ENDS_IN_HANDLER_TOLD) {
                board->ready = 1; /* as it is by then */
                weir_board_use(board);
                weir_board_claim("t", 0);
                weir_board_enter(5, 5, 1);
        }
        board->left = how == LEAVES || how == ENDS_IN_HANDLER_TOLD;
        _exit(how == LEAVES ? 0 : 3);
}

static void answer(struct weir_board *board)
{
        struct weir_board_offer *offer = &board->offer;

        if (offer->offered && offer->prepared != offer->offered)
                offer->prepared = offer->offered;
        if (offer->go && offer->taken != offer->go)
                offer->taken = offer->go;
}

static void leave_behind(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                alarm(25);
                for (;;)
                        pause();
        }
        stage->stray = pid;
}

static void work(void *context, const struct weir_birth *birth)
{
        int me = birth->worker ? (int)birth->index : RELAY;
        struct weir_board *board = weir_board_open(birth->board_fd);
        const struct timespec now = { 0 };
        sigset_t term;

        (void)context;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(25);
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        stage->of[me].pid = getpid();
        stage->of[me].starts++;
        if (stage->of[me].stillborn) {
                stage->of[me].stillborn = 0;
                raise(SIGKILL);
        }
        for (;; rest()) {
                if (!stage->of[me].unready)
                        board->ready = 1;
                if (board->ready)
                        answer(board);
                if (stage->of[me].fork) {
                        stage->of[me].fork = 0;
                        leave_behind();
                }
                if (stage->of[me].end) {
                        stage->of[me].end = 0;
                        end(board, ENDS);
                }
                if (sigtimedwait(&term, NULL, &now) == SIGTERM)
                        end(board, stage->of[me].told);
        }
}

static int read_when_told(void *context, int pad)
{
        (void)context;
        stage->reader = getpid();
        while (!stage->read)
                rest();
        return weir_kept_write(pad, file_then, strlen(file_then));
}

static const struct weir_supervisor_calls acts = { work,  read_when_told, parse_text, image,
                                                   unfit, took,           NULL };

/* ---- the supervisor ------------------------------------------------------------------------- */

static void run(void)
{
        struct reading reading = parse(file_at_start);
        int log = open(in_scratch("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (reading.r < 0 || log < 0 || dup2(log, STDERR_FILENO) < 0)
                _exit(99);
        signal(SIGALRM, SIG_DFL); /* check has a handler for it */
        unsetenv("NOTIFY_SOCKET");
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        weir_log_setup(WEIR_LOG_INFO, WEIR_LOG_TEXT);
        world.object = "p";
        _exit(weir_supervisor_run(reading.conf, NULL, &acts));
}

static bool is_up(void)
{
        for (int i = 0; i < PROCESSES; i++)
                if (!stage->of[i].starts)
                        return false;
        return true;
}

static void start_with(const char *file, const char *then)
{
        file_at_start = file;
        file_then = then;
        supervisor = fork();
        ck_assert_int_ge(supervisor, 0);
        if (supervisor == 0)
                run();
        WAIT_UNTIL(is_up());
}

static int stop_it(void)
{
        int status = 0;

        kill(supervisor, SIGTERM);
        ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* How many lines of its log hold all of the words. */
static int logged(const char *event, const char *what)
{
        FILE *file = fopen(in_scratch("log"), "r");
        char line[4096];
        int count = 0;

        while (file && fgets(line, sizeof line, file))
                count += strstr(line, event) && strstr(line, what);
        if (file)
                fclose(file);
        return count;
}

static void begin_stage(void)
{
        make_scratch();
        stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
        ck_assert_ptr_ne(stage, MAP_FAILED);
}

static void end_stage(void)
{
        munmap(stage, sizeof *stage);
        remove_scratch();
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(a_worker_that_dies_while_the_file_is_read_takes_only_its_own_along)
{
        int stray;

        start_with(CONF("5s"), CONF("5s"));
        stage->of[0].fork = 1;
        WAIT_UNTIL(stage->stray > 0);
        stray = stage->stray;
        kill(supervisor, SIGHUP);
        WAIT_UNTIL(stage->reader > 0);
        kill(stage->of[0].pid, SIGKILL);
        WAIT_UNTIL(stage->of[0].starts == 2); /* it was looked who is left behind */
        WAIT_UNTIL(kill(stray, 0) < 0);
        ck_assert_int_eq(logged("event=process.stray ", "action=kill"), 1);
        stage->read = 1;
        WAIT_UNTIL(logged("event=reload.done ", "") + logged("event=reload.refused ", ""));
        ck_assert_int_eq(logged("event=reload.done ", ""), 1);
        ck_assert_int_eq(stop_it(), 0);
}
END_TEST

/* A relay is renewed, where something that it uses has changed. */
START_TEST(who_was_renewed_dies_like_everybody_else_from_then_on)
{
        start_with(CONF("5s"), CONF("6s"));
        stage->read = 1;
        kill(supervisor, SIGHUP);
        WAIT_UNTIL(logged("event=reload.done ", "relay=renewed"));
        WAIT_UNTIL(stage->of[RELAY].starts == 2);
        ck_assert_int_eq(logged("event=process.died ", ""), 0);
        stage->of[RELAY].end = 1;
        WAIT_UNTIL(stage->of[RELAY].starts == 3);
        ck_assert_int_eq(logged("event=process.died worker=relay by=exit ", " deaths=1 "), 1);
        ck_assert_int_eq(stop_it(), 0);
}
END_TEST

static const char died_in_handler[] = "event=process.died worker=a/0 by=exit status=3 suspects=1 ";

/* Who hurries has events in its handlers too, and says that it ends as it was told to. */
START_TEST(a_handler_that_calls_exit_while_all_end_is_suspected)
{
        stage->of[0].told = _i;
        start_with(CONF("1s"), NULL);
        ck_assert_int_eq(stop_it(), _i == ENDS || _i == ENDS_IN_HANDLER_TOLD ? 3 : 0);
        ck_assert_int_eq(logged(died_in_handler, ""), _i == ENDS_IN_HANDLER);
        ck_assert_int_eq(logged("event=process.died ", ""), _i == ENDS_IN_HANDLER);
}
END_TEST

/* One that was not asked, since it did not work, ends and begins anew by what is in force now. */
START_TEST(a_handler_that_calls_exit_while_its_process_is_renewed_is_suspected)
{
        stage->of[0].stillborn = stage->of[0].unready = 1;
        stage->of[0].told = _i;
        stage->read = 1;
        start_with(CONF("1s"), CONF("1s"));
        WAIT_UNTIL(stage->of[0].starts == 2);
        kill(supervisor, SIGHUP);
        if (_i == ENDS_IN_HANDLER) {
                WAIT_UNTIL(logged(died_in_handler, ""));
                WAIT_UNTIL(logged("event=event.not_blamed worker=a/0 ", "Connection refused"));
                ck_assert_int_eq(stage->of[0].starts, 2); /* CH1 */
        } else {
                WAIT_UNTIL(stage->of[0].starts == 3);
                ck_assert_int_eq(logged("event=process.died ", ""), 1); /* the first */
        }
        stage->of[0].told = LEAVES;
        ck_assert_int_eq(stop_it(), 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("supervisor");
        TCase *tcase = tcase_create("supervisor");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, begin_stage, end_stage);
        tcase_add_test(tcase, a_worker_that_dies_while_the_file_is_read_takes_only_its_own_along);
        tcase_add_test(tcase, who_was_renewed_dies_like_everybody_else_from_then_on);
        tcase_add_loop_test(tcase, a_handler_that_calls_exit_while_all_end_is_suspected, LEAVES,
                            ENDS_IN_HANDLER_TOLD + 1);
        tcase_add_loop_test(tcase,
                            a_handler_that_calls_exit_while_its_process_is_renewed_is_suspected,
                            LEAVES, ENDS_IN_HANDLER_TOLD + 1);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
