/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DEADLETTER_MARK_H
#define WEIR_STORE_DEADLETTER_MARK_H
/*
 * deadletter_mark - an operator's changes of state, in chunks, each inside the transaction in hand
 *
 *  X4  a row is changed only from the state that the filter names, under its lock: of two operators one takes it.
 *  X5  nothing is deleted: a state says what became of a letter.
 */
#include "store/deadletter.h"
#include "store/deadletter_filter.h"

struct weir_deadletter_mark {
        const char *by;   /* who, and which call: unique */
        const char *note; /* why; NULL = what was noted before stays */
};

/* What a chunk came to. */
struct weir_deadletter_chunk {
        int64_t count;             /* rows changed; 0 = there are no more */
        int64_t first_id, last_id; /* of them */
};

/* To be run again in place: state 'requeue', another round, attempts anew. What was to be delivered is left alone.
 * At most @limit rows from the lowest id on. */
int weir_deadletter_requeue(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                            size_t limit, const struct weir_deadletter_mark *mark,
                            struct weir_deadletter_chunk *ret, struct weir_error *reterr);
int weir_deadletter_drop(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         size_t limit, const struct weir_deadletter_mark *mark,
                         struct weir_deadletter_chunk *ret, struct weir_error *reterr);

/* A letter on its way into the outbox; @letter lives until the return. */
struct weir_deadletter_sendable {
        int64_t id;
        struct weir_deadletter letter;
        const char *destination; /* class deliver: "sink NAME" or "topic NAME"; else NULL */
        const char *message_id;  /* class deliver: the one that it had; else NULL */
};
typedef int weir_deadletter_send_fn(void *context, const struct weir_deadletter_sendable *sendable,
                                    struct weir_arena *arena, struct weir_error *reterr);
/* Mark as 'sent', and hand each one to @send, which puts its message into the outbox of the same transaction.
 * @delivers: those of class deliver; else the others. At most @limit rows and, beyond the first, @bytes. */
int weir_deadletter_send(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         bool delivers, size_t limit, size_t bytes,
                         const struct weir_deadletter_mark *mark, weir_deadletter_send_fn *send,
                         void *context, struct weir_deadletter_chunk *ret,
                         struct weir_error *reterr);

/* What became of the letters that @by has marked, with ids from @first_id to @last_id: state, rows. */
int weir_deadletter_outcome(struct weir_pg *pg, const char *by, int64_t first_id, int64_t last_id,
                            struct weir_pg_rows **ret, struct weir_error *reterr);
/* How many of them wait for their lanes. */
int weir_deadletter_waiting(struct weir_pg *pg, const char *by, int64_t *ret,
                            struct weir_error *reterr);

#endif
