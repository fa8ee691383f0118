/* SPDX-License-Identifier: MIT */
/*
 * run - the workers in the foreground; signals become orders
 *
 * Signals are blocked everywhere and taken by one thread with sigwait, so that an order is ordinary code: the first
 * SIGTERM or SIGINT drains, the second hurries, the third ends at once. Nothing is lost by any of
 * them: what is not committed rolls back.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "cmd.h"
#include "runtime.h"

#define HURRY_MS 1000
/* Workers get nine tenths of the deadline; half a tenth later the process ends, whatever hangs, and has the rest
 * for it. */
#define LAST_PART 10

static const char help[] =
        "usage: weir run [-c FILE] [--worker NAME]\n\n"
        "Runs the workers of the configuration in the foreground until SIGTERM or SIGINT.\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -w, --worker NAME   run only this worker\n"
        "  -h, --help          this text\n\n"
        "SIGTERM, SIGINT: lanes finish or roll back what they hold, offsets are committed, the group is\n"
        "left, exit 0 within stop.deadline. A second signal hurries, a third ends at once; nothing is lost.\n"
        "The log goes to standard error, one line per fact (log.level, log.form).\n\n"
        "example:\n"
        "  weir migrate up -c weir.cfg && weir run -c weir.cfg\n";

struct orders {
        struct weir_runtime *runtime;
        int64_t deadline_ms;
        _Atomic int64_t end_at_ms; /* the process is gone by then; 0 = no order yet */
        atomic_int count;
        sigset_t signals;
};

static void stop_within(struct orders *orders, int64_t ms)
{
        orders->end_at_ms = weir_clock_ms() +
                            ms; /* also for a worker that leaves already, too slowly */
        weir_runtime_stop(orders->runtime, ms - ms / LAST_PART);
}

static void *take_orders(void *arg)
{
        struct orders *orders = arg;

        for (;;) {
                int signal_number = 0;

                if (sigwait(&orders->signals, &signal_number))
                        continue;
                switch (++orders->count) {
                case 1:
                        weir_log(WEIR_LOG_INFO, "stop.asked",
                                 LOG_S("signal", strsignal(signal_number)),
                                 LOG_I("deadline_ms", orders->deadline_ms));
                        stop_within(orders, orders->deadline_ms);
                        break;
                case 2:
                        weir_log(WEIR_LOG_WARN, "stop.hurried",
                                 LOG_S("signal", strsignal(signal_number)));
                        stop_within(orders, orders->deadline_ms < HURRY_MS ? orders->deadline_ms
                                                                           : HURRY_MS);
                        break;
                default:
                        weir_log(WEIR_LOG_WARN, "stop.forced",
                                 LOG_S("signal", strsignal(signal_number)));
                        _exit(CMD_FAILED);
                }
        }
        return NULL;
}

/* Wait until all workers ended, or a stop has taken too long: 2. */
static int wait_for_end(struct weir_runtime *runtime, struct orders *orders,
                        struct weir_error *reterr)
{
        for (;;) {
                int r = weir_runtime_wait(runtime, orders->end_at_ms ? 20 : 200, reterr);

                if (r != 1)
                        return r;
                if (orders->end_at_ms && weir_clock_ms() >= orders->end_at_ms)
                        return 2;
        }
}

static int run(struct weir_conf *conf, const struct weir_runtime_options *options)
{
        struct orders orders = { .deadline_ms = conf->stop_deadline_ms };
        struct weir_runtime *runtime;
        struct weir_error error;
        pthread_t thread;
        int r;

        sigemptyset(&orders.signals);
        sigaddset(&orders.signals, SIGTERM);
        sigaddset(&orders.signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &orders.signals, NULL);
        r = weir_runtime_with(conf, options, &runtime, &error);
        if (r < 0)
                return cmd_fail("run", &error);
        orders.runtime = runtime;
        r = weir_thread_start(&thread, WEIR_ROLE_MAIN, "signals", take_orders, &orders);
        if (r)
                return cmd_say(CMD_FAILED, "run", "signal thread: %s", strerror(r));
        r = weir_runtime_start(runtime, &error);
        if (r < 0 && r != WEIR_ESTOP) {
                weir_runtime_stop(runtime, HURRY_MS);
                cmd_fail("run", &error);
                _exit(r == WEIR_ECONF
                              ? CMD_CONFIG
                              : CMD_FAILED); /* members that did start end with the process */
        }
        r = r == WEIR_ESTOP ? 0 : wait_for_end(runtime, &orders, &error);
        if (r < 0) {
                cmd_fail("run", &error);
                _exit(CMD_FAILED);
        }
        weir_log(r == 0 ? WEIR_LOG_INFO : WEIR_LOG_WARN, "stopped",
                 LOG_S("clean", r == 0 ? "yes" : "no"));
        if (r != 0)
                _exit(CMD_DONE); /* what hangs holds no committed work: PostgreSQL rolls it back */
        weir_runtime_free(runtime);
        return CMD_DONE;
}

int cmd_run(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "worker", required_argument, NULL, 'w' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        struct weir_runtime_options wanted = { .size = sizeof wanted };
        struct weir_conf *conf;
        int c, r;

        while ((c = cmd_option(argc, argv, "c:w:h", options)) != -1)
                switch (c) {
                case 'c': wanted.config_path = optarg; break;
                case 'w': wanted.worker = optarg; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("run");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "run", "unexpected '%s'", argv[optind]);
        r = cmd_load("run", wanted.config_path, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        if (!weir_failpoint_setup()) {
                weir_conf_free(conf);
                return cmd_say(CMD_USAGE, "run", "WEIR_FAILPOINT is not NAME:kill|stop|abort[:N]");
        }
        wanted.migrations_path = cmd_migrations_path();
        return run(conf, &wanted);
}
