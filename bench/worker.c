/* SPDX-License-Identifier: MIT */
/*
 * worker - run `weir run` over a filled topic and take its speed from outside
 *
 *   worker URL EVENTS POSTGRES-PID BROKER-PID WEIR ARGUMENT...
 *        prints: events per second, CPU us per event of weir, of PostgreSQL, of the broker, peak RSS in KiB
 *
 * The truth is the position in PostgreSQL: what it has passed is committed. The clock runs from the first look
 * that finds a position moved (so start and group join are not in the figure, nor are the events passed till
 * then) to the one that finds all EVENTS passed. A look is a prepared query over a row per partition, a hundred
 * times a second: half a percent of a core.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/error.h"
#include "store/pg.h"
#include "support.h"

enum { LOOK_NS = 10000000, GIVE_UP_SECONDS = 120 };

struct look {
        long events;
        double at, weir, postgres, broker;
};

static pid_t child;

static void take_look(struct weir_pg *pg, clockid_t clock, long postgres, long broker,
                      bool with_cpu, struct look *ret)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_error error;

        if (weir_pg_query(pg, "SELECT coalesce(sum(next_offset), 0)::int8 FROM weir.position", NULL,
                          0, &rows, &error) < 0)
                die("%s", error.text);
        ret->at = seconds_of(CLOCK_MONOTONIC);
        ret->events = (long)weir_pg_rows_int(rows, 0, 0, 0);
        if (!with_cpu)
                return;
        ret->weir = seconds_of(clock);
        ret->postgres = cpu_of_server(postgres);
        ret->broker = cpu_of_server(broker);
}

static void end_child(void)
{
        if (child > 0)
                kill(child, SIGKILL);
}

static void start_child(char **arguments)
{
        child = fork();
        if (child == 0) {
                execv(arguments[0], arguments);
                _exit(127);
        }
        if (child < 0)
                die("fork: %m");
        atexit(end_child);
}

int main(int argc, char **argv)
{
        const struct weir_pg_conf conf = { .url = argc > 1 ? argv[1] : NULL,
                                           .application_name = "weir bench" };
        const struct timespec pause = { .tv_nsec = LOOK_NS };
        struct look first = { 0 }, now = { 0 };
        long wanted, postgres, broker;
        struct weir_error error;
        struct weir_pg *pg;
        struct rusage usage;
        clockid_t clock;
        double start, n;
        int status;

        if (argc < 6)
                die("usage: worker URL EVENTS POSTGRES-PID BROKER-PID WEIR ARGUMENT...");
        wanted = number_of(argv[2]);
        postgres = number_of(argv[3]);
        broker = number_of(argv[4]);
        if (weir_pg_open(&conf, NULL, &pg, &error) < 0)
                die("%s", error.text);
        start_child(argv + 5);
        if (clock_getcpuclockid(child, &clock))
                die("no CPU clock of process %d", (int)child);
        start = seconds_of(CLOCK_MONOTONIC);
        do {
                nanosleep(&pause, NULL);
                if (waitpid(child, &status, WNOHANG)) {
                        child = 0;
                        die("weir ended early, status %d", status);
                }
                take_look(pg, clock, postgres, broker, false, &now);
                if (!first.events && now.events)
                        take_look(pg, clock, postgres, broker, true, &first);
                if (now.at - start > GIVE_UP_SECONDS)
                        die("%ld of %ld events in %d s", now.events, wanted, GIVE_UP_SECONDS);
        } while (now.events < wanted);
        n = (double)(now.events - first.events);
        start = now.at;
        take_look(pg, clock, postgres, broker, true, &now);
        if (n <= 0)
                die("done at the first look: more events are needed");
        kill(child, SIGTERM);
        if (wait4(child, &status, 0, &usage) != child || status)
                die("weir ended with status %d", status);
        child = 0;
        printf("%.0f %.3f %.3f %.3f %ld\n", n / (start - first.at),
               (now.weir - first.weir) * 1e6 / n, (now.postgres - first.postgres) * 1e6 / n,
               (now.broker - first.broker) * 1e6 / n, usage.ru_maxrss);
        weir_pg_close(pg);
        return 0;
}
