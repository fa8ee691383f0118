/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_ASIDE_H
#define WEIR_FLOW_ASIDE_H
/*
 * aside - events that are run beside the partition's order: parked ones, and dead letters sent round again
 *
 * Lane thread only, between batches and while the lane waits for a retry; never inside a transaction.
 */
#include "flow/lane.h"
#include "flow/rerun.h"
#include "flow/share.h"

enum weir_run {
        WEIR_RUN_DONE = 0,
        WEIR_RUN_FENCED = 1,
        WEIR_RUN_STOPPED = 2,
        WEIR_RUN_HALTED = 3 /* by a policy: an operator's word is needed */
};

struct weir_aside {
        const struct weir_lane_env *env;
        struct weir_partition *partition;
        struct weir_latch *abort;
        int (*stopping)(void *context);
        void *context;
        struct weir_applier *applier; /* the lane's: handler, park and dead letters are shared */
        struct weir_share *share;
        struct weir_applied_counts *counts;
        const struct weir_batch_rules *rules; /* NULL = ordinary consumption */

        struct weir_pg *pg; /* held within one call */
        struct weir_rerun rerun;
        struct weir_arena arena; /* of the record in hand */
        int64_t not_before_us;   /* after a failure of the infrastructure */
        int64_t look_at_us;      /* for marked dead letters */
        uint32_t failures;       /* in a row */
        char signal[8];          /* of which processes died of the event in hand */
        bool postponed;          /* the letter in hand waits for its next try */
        bool unsure;             /* what stands in weir.parked: an answer to COMMIT was lost */
        struct weir_error halt;
};

/* The pointers are set by the caller before. */
void weir_aside_init(struct weir_aside *aside);
void weir_aside_fini(struct weir_aside *aside);
/* Run what is due, for @most_us; an event that is begun is brought to its end. Cheap where nothing is due. HALTED: see
 * aside->halt. */
enum weir_run weir_aside_run(struct weir_aside *aside, const struct weir_position *position,
                             int64_t most_us);
/* Its turn ended before its work did: it wants another one at once. */
bool weir_aside_hungry(struct weir_aside *aside);

#endif
