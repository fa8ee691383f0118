/* SPDX-License-Identifier: MIT */
/*
 * gate - many transactions at once, or one suspect
 *
 * A process that is killed (out of memory) leaves as many suspects as lanes were inside handlers. Run together again
 * they would be suspected together again, and an innocent neighbour would be condemned with the culprit.
 *
 * Always true   GT1, see gate.h.
 * Fairness      who wants to be alone goes before those who come later: otherwise a busy process would never let it.
 * Price         a lane enters once per transaction, not per event. While a suspect waits for PostgreSQL, all do; they
 *               would wait for the same PostgreSQL.
 */
#include "flow/gate.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define SLICE_NS 100000000l /* a stop is noticed so fast */

void weir_gate_init(struct weir_gate *gate)
{
        pthread_rwlockattr_t attr;

        pthread_rwlockattr_init(&attr);
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&gate->lock, &attr);
        pthread_rwlockattr_destroy(&attr);
}

void weir_gate_fini(struct weir_gate *gate)
{
        pthread_rwlock_destroy(&gate->lock);
}

bool weir_gate_enter(struct weir_gate *gate, bool alone, int (*stopping)(void *), void *context)
{
        for (;;) {
                struct timespec until;
                int r;

                clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += SLICE_NS;
                if (until.tv_nsec >= 1000000000l) {
                        until.tv_sec++;
                        until.tv_nsec -= 1000000000l;
                }
                r = alone ? pthread_rwlock_clockwrlock(&gate->lock, CLOCK_MONOTONIC, &until)
                          : pthread_rwlock_clockrdlock(&gate->lock, CLOCK_MONOTONIC, &until);
                if (r == 0)
                        return true;
                assert(r == ETIMEDOUT || r == EAGAIN);
                if (stopping(context))
                        return false;
        }
}

void weir_gate_leave(struct weir_gate *gate)
{
        pthread_rwlock_unlock(&gate->lock);
}
