/* SPDX-License-Identifier: MIT */
/*
 * run_worker - signals become orders
 *
 * Signals are blocked everywhere and taken by one thread with sigwait, so that an order is ordinary code: the first
 * SIGTERM or SIGINT drains, the second hurries, the third ends at once. Nothing is lost by any of
 * them: what is not committed rolls back.
 */
#include "run_worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/board.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/shortage.h"
#include "base/thread.h"
#include "cmd.h"
#include "guard/sandbox.h"
#include "run_reload.h"

#define HURRY_MS 1000
/* Workers get nine tenths of the deadline; half a tenth later the process ends, whatever hangs, and has the rest
 * for it. */
#define LAST_PART 10

struct orders {
        struct weir_runtime *runtime;
        _Atomic int64_t deadline_ms;
        _Atomic int64_t end_at_ms; /* the process is gone by then; 0 = no order yet */
        atomic_int count;
        atomic_bool reload;
        bool plugins; /* run in this process */
        sigset_t signals;
};

static void stop_within(struct orders *orders, int64_t ms)
{
        orders->end_at_ms = weir_clock_ms() +
                            ms; /* also for a worker that leaves already, too slowly */
        weir_runtime_stop(orders->runtime, ms - ms / LAST_PART);
}

/* A supervisor that waits says until when: what others had of the time is not ours. */
static int64_t time_left_ms(int64_t most_ms)
{
        const struct weir_board *board = weir_board_used();
        int64_t left_ms = board && board->end_at_us ? board->end_at_us / 1000 - weir_clock_ms()
                                                    : most_ms;

        if (left_ms < 1)
                return 1;
        return left_ms < most_ms ? left_ms : most_ms;
}

/* The last thing that is done: a plugin that ends the process by itself does not come here, and has died. */
static void leave(const struct orders *orders)
{
        if (weir_board_used() && orders->count > 0)
                weir_board_used()->left = 1;
}

static void *take_orders(void *arg)
{
        struct orders *orders = arg;

        for (;;) {
                int signal_number = 0;

                if (sigwait(&orders->signals, &signal_number))
                        continue;
                if (signal_number == SIGHUP) { /* a supervisor says it on the board */
                        orders->reload = true;
                        continue;
                }
                switch (++orders->count) {
                case 1:
                        weir_log(WEIR_LOG_INFO, "stop.asked",
                                 LOG_S("signal", strsignal(signal_number)),
                                 LOG_I("deadline_ms", orders->deadline_ms));
                        stop_within(orders, time_left_ms(orders->deadline_ms));
                        break;
                case 2:
                        weir_log(WEIR_LOG_WARN, "stop.hurried",
                                 LOG_S("signal", strsignal(signal_number)));
                        stop_within(orders, time_left_ms(orders->deadline_ms < HURRY_MS
                                                                 ? orders->deadline_ms
                                                                 : HURRY_MS));
                        break;
                default:
                        weir_log(WEIR_LOG_WARN, "stop.forced",
                                 LOG_S("signal", strsignal(signal_number)));
                        leave(orders);
                        _exit(CMD_FAILED);
                }
        }
        return NULL;
}

/* A step of a reload, where one is on. */
static void look_at_reload(struct orders *orders, struct run_reload *reload)
{
        const struct weir_conf *now = NULL;

        if (reload->offer_fd >= 0) {
                now = run_reload_look(reload);
        } else if (orders->reload && weir_runtime_reloaded(orders->runtime)) {
                orders->reload = false;
                now = run_reload_file(orders->runtime);
        }
        if (!now)
                return;
        cmd_log_setup(now);
        orders->deadline_ms = now->stop_deadline_ms;
}

/* Nothing can be drained without memory: what is open rolls back, and the next process begins with none of it in use. */
static void end_if_exhausted(struct weir_shortage *shortage)
{
        struct weir_board *board = weir_board_used();
        struct rlimit limit = { 0 };
        int64_t ms;

        if (!board || !weir_shortage_look(shortage, board, weir_clock_us(), &ms))
                return;
        getrlimit(RLIMIT_DATA, &limit);
        board->exhausted = 1;
        weir_log(WEIR_LOG_ERROR, "memory.exhausted",
                 LOG_I("limit_mib", (int64_t)(limit.rlim_cur >> 20)), LOG_I("ms", ms),
                 LOG_S("next", "raise memory.limit, or mend the plugin that keeps what it "
                               "allocates"),
                 LOG_S("action", "restart"));
        _exit(CMD_MEMORY);
}

