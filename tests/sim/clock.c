/* SPDX-License-Identifier: MIT */
/*
 * clock - time, latches, mutexes and conditions of the simulated threads
 *
 * Stands in place of lib/base/clock.c and thread.c, and, by --wrap, of what lib asks the C library for. A latch is a
 * number with a flag behind it, so a million of them cost no descriptor.
 *
 * Always true   a mutex that is held is never taken: who wants it waits, and others go on.
 * Not modelled  the order in which waiters of a lock are served: any, by the seed, which is more than a kernel does.
 */
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "sim.h"

enum { LATCHES = 4096, FD_BASE = 100000 };

static struct {
        bool used, set;
} latches[LATCHES];
static size_t latch_hint;

void sim_latches_reset(void);
void sim_latches_reset(void)
{
        memset(latches, 0, sizeof latches);
        latch_hint = 0;
}

/* ---- time ----------------------------------------------------------------------------------- */

int64_t weir_clock_us(void)
{
        return sim.now_us;
}

int64_t weir_clock_wall_us(void)
{
        return sim.now_us + INT64_C(1700000000000000);
}

int64_t weir_backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t attempt)
{
        int64_t delay = first_ms > 0 ? first_ms : 1;

        while (attempt > 1 && delay < max_ms) {
                delay *= 2;
                attempt--;
        }
        if (delay > max_ms)
                delay = max_ms;
        return delay - (delay / 4 > 0 ? sim.now_us % (delay / 4) : 0);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
        (void)id;
        *ret = (struct timespec){ sim.now_us / 1000000, sim.now_us % 1000000 * 1000 };
        return 0;
}

/* ---- latches -------------------------------------------------------------------------------- */

int weir_latch_init(struct weir_latch *latch)
{
        for (size_t i = 0; i < LATCHES; i++) {
                size_t at = (latch_hint + i) % LATCHES;

                if (latches[at].used)
                        continue;
                latches[at].used = true;
                latches[at].set = false;
                latch_hint = at + 1;
                latch->fd = FD_BASE + (int)at;
                return 0;
        }
        return -EMFILE;
}

void weir_latch_fini(struct weir_latch *latch)
{
        if (latch->fd >= FD_BASE)
                latches[latch->fd - FD_BASE].used = false;
        latch->fd = -1;
}

bool sim_latch_is_set(const struct weir_latch *latch)
{
        return latch && latches[latch->fd - FD_BASE].set;
}

const void *sim_latch_channel(const struct weir_latch *latch)
{
        return latch ? &latches[latch->fd - FD_BASE] : NULL;
}

void weir_latch_set(struct weir_latch *latch)
{
        latches[latch->fd - FD_BASE].set = true;
        sim_wake(sim_latch_channel(latch));
}

void weir_latch_clear(struct weir_latch *latch)
{
        latches[latch->fd - FD_BASE].set = false;
}

bool weir_latch_wait(struct weir_latch *latch, int64_t timeout_ms)
{
        int64_t deadline_us = sim.now_us + timeout_ms * 1000;

        sim_point();
        while (!sim_latch_is_set(latch))
                if (sim.now_us >= deadline_us ||
                    !sim_wait(sim_latch_channel(latch), NULL, deadline_us))
                        return sim_latch_is_set(latch);
        return true;
}

/* base/budget waits for two latches; nobody else polls. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
        int64_t deadline_us = timeout_ms < 0 ? INT64_MAX : sim.now_us + timeout_ms * 1000LL;
        const void *channels[2] = { NULL, NULL };

        sim_point();
        for (;;) {
                int ready = 0;

                for (nfds_t i = 0; i < count; i++) {
                        struct weir_latch latch = { fds[i].fd };

                        fds[i].revents = 0;
                        if (fds[i].fd < FD_BASE)
                                continue;
                        channels[i] = sim_latch_channel(&latch);
                        if (sim_latch_is_set(&latch)) {
                                fds[i].revents = POLLIN;
                                ready++;
                        }
                }
                if (ready || sim.now_us >= deadline_us)
                        return ready;
                sim_wait(channels[0], channels[1], deadline_us);
        }
}

/* ---- mutexes and conditions ------------------------------------------------------------------ */

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_pthread_cond_destroy(pthread_cond_t *cond);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
        sim_point();
        while (pthread_mutex_trylock(mutex) == EBUSY)
                sim_wait(mutex, NULL, INT64_MAX);
        return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
        int r = __real_pthread_mutex_unlock(mutex);

        sim_wake(mutex);
        return r;
}

void weir_cond_init(pthread_cond_t *cond)
{
        memset(cond, 0, sizeof *cond);
}

bool weir_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_us)
{
        bool woken;

        if (sim.now_us >= deadline_us)
                return false;
        __wrap_pthread_mutex_unlock(mutex);
        woken = sim_wait(cond, NULL, deadline_us);
        while (pthread_mutex_trylock(mutex) == EBUSY)
                sim_wait(mutex, NULL, INT64_MAX);
        return woken;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
        sim_wake(cond);
        return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
        (void)cond;
        return 0;
}
