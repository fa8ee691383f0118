/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_PACE_H
#define WEIR_FLOW_PACE_H
/*
 * pace - how fast lanes may go that have no hurry: so many records a second, and none while somebody holds them
 *
 * Thread   set_held: any. The rest: lanes, which share one.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

struct weir_pace {
        pthread_mutex_t mutex;
        uint32_t rate_per_s; /* 0 = no bound */
        int64_t due_us; /* @mutex  weir_clock_us: the records that were let through are paid for by then */
        bool held; /* @mutex */
};

void weir_pace_init(struct weir_pace *pace, uint32_t rate_per_s);
void weir_pace_fini(struct weir_pace *pace);
void weir_pace_set_held(struct weir_pace *pace, bool held);
/* So many records may be let through at once: those of a second. @pace NULL, or without a bound: UINT32_MAX. */
uint32_t weir_pace_most(const struct weir_pace *pace);
/* @count records are about to be run. Waits until they may be, or @waker is set: false. */
bool weir_pace_wait(struct weir_pace *pace, uint32_t count, struct weir_latch *waker);

#endif
