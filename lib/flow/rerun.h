/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_RERUN_H
#define WEIR_FLOW_RERUN_H
/*
 * rerun - one kept event in one transaction: a parked one, or a dead letter sent round again
 *
 * Lane thread only. What to do about a failure is aside.c's business.
 */
#include "flow/apply.h"
#include "flow/replaying.h"

struct weir_rerun {
        struct weir_applier *applier; /* the lane's */
        struct weir_partition *partition;
        struct weir_pg *pg;      /* of the caller */
        struct weir_batch batch; /* the one record */
        struct weir_claims claims;
        struct weir_kept_event kept;
        const struct weir_conf_worker *worker;
        const struct weir_batch_rules *rules;
        char space[WEIR_SPACE_BYTES]; /* of the letter's epoch */
        bool parked;                  /* a row of weir.parked; else of weir.dead_letter */
};

enum weir_rerun_step {
        WEIR_RERUN_DONE,
        WEIR_RERUN_FAILED, /* rolled back: see the fault */
        WEIR_RERUN_GONE,   /* the row is not there any more: rolled back */
        WEIR_RERUN_FENCED
};

/* @rules NULL = ordinary consumption. A letter of an epoch is run by the rules of that, whoever runs it. */
void weir_rerun_init(struct weir_rerun *rerun, const struct weir_conf_worker *worker,
                     const struct weir_batch_rules *rules);
void weir_rerun_fini(struct weir_rerun *rerun);
/* Decode what stands in ->kept. 1: it is no event (any more), @ret says why. < 0: WEIR_ENOMEM. */
int weir_rerun_decode(struct weir_rerun *rerun, struct weir_fault *ret);
/* Claim, handle, change the row, commit. @ret_fresh: events that came into effect; 0 = claimed before. */
enum weir_rerun_step weir_rerun_apply(struct weir_rerun *rerun,
                                      const struct weir_position *position, size_t *ret_fresh,
                                      struct weir_fault *fault);
/* A parked event that has failed for the last time, for @fault: dead letter and row in one transaction. */
enum weir_rerun_step weir_rerun_bury(struct weir_rerun *rerun, const struct weir_position *position,
                                     const char *klass, struct weir_fault *fault);
/* A dead letter that has failed for the last time of its round, where on_dead = "publish": the row and another message
 * in one transaction. */
enum weir_rerun_step weir_rerun_publish(struct weir_rerun *rerun,
                                        const struct weir_position *position,
                                        const struct weir_deadletter_failure *failure,
                                        struct weir_fault *fault);

#endif
