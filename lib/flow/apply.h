/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_APPLY_H
#define WEIR_FLOW_APPLY_H
/*
 * apply - one transaction: fence, claim, handle, keep the dead, commit
 *
 * Runs records [first, first + count) of a batch. The position given is what the lane believes; it is moved
 * only when the transaction is known to be committed.
 */
#include "flow/batch.h"
#include "flow/dead.h"
#include "flow/park.h"
#include "flow/retry.h"
#include "plugin/tx.h"
#include "store/apply.h"

/* What an apply needs, set once per lane. */
struct weir_applier {
        struct weir_handler_tx *tx;
        const char *worker, *version;
        const struct weir_worker *plugin;
        struct weir_dead *dead; /* the lane's, and the next two */
        struct weir_park *park;
        struct weir_retry *retry;
        struct weir_claims claims;
        const struct weir_event **events; /* scratch of handle_batch */
        int *outcomes;
        size_t room;
        uint32_t calls; /* events handed to the handler in the transaction in hand */
        bool blame;     /* find the event for which COMMIT was refused: for a record alone */
        /* flow/spare: prepared for a culprit in so many more batches; never again; may the records pass with the
         * events that are dead in them? */
        uint32_t spare_left;
        bool spare_never;
        bool (*allowed)(void *context, const struct weir_batch *batch, size_t first, size_t count);
        void *allowed_context;
};

enum weir_applied {
        WEIR_APPLIED = 0,
        WEIR_FENCED = 1, /* another epoch holds the position: leave it */
        WEIR_FAULT = 2   /* rolled back: *ret_fault says at whom and why */
};

#define WEIR_NO_ITEM UINT32_MAX

struct weir_fault {
        int outcome;         /* enum weir_outcome, or < 0 */
        uint32_t item;       /* the event in hand, or WEIR_NO_ITEM: somewhere in the range */
        int64_t next_offset; /* where the position would be had it been committed (for LOOK) */
        struct weir_error error;
};

struct weir_applied_counts {
        uint64_t events, fresh, dead;
        uint64_t
                abandoned; /* calls of the handler in transactions that were left: somebody will call it again */
};

int weir_applier_run(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                     size_t first, size_t count, struct weir_position *position,
                     struct weir_applied_counts *counts, struct weir_fault *ret_fault);
/* Call the handler for the fresh ones of claims [from, to). @alone: each is checked by itself, rows sent. *ret_at: the
 * claim at fault. */
int weir_applier_handle(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                        size_t from, size_t to, bool alone, size_t *ret_at, struct weir_fault *ret);
void weir_applier_fini(struct weir_applier *applier);
/* Move @position over records [first, first + count): for the caller that has looked and found its COMMIT done. */
void weir_applier_advance(const struct weir_batch *batch, size_t first, size_t count,
                          struct weir_position *position);

#endif
