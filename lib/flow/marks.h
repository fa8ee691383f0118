/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_MARKS_H
#define WEIR_FLOW_MARKS_H
/*
 * marks - what an operator did to positions: dead letters that he marked, moves; one look a second for all lanes
 *
 * Any lane of the worker asks; the first one in a second asks the database for all. Any thread.
 */
#include <pthread.h>

#include "flow/lane.h"
#include "store/position.h"

#define WEIR_MARKS_MAX 1024 /* positions seen in one look; of those beyond nothing is known */

struct weir_marks {
        pthread_mutex_t mutex;
        int64_t look_at_us;                /* @mutex */
        size_t count;                      /* @mutex */
        int32_t positions[WEIR_MARKS_MAX]; /* @mutex ascending */
        size_t epoch_count;                /* @mutex */
        struct weir_position_epoch
                epochs[WEIR_MARKS_MAX]; /* @mutex by number, see weir_position_epochs() */
};

void weir_marks_init(struct weir_marks *marks);
void weir_marks_fini(struct weir_marks *marks);
/* Has @position marked rows, as of a second ago? A database that does not answer: no. Where nothing is known: yes. */
bool weir_marks_has(struct weir_marks *marks, const struct weir_lane_env *env,
                    struct weir_latch *interrupt, int32_t position);
/* Has somebody taken or moved @position since, as of that look? Where nothing is known: no; the fence will say so. */
bool weir_marks_moved(struct weir_marks *marks, const struct weir_position *position);

#endif
