/* SPDX-License-Identifier: MIT */
/*
 * pool - few connections for many lanes, first come, first served
 *
 * A place is the right to hold one connection. Places are counted; who waits gets the place of who
 * gives back, directly, so that a lane that asks in a tight loop cannot overtake one that waits.
 *
 * Always true   L1  idle + held places <= max.
 *               L2  nobody waits while a place is free.
 *               L3  the mutex is never held across connect, rollback or close.
 * The race      A waiter is interrupted at the moment it is given a place. Both sides decide under
 *               the mutex: granted wins, and an interrupted waiter hands its place on.
 * Not chosen    a condition variable: it cannot be waited for together with the interrupt latch.
 *               The latch of a waiter is made only when it has to wait.
 */
#include "store/pool.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "store/wire.h"

struct waiter {
        struct waiter *next;
        struct weir_latch latch;
        struct weir_pg *pg; /* with the place; NULL: open one */
        bool granted;
};

struct weir_pool {
        struct weir_pg_conf conf;
        char *url, *password, *application_name;
        uint32_t max;
        pthread_mutex_t mutex;
        uint32_t places;             /* @mutex  taken, idle connections included */
        struct weir_pg **idle;       /* @mutex  last in, first out: the rest can stay cold */
        uint32_t idle_count;         /* @mutex */
        struct waiter *first, *last; /* @mutex */
};

static int copy_text(const char *from, char **ret)
{
        *ret = from ? strdup(from) : NULL;
        return from && !*ret ? -1 : 0;
}

int weir_pool_new(const struct weir_pg_conf *conf, uint32_t max, struct weir_pool **ret,
                  struct weir_error *reterr)
{
        struct weir_pool *pool;

        if (max == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "a pool of 0 connections");
        pool = calloc(1, sizeof *pool);
        if (!pool)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "pool of %u connections", max);
        pthread_mutex_init(&pool->mutex, NULL);
        pool->max = max;
        pool->idle = calloc(max, sizeof(struct weir_pg *));
        if (!pool->idle || copy_text(conf->url, &pool->url) < 0 ||
            copy_text(conf->password, &pool->password) < 0 ||
            copy_text(conf->application_name, &pool->application_name) < 0) {
                weir_pool_free(pool);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "pool of %u connections", max);
        }
        pool->conf = (struct weir_pg_conf){ .url = pool->url,
                                            .password = pool->password,
                                            .application_name = pool->application_name,
                                            .connect_timeout_ms = conf->connect_timeout_ms };
        *ret = pool;
        return 0;
}

void weir_pool_free(struct weir_pool *pool)
{
        if (!pool)
                return;
        assert(pool->places == pool->idle_count && !pool->first);
        for (uint32_t i = 0; i < pool->idle_count; i++)
                weir_pg_close(pool->idle[i]);
        free(pool->idle);
        free(pool->url);
        if (pool->password)
                explicit_bzero(pool->password, strlen(pool->password));
        free(pool->password);
        free(pool->application_name);
        pthread_mutex_destroy(&pool->mutex);
        free(pool);
}

/* Give the place, with @pg or NULL, to the first waiter or back. @takes pool->mutex. */
static void pass_on(struct weir_pool *pool, struct weir_pg *pg)
{
        struct waiter *waiter;

        pthread_mutex_lock(&pool->mutex);
        waiter = pool->first;
        if (waiter) {
                pool->first = waiter->next;
                if (!pool->first)
                        pool->last = NULL;
                waiter->pg = pg;
                waiter->granted = true;
                weir_latch_set(&waiter->latch); /* under the mutex: then the waiter still exists */
        } else if (pg) {
                pool->idle[pool->idle_count++] = pg;
        } else {
                pool->places--;
        }
        pthread_mutex_unlock(&pool->mutex);
}

static void leave_queue(struct weir_pool *pool, struct waiter *waiter)
{
        struct waiter *before = NULL;

        for (struct waiter *w = pool->first; w; before = w, w = w->next)
                if (w == waiter) {
                        *(before ? &before->next : &pool->first) = w->next;
                        if (pool->last == w)
                                pool->last = before;
                        return;
                }
}

