/* SPDX-License-Identifier: MIT */
/*
 * dlq_pace - a long run that can be watched, slowed down and ended
 *
 * A chunk is a tenth of a second's worth, at least one, and each has a time before which it may not begin. What a slow
 * one lost is made up for by one chunk at most: after a stall (a lock, a database that was away) the rest of the time is
 * given up, or the receivers would get at once what the rate was to keep from them. So in no second more than the rate
 * and two chunks go: the one that is late, and the one that the second begins with.
 * Signals      the first one is a word ("end after this chunk"), the second one has the kernel's meaning: whoever is
 *              in a hurry, or waits for a dead network, is not asked twice.
 */
#include "dlq.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define SHOW_EVERY_US 200000
#define CHUNKS_A_SECOND 10

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
        (void)number;
        interrupted = 1;
}

bool dlq_interrupted(void)
{
        return interrupted;
}

bool dlq_rest(int64_t us)
{
        struct timespec rest = { .tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000) * 1000 };
        sigset_t all, before;

        /* Blocked until the sleep begins: a signal between the look and the sleep is not slept over. */
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        if (!interrupted && us > 0)
                pselect(0, NULL, NULL, NULL, &rest, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return !interrupted;
}

void dlq_pace_begin(struct dlq_pace *pace, const char *what, int64_t total, int64_t rate)
{
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
        int64_t now_us = weir_clock_us();

        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        *pace = (struct dlq_pace){ .what = what,
                                   .total = total,
                                   .rate = rate,
                                   .begun_us = now_us,
                                   .due_us = now_us,
                                   .terminal = isatty(STDERR_FILENO) };
}

static int64_t slice_of(const struct dlq_pace *pace)
{
        return pace->rate < CHUNKS_A_SECOND ? 1 : pace->rate / CHUNKS_A_SECOND;
}

size_t dlq_pace_next(const struct dlq_pace *pace, size_t most)
{
        int64_t left = pace->total - pace->done;

        if (pace->rate && slice_of(pace) < (int64_t)most)
                most = (size_t)slice_of(pace);
        return left < (int64_t)most ? (size_t)left : most;
}

int64_t dlq_pace_owes_us(struct dlq_pace *pace, int64_t count, int64_t now_us)
{
        int64_t behind_us = slice_of(pace) * 1000000 / pace->rate;

        if (pace->due_us < now_us - behind_us)
                pace->due_us = now_us - behind_us;
        pace->due_us += count * 1000000 / pace->rate;
        return pace->due_us > now_us ? pace->due_us - now_us : 0;
}

static void show(struct dlq_pace *pace, int64_t now_us)
{
        double seconds = (double)(now_us - pace->begun_us) / 1e6;
        double speed = seconds > 0 ? (double)pace->done / seconds : 0;

        fprintf(stderr, "\r%lld of %lld %s (%.0f %%), %.0f/s, %.0f s left\033[K",
                (long long)pace->done, (long long)pace->total, pace->what,
                pace->total ? 100.0 * (double)pace->done / (double)pace->total : 100.0, speed,
                speed > 0 ? (double)(pace->total - pace->done) / speed : 0);
        pace->shown = true;
        pace->shown_us = now_us;
}

void dlq_pace_step(struct dlq_pace *pace, int64_t count)
{
        int64_t now_us = weir_clock_us();

        pace->done += count;
        if (pace->terminal && now_us - pace->shown_us >= SHOW_EVERY_US)
                show(pace, now_us);
        if (pace->rate && pace->done < pace->total)
                dlq_rest(dlq_pace_owes_us(pace, count, now_us));
}

void dlq_pace_end(struct dlq_pace *pace)
{
        if (pace->shown)
                fputs("\r\033[K", stderr);
        pace->shown = false;
}
