/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_INTAKE_H
#define WEIR_FLOW_INTAKE_H
/*
 * intake - from the partition queue into a batch: count, bytes and linger bound it
 *
 * Lane thread only.
 */
#include "base/budget.h"
#include "conf/conf.h"
#include "flow/batch.h"
#include "store/position.h"

struct weir_intake {
        struct weir_batch batch;
        const struct weir_conf_worker *worker;
        const struct weir_batch_rules *rules; /* NULL = ordinary consumption */
        int64_t until_offset;                 /* RP1; INT64_MAX = there is no end */
        uint32_t most_records;                /* in a batch, whatever the worker's own bound is */
        bool ended;                           /* a record at or past it was seen */
        struct weir_credit credit;            /* for the batch in hand */
        uint64_t expected_bytes;              /* the next record, judged by those before */
        bool judged;                          /* there were some */
        struct weir_latch *waker;             /* of the lane: ends the waiting for room */
        bool hurried; /* set by the lane: it has something else to do, so it does not wait for a record */
        bool idle;
        bool identity_checked; /* the record before the position was compared, or cannot be */
        bool foreign_log;      /* it was another record: the topic was recreated */
        bool adopted; /* there was nothing to compare with: this one, in last_* of @known, is it from now on */
        struct weir_position known;
};

/* @budget NULL = no bound but the batch's own. */
void weir_intake_init(struct weir_intake *intake, const struct weir_conf_worker *worker,
                      struct weir_budget *budget, struct weir_latch *waker);
/* Before the first record: it is a replay's, and ends. @most_records: a batch is let through or held whole. */
void weir_intake_bound(struct weir_intake *intake, const struct weir_batch_rules *rules,
                       int64_t until_offset, uint32_t most_records);
void weir_intake_fini(struct weir_intake *intake);
/* Fetching was started anew: the first record may be the one that proves the log's identity. */
void weir_intake_restart(struct weir_intake *intake);
/* Collect a batch. 0: there may be records, see count. < 0: the partition is broken or its log is another one; what was
 * collected before is still good. */
int weir_intake_collect(struct weir_intake *intake, struct weir_partition *partition,
                        const struct weir_position *position, struct weir_error *reterr);
size_t weir_intake_count(const struct weir_intake *intake);
struct weir_batch *weir_intake_batch(struct weir_intake *intake);
bool weir_intake_idle(
        const struct weir_intake *intake); /* the queue was empty for the whole wait */
/* Give back the records, their memory and the room that was asked for them. */
void weir_intake_drop(struct weir_intake *intake);

#endif
