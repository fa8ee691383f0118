/* SPDX-License-Identifier: MIT */
/*
 * budget - bytes are counted before they are allocated, and who asked first gets them first
 *
 * Always true   BU1 what credits hold is within the total, but for what was set (it was in memory already), and for
 *                   one credit that was granted because of BU2.
 *               BU2 somebody always gets on: where every credit that is held rests (it waits for the next try of an
 *                   event, for hours perhaps), or none is held, the first that waits is granted what it asks for, also
 *                   when it is more than there is. A record larger than the budget is taken, alone.
 *               BU3 nobody is overtaken: a small wish waits behind a large one that came first. But who has something in
 *                   hand already, and needs more to go on with it, comes before those who have nothing.
 * Why BU3       1. four lanes each take a record, as large as is expected  2. each turns out larger: they wait with it in hand, and
 *               rest  3. sixty others wait for their first. Had they come first, BU2 would have granted each of them what it
 *               asks for, one after the other, and each would wait with a record in hand: 23 messages of 10 MB were.
 * The race      A waiter's time is over at the moment when it is granted. Both sides decide under the mutex: granted
 *               wins.
 * Not chosen    a condition variable: it cannot be waited for together with the interrupt latch.
 *               Counting in malloc: what a plugin allocates is its own, and which lane would have to wait for it?
 */
#include "base/budget.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"

struct waiter {
        struct waiter *next;
        struct weir_latch latch;
        uint64_t bytes; /* more than it holds */
        bool begun;     /* it holds something */
        bool granted;
};

struct weir_budget {
        uint64_t total;
        pthread_mutex_t mutex;
        uint64_t used, resting;      /* @mutex  resting: the part of used whose holders rest */
        struct waiter *first, *last; /* @mutex */
};

int weir_budget_new(uint64_t bytes, struct weir_budget **ret, struct weir_error *reterr)
{
        struct weir_budget *budget = calloc(1, sizeof *budget);

        if (!budget)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "memory budget");
        budget->total = bytes;
        pthread_mutex_init(&budget->mutex, NULL);
        *ret = budget;
        return 0;
}

void weir_budget_free(struct weir_budget *budget)
{
        if (!budget)
                return;
        assert(!budget->used && !budget->first);
        pthread_mutex_destroy(&budget->mutex);
        free(budget);
}

uint64_t weir_budget_total(const struct weir_budget *budget)
{
        return budget ? budget->total : UINT64_MAX;
}

uint64_t weir_budget_used(struct weir_budget *budget)
{
        uint64_t used;

        pthread_mutex_lock(&budget->mutex);
        used = budget->used;
        pthread_mutex_unlock(&budget->mutex);
        return used;
}

/* @takes the mutex, held. */
static bool fits(const struct weir_budget *budget, uint64_t bytes)
{
        return budget->used == budget->resting ||
               (budget->used <= budget->total && bytes <= budget->total - budget->used);
}

/* @takes the mutex, held. */
static void grant(struct weir_budget *budget)
{
        while (budget->first && fits(budget, budget->first->bytes)) {
                struct waiter *waiter = budget->first;

                budget->first = waiter->next;
                if (!budget->first)
                        budget->last = NULL;
                budget->used += waiter->bytes;
                waiter->granted = true;
                weir_latch_set(&waiter->latch); /* under the mutex: then it still exists */
        }
}

/* @takes the mutex, held. BU3: behind all that have begun, or behind all. */
static void join(struct weir_budget *budget, struct waiter *waiter)
{
        struct waiter **at = &budget->first;

        while (*at && (!waiter->begun || (*at)->begun))
                at = &(*at)->next;
        waiter->next = *at;
        *at = waiter;
        if (!waiter->next)
                budget->last = waiter;
}

static void leave(struct weir_budget *budget, const struct waiter *waiter)
{
        struct waiter *before = NULL;

        for (struct waiter *w = budget->first; w; before = w, w = w->next)
                if (w == waiter) {
                        *(before ? &before->next : &budget->first) = w->next;
                        if (budget->last == w)
                                budget->last = before;
                        break;
                }
        grant(budget); /* who stood behind a large wish may fit */
}

static void wait(struct waiter *waiter, struct weir_latch *interrupt, int timeout_ms)
{
        struct pollfd fds[2] = { { .fd = waiter->latch.fd, .events = POLLIN },
                                 { .fd = interrupt ? interrupt->fd : -1, .events = POLLIN } };
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;

        for (;;) {
                int64_t left_ms = (deadline_us - weir_clock_us() + 999) / 1000;
                int r = poll(fds, 2, left_ms > 0 ? (int)left_ms : 0);

                if (r > 0 || left_ms <= 0 || (r < 0 && errno != EINTR))
                        return;
        }
}

/* @takes the mutex, held. */
static void set_resting(struct weir_credit *credit, bool resting)
{
        if (credit->resting != resting)
                credit->budget->resting += resting ? credit->bytes : -credit->bytes;
        credit->resting = resting;
}

bool weir_credit_take(struct weir_credit *credit, uint64_t bytes, struct weir_latch *interrupt,
                      int timeout_ms)
{
        struct weir_budget *budget = credit->budget;
        struct waiter waiter = { .bytes = bytes > credit->bytes ? bytes - credit->bytes : 0,
                                 .begun = credit->bytes > 0 };

        if (!budget)
                return true;
        pthread_mutex_lock(&budget->mutex);
        set_resting(credit, true);
        waiter.granted = !budget->first && fits(budget, waiter.bytes);
        if (waiter.granted) {
                budget->used += waiter.bytes;
        } else if (weir_latch_init(&waiter.latch) == 0) {
                join(budget, &waiter);
                grant(budget); /* at the head it may be the one that BU2 is for */
                pthread_mutex_unlock(&budget->mutex);
                wait(&waiter, interrupt, timeout_ms);
                pthread_mutex_lock(&budget->mutex);
                if (!waiter.granted)
                        leave(budget, &waiter);
                weir_latch_fini(&waiter.latch);
        }
        set_resting(credit, false);
        if (waiter.granted)
                credit->bytes += waiter.bytes;
        pthread_mutex_unlock(&budget->mutex);
        return waiter.granted;
}

bool weir_credit_grow(struct weir_credit *credit, uint64_t bytes)
{
        struct weir_budget *budget = credit->budget;
        bool grown;

        if (!budget || bytes <= credit->bytes)
                return true;
        pthread_mutex_lock(&budget->mutex);
        grown = !budget->first && budget->used <= budget->total &&
                bytes - credit->bytes <= budget->total - budget->used;
        if (grown) {
                budget->used += bytes - credit->bytes;
                credit->bytes = bytes;
        }
        pthread_mutex_unlock(&budget->mutex);
        return grown;
}

void weir_credit_set(struct weir_credit *credit, uint64_t bytes)
{
        struct weir_budget *budget = credit->budget;

        if (!budget)
                return;
        pthread_mutex_lock(&budget->mutex);
        set_resting(credit, false);
        budget->used += bytes - credit->bytes; /* also when it is less */
        credit->bytes = bytes;
        grant(budget);
        pthread_mutex_unlock(&budget->mutex);
}

void weir_credit_give(struct weir_credit *credit)
{
        if (credit->bytes)
                weir_credit_set(credit, 0);
}

void weir_credit_rest(struct weir_credit *credit, bool resting)
{
        struct weir_budget *budget = credit->budget;

        if (!budget || credit->resting == resting)
                return;
        pthread_mutex_lock(&budget->mutex);
        set_resting(credit, resting);
        grant(budget);
        pthread_mutex_unlock(&budget->mutex);
}
