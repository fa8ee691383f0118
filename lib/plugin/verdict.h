/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_VERDICT_H
#define WEIR_PLUGIN_VERDICT_H
/*
 * verdict - the inside of a handler's transaction, and what a handler's answer means for it
 *
 * Shared by tx.c (the calls that a handler makes) and verdict.c (what its return value is worth).
 */
#include "base/arena.h"
#include "plugin/tx.h"
#include "store/outbox.h"

struct weir_handler_tx {
        struct weir_tx public; /* first: the plugin's pointer is ours */
        const struct weir_worker *worker;
        struct weir_handler *handler;
        const char *worker_name; /* in the configuration */
        void *self;
        struct weir_limits limits;
        struct weir_pg *pg; /* NULL = detached */

        struct weir_table **tables;
        struct weir_rowbuffer **buffers; /* of the same index; made on first use */
        size_t table_count;
        size_t unsent_bytes;
        struct weir_outbox_writer *outbox; /* made on first use */
        struct weir_arena arena;           /* of the event that is being encoded */
        int32_t position;                  /* weir.position.id, 0 = none */

        bool failed; /* T1 */
        struct weir_error failure;

        /* of the call in hand */
        const struct weir_event *const *events;
        size_t event_count;
        size_t event_hint; /* where the last event asked for was found */
        uint32_t emitted;  /* events that were handed to the outbox in this call */
        bool withhold;     /* they are taken, and do not leave */
        uint32_t withheld; /* of the transaction in hand */
        struct cJSON **trees;
        size_t tree_room;
        struct weir_pg_rows *rows;
        bool guarded; /* T2: the connection was given out */
};

/* Which of the events of the call in hand is @event? -1: a copy, or none of them. */
int weir_handler_tx_find(struct weir_handler_tx *tx, const struct weir_event *event, size_t *ret);

/* T1: remember @error as the first failure of the transaction, give the first one out. Returns its
 * code. */
int weir_verdict_lose(struct weir_handler_tx *tx, struct weir_error *error,
                      struct weir_error *reterr);
/* The failure that is remembered. */
int weir_verdict_failed(const struct weir_handler_tx *tx, struct weir_error *reterr);

/* What the handler returned and @said -> what weir_handler_tx_call() returns, @reterr filled unless
 * DONE or SKIP. */
int weir_verdict_judge(struct weir_handler_tx *tx, int outcome, struct weir_error *said,
                       struct weir_error *reterr);

static inline bool weir_verdict_good(int outcome)
{
        return outcome == WEIR_DONE || outcome == WEIR_SKIP;
}

static inline bool weir_verdict_known(int outcome)
{
        return outcome >= WEIR_DONE && outcome <= WEIR_REJECT;
}

#endif
