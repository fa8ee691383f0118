/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_RUN_H
#define WEIR_FLOW_RUN_H
/*
 * run - bring a whole batch to its end: applied, kept as dead letters, or given up because we must leave
 *
 * Lane thread only. Waits for the database as long as it takes, never longer than the lane may live.
 */
#include "flow/apply.h"
#include "flow/lane.h"

struct weir_runner {
        const struct weir_lane_env *env;
        struct weir_partition *partition;
        struct weir_latch *abort, *waker;
        int (*stopping)(void *context); /* enum weir_lane_stop or 0 */
        void *context;
        struct weir_applier applier;
        struct weir_applied_counts counts;
        uint32_t waits;     /* infrastructure failures in a row */
        struct weir_pg *pg; /* held from one transaction of a batch to the next */
};

enum weir_run { WEIR_RUN_DONE = 0, WEIR_RUN_FENCED = 1, WEIR_RUN_STOPPED = 2 };

int weir_runner_init(struct weir_runner *runner, const struct weir_lane_env *env,
                     struct weir_partition *partition, struct weir_latch *abort,
                     struct weir_latch *waker, int (*stopping)(void *), void *context,
                     struct weir_error *reterr);
void weir_runner_fini(struct weir_runner *runner);
/* Every record of @batch from @position on. Kafka is told after each COMMIT (I7). */
enum weir_run weir_runner_run(struct weir_runner *runner, struct weir_batch *batch,
                              struct weir_position *position);
/* The queue is empty and everything read is committed: step over trailing transaction markers. */
enum weir_run weir_runner_pass_markers(struct weir_runner *runner, struct weir_position *position);

#endif
