/* SPDX-License-Identifier: MIT */
/*
 * gate - many transactions at once, or one suspect
 *
 * A process that is killed (out of memory) leaves as many suspects as lanes were inside handlers. Run together again
 * they would be suspected together again, and an innocent neighbour would be condemned with the culprit.
 *
 * Always true   GT1 GT2, see gate.h.
 * Fairness      who wants to be alone goes before those who come later: otherwise a busy process would never let it. It
 *               keeps its place while it looks for a stop. A lock with a time limit does not: those behind it got in each
 *               time that it looked (pthread_rwlock_clockwrlock), so with slow handlers somebody always was inside.
 * Price         a lane enters once per transaction, not per event. While a suspect waits for PostgreSQL, all do; they
 *               would wait for the same PostgreSQL.
 */
#include "flow/gate.h"

#include "base/clock.h"
#include "base/thread.h"

#define SLICE_US 100000 /* a stop is noticed so fast */

void weir_gate_init(struct weir_gate *gate)
{
        *gate = (struct weir_gate){ .inside = 0 };
        pthread_mutex_init(&gate->mutex, NULL);
        weir_cond_init(&gate->cond);
}

void weir_gate_fini(struct weir_gate *gate)
{
        pthread_cond_destroy(&gate->cond);
        pthread_mutex_destroy(&gate->mutex);
}

/* @takes the mutex, held. */
static bool is_open(const struct weir_gate *gate, bool alone)
{
        return !gate->alone && (alone ? gate->inside == 0 : gate->waiting == 0);
}

bool weir_gate_enter(struct weir_gate *gate, bool alone, int (*stopping)(void *), void *context)
{
        bool open, told = false;

        pthread_mutex_lock(&gate->mutex);
        gate->waiting += alone;
        while (!(open = is_open(gate, alone)) && !told) {
                if (weir_cond_wait_until(&gate->cond, &gate->mutex, weir_clock_us() + SLICE_US))
                        continue;
                pthread_mutex_unlock(&gate->mutex);
                told = stopping(context);
                pthread_mutex_lock(&gate->mutex);
        }
        gate->waiting -= alone;
        gate->alone = gate->alone || (open && alone);
        gate->inside += open && !alone;
        if (!open)
                pthread_cond_broadcast(&gate->cond); /* who stood behind it may come in */
        pthread_mutex_unlock(&gate->mutex);
        return open;
}

void weir_gate_leave(struct weir_gate *gate)
{
        pthread_mutex_lock(&gate->mutex);
        if (gate->alone)
                gate->alone = false;
        else
                gate->inside--;
        if (gate->inside == 0)
                pthread_cond_broadcast(&gate->cond);
        pthread_mutex_unlock(&gate->mutex);
}
