/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_RUN_H
#define WEIR_FLOW_RUN_H
/*
 * run - bring a whole batch to its end: applied, kept as dead letters, or given up because we must leave
 *
 * Lane thread only. Waits for the database as long as it takes, never longer than the lane may live.
 */
#include "flow/aside.h"
#include "flow/hold.h"
#include "flow/replaying.h"

struct weir_runner {
        const struct weir_lane_env *env;
        struct weir_partition *partition;
        struct weir_hold hold; /* from one transaction of a batch to the next */
        struct weir_applier applier;
        struct weir_retry retry;
        struct weir_park park;
        struct weir_dead dead;
        struct weir_share share;
        struct weir_aside aside;
        struct weir_applied_counts counts;
        struct weir_error halt;          /* why, after WEIR_RUN_HALTED */
        struct weir_batch_rules rules;   /* … and what goes with it */
        struct weir_replay_range *range; /* NULL = ordinary consumption */
};

/* Points into itself: not to be moved afterwards. */
int weir_runner_init(struct weir_runner *runner, const struct weir_lane_env *env,
                     struct weir_partition *partition, struct weir_latch *abort,
                     struct weir_latch *waker, int (*stopping)(void *), void *context,
                     struct weir_error *reterr);
void weir_runner_fini(struct weir_runner *runner);
/* After the taking of a position: what is known of it besides: attempts, parked events, how many were
 * condemned. */
int weir_runner_took(struct weir_runner *runner, struct weir_pg *pg,
                     const struct weir_position *position, struct weir_error *reterr);
/* Every record of @batch from @position on. Kafka is told after each COMMIT (I7). */
enum weir_run weir_runner_run(struct weir_runner *runner, struct weir_batch *batch,
                              struct weir_position *position);
/* Between batches: what waits beside the partition's order and is due. @idle: there is nothing else to do. */
enum weir_run weir_runner_aside(struct weir_runner *runner, const struct weir_position *position,
                                bool idle);
/* The queue is empty and everything read is committed: step over trailing transaction markers. */
enum weir_run weir_runner_pass_markers(struct weir_runner *runner, struct weir_position *position);

#endif