/* Wait for the latch of the waiter or @interrupt. 0, or WEIR_ESTOP, WEIR_ESYS. */
static int wait_turn(struct waiter *waiter, struct weir_latch *interrupt, struct weir_error *reterr)
{
        struct pollfd fds[2] = { { .fd = waiter->latch.fd, .events = POLLIN },
                                 { .fd = interrupt ? interrupt->fd : -1, .events = POLLIN } };

        for (;;) {
                int r = poll(fds, 2, -1);

                if (r > 0 && fds[0].revents)
                        return 0;
                if (r > 0)
                        return weir_fail(reterr, WEIR_ESTOP, 0,
                                         "interrupted while waiting for a connection of the pool");
                if (errno != EINTR)
                        return weir_fail(reterr, WEIR_ESYS, errno, "waiting for a connection: %m");
        }
}

/* Get a place: 0, *ret_pg may be NULL. @takes pool->mutex. */
static int take_place(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret_pg,
                      struct weir_error *reterr)
{
        struct waiter waiter = { .latch = { -1 } };
        bool granted;
        int r;

        *ret_pg = NULL;
        pthread_mutex_lock(&pool->mutex);
        if (pool->idle_count > 0) {
                *ret_pg = pool->idle[--pool->idle_count];
                pthread_mutex_unlock(&pool->mutex);
                return 0;
        }
        if (pool->places < pool->max) {
                pool->places++;
                pthread_mutex_unlock(&pool->mutex);
                return 0;
        }
        r = weir_latch_init(&waiter.latch);
        if (r == 0) {
                *(pool->last ? &pool->last->next : &pool->first) = &waiter;
                pool->last = &waiter;
        }
        pthread_mutex_unlock(&pool->mutex);
        if (r < 0)
                return weir_fail(reterr, WEIR_ESYS, -r, "waiting for a connection: eventfd: %s",
                                 strerror(-r));
        r = wait_turn(&waiter, interrupt, reterr);
        pthread_mutex_lock(&pool->mutex);
        granted = waiter.granted;
        if (!granted)
                leave_queue(pool, &waiter);
        pthread_mutex_unlock(&pool->mutex);
        weir_latch_fini(&waiter.latch);
        if (r < 0) {
                if (granted)
                        pass_on(pool, waiter.pg);
                return r;
        }
        *ret_pg = waiter.pg;
        return 0;
}

/* Did the server close it while nobody looked? An idle connection has nothing to say: whatever waits
 * in the socket is a farewell, or rare enough that a new connection costs less than reading it (the
 * words come before the end of file, so a first read does not tell). */
static bool alive(struct weir_pg *pg)
{
        struct pollfd fd = { .fd = PQsocket(pg->conn), .events = POLLIN };

        return weir_pg_idle(pg) && poll(&fd, 1, 0) == 0;
}

int weir_pool_acquire(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret,
                      struct weir_error *reterr)
{
        struct weir_pg *pg;
        int r = take_place(pool, interrupt, &pg, reterr);

        if (r < 0)
                return r;
        if (pg && !alive(pg)) {
                weir_pg_close(pg);
                pg = NULL;
        }
        if (!pg) {
                r = weir_pg_open(&pool->conf, interrupt, &pg, reterr);
                if (r < 0) {
                        pass_on(pool, NULL);
                        return r;
                }
        }
        weir_pg_set_interrupt(pg, interrupt);
        *ret = pg;
        return 0;
}

void weir_pool_release(struct weir_pool *pool, struct weir_pg *pg)
{
        if (!pg)
                return;
        if (!weir_pg_broken(pg) && !weir_pg_idle(pg))
                weir_pg_rollback(pg);
        if (weir_pg_broken(pg)) {
                weir_pg_close(pg);
                pg = NULL;
        } else {
                weir_pg_set_interrupt(pg, NULL);
        }
        pass_on(pool, pg);
}
