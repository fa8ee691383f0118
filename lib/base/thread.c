/* SPDX-License-Identifier: MIT */
/* thread - start with a role, latch on an eventfd, monotonic condition waits
 *
 * A thread names itself: another one's name is written through /proc/self/task, and a worker process that is fenced
 * in (Landlock) writes no file there. */
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"

__thread enum weir_role weir_role_here = WEIR_ROLE_ANY;

struct start {
        enum weir_role role;
        char name[16]; /* what the kernel keeps */
        void *(*run)(void *);
        void *arg;
};

static void *begin(void *p)
{
        struct start start = *(struct start *)p;
        void *result;

        free(p);
        weir_role_here = start.role;
        pthread_setname_np(pthread_self(), start.name);
        weir_crash_thread_begin();
        result = start.run(start.arg);
        weir_crash_thread_end();
        return result;
}

int weir_thread_start(pthread_t *ret, enum weir_role role, const char *name, void *(*run)(void *),
                      void *arg)
{
        struct start *start = malloc(sizeof *start);
        sigset_t all, before;
        int r;

        if (!start)
                return ENOMEM;
        *start = (struct start){ .role = role, .run = run, .arg = arg };
        snprintf(start->name, sizeof start->name, "%s", name);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to main */
        r = pthread_create(ret, NULL, begin, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r)
                free(start);
        return r;
}

int weir_latch_init(struct weir_latch *latch)
{
        latch->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return latch->fd < 0 ? -errno : 0;
}

void weir_latch_fini(struct weir_latch *latch)
{
        if (latch->fd >= 0)
                close(latch->fd);
        latch->fd = -1;
}

void weir_latch_set(struct weir_latch *latch)
{
        uint64_t one = 1;
        ssize_t r = write(latch->fd, &one, sizeof one);

        (void)r; /* EAGAIN: the counter is full, so the latch is set */
}

void weir_latch_clear(struct weir_latch *latch)
{
        uint64_t value;
        ssize_t r = read(latch->fd, &value, sizeof value);

        (void)r; /* EAGAIN: it was clear */
}

bool weir_latch_wait(struct weir_latch *latch, int64_t timeout_ms)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000;

        for (;;) {
                struct pollfd pollfd = { .fd = latch->fd, .events = POLLIN };
                int64_t left_ms = (deadline_us - weir_clock_us() + 999) / 1000;
                int r = poll(&pollfd, 1, left_ms > 0 ? (int)left_ms : 0);

                if (r > 0)
                        return true;
                if (left_ms <= 0 || (r < 0 && errno != EINTR))
                        return false;
        }
}

void weir_cond_init(pthread_cond_t *cond)
{
        pthread_condattr_t attr;

        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(cond, &attr);
        pthread_condattr_destroy(&attr);
}

bool weir_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_us)
{
        struct timespec until = { .tv_sec = deadline_us / 1000000,
                                  .tv_nsec = (deadline_us % 1000000) * 1000 };

        return pthread_cond_timedwait(cond, mutex, &until) == 0;
}
