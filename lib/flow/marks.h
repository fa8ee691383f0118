/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_MARKS_H
#define WEIR_FLOW_MARKS_H
/*
 * marks - which positions have dead letters that an operator has marked: one look a second for all lanes
 *
 * Any lane of the worker asks; the first one in a second asks the database for all. Any thread.
 */
#include <pthread.h>

#include "store/pool.h"

#define WEIR_MARKS_MAX 1024 /* positions seen in one look; of those beyond nothing is known */

struct weir_marks {
        pthread_mutex_t mutex;
        int64_t look_at_us;                /* @mutex */
        size_t count;                      /* @mutex */
        int32_t positions[WEIR_MARKS_MAX]; /* @mutex ascending */
};

void weir_marks_init(struct weir_marks *marks);
void weir_marks_fini(struct weir_marks *marks);
/* Has @position marked rows, as of a second ago? A database that does not answer: no. Where nothing is known: yes. */
bool weir_marks_has(struct weir_marks *marks, struct weir_pool *pool, struct weir_latch *interrupt,
                    int32_t position);

#endif
