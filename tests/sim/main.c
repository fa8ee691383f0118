/* SPDX-License-Identifier: MIT */
/*
 * simulate - so many seeds, and what the first that fails needs to fail again
 *
 *   simulate [--from N] [--count N] [--jobs N] [--progress]
 *   simulate --seed N [--trace] [--faults N] [--switches N] [--records N] [--processes N] [--without N,N,...]
 *
 * A seed that fails is made smaller (minimise.c), and the call that shows it is printed. Jobs are processes, each with
 * every so many-th seed: a run of a million seeds says the same whatever their number.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "minimise.h"
#include "sim.h"

enum { ENOUGH = 10 }; /* failures of a job */

int __real_clock_gettime(clockid_t id, struct timespec *ret); /* the other one is the seed's */

static uint64_t seed_now;

/* A crash is a failed seed like any other, but the run ends with it. */
static void crashed(int number)
{
        fprintf(stdout, "seed %llu failed: crash: signal %d\nagain: simulate --seed %llu --trace\n",
                (unsigned long long)seed_now, number, (unsigned long long)seed_now);
        fflush(stdout);
        _exit(4);
}

static void watch_crashes(void)
{
        static char stack[64 * 1024];
        const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
        struct sigaction action = { .sa_handler = crashed, .sa_flags = SA_ONSTACK };
        const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };

        sigaltstack(&alternate, NULL);
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
                sigaction(signals[i], &action, NULL);
}

struct order {
        uint64_t from, count;
        int jobs;
        bool one, progress, minimise;
        struct sim_options options;
};

struct sums {
        uint64_t passed, failed, steps, faults, switches, commits, effects, letters, parked;
        int64_t virtual_us;
};

static void add(struct sums *sums, const struct sim_result *result)
{
        sums->passed += !result->failed;
        sums->failed += result->failed;
        sums->steps += result->steps;
        sums->faults += result->faults;
        sums->switches += result->switches;
        sums->commits += result->commits;
        sums->effects += result->effects;
        sums->letters += result->letters;
        sums->parked += result->parked;
        sums->virtual_us += result->virtual_us;
}

static void report(const struct sim_options *options, const struct sim_result *result, bool smaller)
{
        char call[SIM_CALL_BYTES];

        sim_call(options, call);
        printf("seed %llu failed: %s: %s\n", (unsigned long long)options->seed, result->check,
               result->text);
        if (smaller) {
                struct sim_options least = *options;
                struct sim_result found = *result;

                sim_minimise(&least, &found);
                sim_call(&least, call);
                printf("smallest: %s: %s\n", found.check, found.text);
        }
        printf("again: %s --trace\n", call);
        fflush(stdout);
}

/* Every jobs-th seed from @first on; the sums go to @out. */
static void run_share(const struct order *order, int first, int out)
{
        struct sums sums = { 0 };
        uint64_t reported = 0, every = order->count / 20 ? order->count / 20 : 1;

        for (uint64_t i = (uint64_t)first; i < order->count; i += (uint64_t)order->jobs) {
                struct sim_options options = order->options;
                struct sim_result result;

                options.seed = order->from + i;
                seed_now = options.seed;
                sim_run(&options, &result);
                add(&sums, &result);
                if (result.failed && reported++ < 3)
                        report(&options, &result, order->minimise && reported == 1);
                if (sums.failed == ENOUGH)
                        break; /* nobody reads more, and a seed without an end takes long */
                if (order->progress && first == 0 && i && i / every != (i - 1) / every) {
                        printf("%llu of %llu seeds\n", (unsigned long long)i,
                               (unsigned long long)order->count);
                        fflush(stdout);
                }
        }
        if (write(out, &sums, sizeof sums) != sizeof sums)
                _exit(3);
}