/* Wait until all workers ended, or a stop has taken too long: 2. */
static int wait_for_end(struct orders *orders, int offer_fd, struct weir_error *reterr)
{
        struct weir_shortage shortage = { 0 };
        struct run_reload reload = { .runtime = orders->runtime, .offer_fd = offer_fd };

        for (;;) {
                int r;

                weir_heap_trim();
                if (orders->plugins && !orders->end_at_ms)
                        end_if_exhausted(&shortage);
                if (!orders->end_at_ms)
                        look_at_reload(orders, &reload);
                r = weir_runtime_wait(orders->runtime,
                                      orders->end_at_ms || run_reload_is_busy(&reload) ? 20 : 200,
                                      reterr);
                if (r != 1)
                        return r;
                if (orders->end_at_ms && weir_clock_ms() >= orders->end_at_ms)
                        return 2;
        }
}

/* Somebody watches: what the lanes do, and how they die, is written where he sees it. */
static int show(const struct run_worker *how, struct weir_error *reterr)
{
        struct weir_board *board;

        if (how->board_fd < 0)
                return 0;
        board = weir_board_open(how->board_fd);
        if (!board)
                return weir_fail(reterr, WEIR_ESYS, errno, "board %d: %s", how->board_fd,
                                 strerror(errno));
        close(how->board_fd);
        weir_board_use(board);
        if (weir_crash_arm() < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "signal handlers: %s", strerror(errno));
        weir_crash_thread_begin();
        return 0;
}

/* What this process gives up for good, before it loads anything: SV2, limits, the fence. 1 = there is nobody left to
 * work for. */
static int fence_in(const struct weir_conf *conf, const struct run_worker *how,
                    struct weir_error *reterr)
{
        struct weir_sandbox_report report;
        int r;

        if (!how->supervisor)
                return 0;
        r = weir_sandbox_apply(conf, how->supervisor, &report, reterr);
        if (r == WEIR_ESYS && report.parts[WEIR_LIMITS_PARENT].state == WEIR_GUARD_FAILED)
                return 1;
        if (r == 0)
                weir_sandbox_log(&report);
        return r;
}

int run_worker(struct weir_conf *conf, const struct run_worker *how)
{
        struct orders orders = { .deadline_ms = conf->stop_deadline_ms,
                                 .plugins = how->role.parts == WEIR_RUNTIME_WORKERS };
        const struct weir_runtime_options options = { .size = sizeof options,
                                                      .worker = how->worker,
                                                      .migrations_path = cmd_migrations_path() };
        struct weir_runtime *runtime;
        struct weir_error error;
        pthread_t thread;
        int r;

        weir_heap_shape();
        sigemptyset(&orders.signals);
        sigaddset(&orders.signals, SIGTERM);
        sigaddset(&orders.signals, SIGINT);
        sigaddset(&orders.signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &orders.signals, NULL);
        r = fence_in(conf, how, &error);
        if (r == 0)
                r = show(how, &error);
        if (r != 0) {
                weir_conf_free(conf);
                weir_image_put(how->role.image);
                return r > 0 ? CMD_DONE : cmd_fail("run", &error);
        }
        r = weir_runtime_with(conf, &options, how->role, &runtime, &error);
        weir_image_put(how->role.image); /* mapped, or of no use */
        if (r < 0)
                return cmd_fail("run", &error);
        weir_crash_learn_modules();
        orders.runtime = runtime;
        r = weir_thread_start(&thread, WEIR_ROLE_MAIN, "signals", take_orders, &orders);
        if (r)
                return cmd_say(CMD_FAILED, "run", "signal thread: %s", strerror(r));
        r = weir_runtime_start(runtime, &error);
        if (r < 0 && r != WEIR_ESTOP) {
                weir_runtime_stop(runtime, HURRY_MS);
                cmd_fail("run", &error);
                leave(&orders);
                _exit(r == WEIR_ECONF
                              ? CMD_CONFIG
                              : CMD_FAILED); /* members that did start end with the process */
        }
        if (weir_board_used())
                weir_board_used()->ready = 1;
        r = r == WEIR_ESTOP ? 0 : wait_for_end(&orders, how->offer_fd, &error);
        if (r < 0) {
                cmd_fail("run", &error);
                leave(&orders);
                _exit(CMD_FAILED);
        }
        weir_log(r == 0 ? WEIR_LOG_INFO : WEIR_LOG_WARN, "stopped",
                 LOG_S("clean", r == 0 ? "yes" : "no"));
        if (r != 0) {
                leave(&orders);
                _exit(CMD_DONE); /* what hangs holds no committed work: PostgreSQL rolls it back */
        }
        weir_runtime_free(runtime);
        leave(&orders);
        return CMD_DONE;
}
