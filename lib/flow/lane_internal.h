/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_LANE_INTERNAL_H
#define WEIR_FLOW_LANE_INTERNAL_H
/*
 * lane_internal - the inside of a lane, for lane.c (its thread) and course.c (what it does there)
 *
 * Thread   what is not marked belongs to the lane's thread once that has started.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "flow/anchor.h"
#include "flow/intake.h"
#include "flow/lane.h"
#include "flow/run.h"

struct weir_lane {
        atomic_int references;
        struct weir_lane_env own_env; /* a copy: the member's changes with a reload */
        const struct weir_lane_env *env;
        struct weir_partition *partition;
        pthread_t thread;
        bool joined;

        pthread_mutex_t mutex;
        pthread_cond_t cond;
        bool finished;           /* @mutex */
        atomic_int stop;         /* enum weir_lane_stop, 0 = go on */
        struct weir_latch waker; /* set by any stop: ends waits between tries */
        struct weir_latch abort; /* set by ABORT only: ends waits inside PostgreSQL */

        struct weir_position position; /* lane thread: the state it believes */
        struct weir_runner runner;
        struct weir_intake intake;
        struct weir_anchor anchor;
        uint32_t broken_count; /* in a row, at broken_offset */
        int64_t broken_offset;
        char halt_text[WEIR_ERROR_TEXT_BYTES]; /* why it stands still; "" = it does not */
};

#define LANE_FIELDS(lane)                                                                          \
        LOG_S("worker", (lane)->env->worker->name),                                                \
                LOG_S("topic", weir_partition_topic((lane)->partition)),                           \
                LOG_I("partition", weir_partition_number((lane)->partition))

/* For what waits on behalf of @lane: != 0 = it is told to stop. */
int weir_lane_stopping(void *lane);
/* From the position to the end: returns when the lane is told to stop. */
void weir_course_run(struct weir_lane *lane);

#endif
