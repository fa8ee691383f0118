/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_REQUEUE_H
#define WEIR_FLOW_REQUEUE_H
/*
 * requeue - kept dead letters on their way back, a transaction for each chunk
 *
 * Three ways: in place (a mark, the lane of the position runs it), into the outbox for a topic, and, for what could not
 * be delivered, into the outbox for where it was going. Main thread, a connection of its own.
 *  X1  a letter leaves the state 'kept' in the transaction that puts it on its way, so it is on one way at most.
 *  X2  a letter that has been through @filter.rounds_below rounds is left alone.
 *  X3  one run meets a letter once, also when it fails again meanwhile.
 */
#include "store/deadletter_mark.h"
#include "store/outbox.h"

struct weir_requeue {
        struct weir_pg *pg;
        struct weir_deadletter_filter filter; /* above_id moves on (X3) */
        struct weir_deadletter_mark mark;
        const char *topic; /* NULL = in place, and what was to be delivered to its destination */
        /* what was done so far */
        int64_t marked, sent;
        int64_t first_id, last_id; /* of the marked */
        /* within */
        int64_t begin_id;
        bool marking_over, begun;
        struct weir_outbox_writer *writer;
};

void weir_requeue_fini(struct weir_requeue *requeue);
/* At most @limit (> 0) letters. 0; 1 = there are no more. */
int weir_requeue_chunk(struct weir_requeue *requeue, size_t limit, struct weir_error *reterr);

#endif