static int run_all(const struct order *order)
{
        struct sums all = { 0 };
        struct timespec begun, ended;
        int pipes[2], silent = 0;
        double s;

        __real_clock_gettime(CLOCK_MONOTONIC, &begun);
        if (pipe(pipes) < 0)
                return 2;
        fflush(stdout);
        for (int job = 0; job < order->jobs; job++) {
                pid_t pid = fork();

                if (pid < 0)
                        return 2;
                if (pid == 0) {
                        run_share(order, job, pipes[1]);
                        fflush(stdout);
                        _exit(0);
                }
        }
        close(pipes[1]);
        for (int job = 0; job < order->jobs; job++) {
                struct sums sums;
                int status = 0;

                if (read(pipes[0], &sums, sizeof sums) == sizeof sums) {
                        uint64_t *to = (uint64_t *)&all;
                        const uint64_t *from = (const uint64_t *)&sums;

                        for (size_t i = 0; i < sizeof sums / sizeof *to; i++)
                                to[i] += from[i];
                } else {
                        silent++; /* it died: its share counts as failed */
                }
                wait(&status);
                if (!WIFEXITED(status) || WEXITSTATUS(status))
                        printf("a job ended by status %d\n", status);
        }
        __real_clock_gettime(CLOCK_MONOTONIC, &ended);
        s = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
        printf("seeds %llu to %llu: %.1f s, %.0f a second; %.1f virtual hours, %llu faults, %llu "
               "switches, %llu COMMITs, %llu effects, %llu letters, %llu parked\n",
               (unsigned long long)order->from,
               (unsigned long long)(order->from + order->count - 1), s,
               (double)(all.passed + all.failed) / s, (double)all.virtual_us / 3.6e9,
               (unsigned long long)all.faults, (unsigned long long)all.switches,
               (unsigned long long)all.commits, (unsigned long long)all.effects,
               (unsigned long long)all.letters, (unsigned long long)all.parked);
        if (all.passed + all.failed < order->count)
                printf("%llu seeds were not run any more\n",
                       (unsigned long long)(order->count - all.passed - all.failed));
        all.failed += (uint64_t)silent;
        printf("simulation: %llu passed, %llu failed\n", (unsigned long long)all.passed,
               (unsigned long long)all.failed);
        return all.failed ? 1 : 0;
}

static int run_one(const struct order *order)
{
        struct sim_result result;

        seed_now = order->options.seed;
        sim_run(&order->options, &result);
        if (result.failed) {
                report(&order->options, &result, order->minimise);
                return 1;
        }
        printf("seed %llu passed: %llu steps, %llu faults, %llu switches, %llu COMMITs, %llu "
               "effects, %llu letters, %llu parked, %.3f virtual s\n",
               (unsigned long long)order->options.seed, (unsigned long long)result.steps,
               (unsigned long long)result.faults, (unsigned long long)result.switches,
               (unsigned long long)result.commits, (unsigned long long)result.effects,
               (unsigned long long)result.letters, (unsigned long long)result.parked,
               (double)result.virtual_us / 1e6);
        return 0;
}

static int usage(const char *what)
{
        fprintf(stderr,
                "simulate: %s\nusage: simulate [--from N] [--count N] [--jobs N] [--progress]\n"
                "       simulate --seed N [--trace] [--faults N] [--switches N] [--records N]"
                " [--processes N] [--without N,N,...]\n",
                what);
        return 2;
}

static bool read_list(const char *text, struct sim_options *options)
{
        char *end;

        while (options->dropped_count < SIM_DROPPED_MAX) {
                options->dropped[options->dropped_count++] = strtoll(text, &end, 10);
                if (*end != ',')
                        return end != text && *end == '\0';
                text = end + 1;
        }
        return false;
}

static bool read_option(struct order *order, const char *name, const char *value)
{
        struct sim_options *o = &order->options;
        char *end;
        int64_t number = strtoll(value, &end, 10);

        if (strcmp(name, "--without") == 0)
                return read_list(value, o);
        if (*end != '\0' || end == value || number < 0)
                return false;
        if (strcmp(name, "--seed") == 0) {
                order->one = true;
                o->seed = (uint64_t)number;
        } else if (strcmp(name, "--from") == 0) {
                order->from = (uint64_t)number;
        } else if (strcmp(name, "--count") == 0) {
                order->count = (uint64_t)number;
        } else if (strcmp(name, "--jobs") == 0) {
                order->jobs = number < 1 ? 1 : number > 64 ? 64 : (int)number;
        } else if (strcmp(name, "--faults") == 0) {
                o->faults = number;
        } else if (strcmp(name, "--switches") == 0) {
                o->switches = number;
        } else if (strcmp(name, "--records") == 0) {
                o->records = number;
        } else if (strcmp(name, "--processes") == 0) {
                o->processes = number;
        } else {
                return false;
        }
        return true;
}

int main(int argc, char **argv)
{
        struct order order = {
                .count = 10000,
                .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN),
                .minimise = true,
                .options = { .faults = -1, .switches = -1, .records = -1, .processes = -1 },
        };

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--trace") == 0)
                        order.options.trace = true;
                else if (strcmp(argv[i], "--progress") == 0)
                        order.progress = true;
                else if (strcmp(argv[i], "--as-it-is") == 0)
                        order.minimise = false;
                else if (i + 1 == argc || !read_option(&order, argv[i], argv[i + 1]))
                        return usage(argv[i]);
                else
                        i++;
        }
        watch_crashes();
        if (order.options.trace)
                order.minimise = false;
        return order.one ? run_one(&order) : run_all(&order);
}
