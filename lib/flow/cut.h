/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_CUT_H
#define WEIR_FLOW_CUT_H
/* cut - how much of a batch the next transaction takes, and when. Pure: no wait, no query */
#include "flow/retry.h"

struct weir_cut {
        size_t done;  /* records passed */
        size_t limit; /* at most so many: halved where the culprit is unknown, doubled on success */
        size_t suspect; /* the record at fault: run up to it, then it alone; SIZE_MAX = none */
        size_t stuck;   /* a record that has to wait for room in the park; SIZE_MAX = none */
};

/* The batch has met its attempts (weir_retry_meet). */
void weir_cut_begin(struct weir_cut *cut, const struct weir_batch *batch,
                    const struct weir_retry *retry);
/* Records of the next transaction. Not while the first one is stuck. */
size_t weir_cut_count(const struct weir_cut *cut, const struct weir_batch *batch);
/* @count records were passed. */
void weir_cut_move(struct weir_cut *cut, const struct weir_batch *batch,
                   const struct weir_retry *retry, size_t count);
/* The culprit in front was condemned: it needs no transaction of its own, it is passed with what follows. */
void weir_cut_absolve(struct weir_cut *cut, const struct weir_batch *batch,
                      const struct weir_retry *retry);
/* When the record in front may be run, or looked at again: weir_clock_us; 0 = now. */
int64_t weir_cut_turn_us(const struct weir_cut *cut, const struct weir_batch *batch);

#endif
