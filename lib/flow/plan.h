/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_PLAN_H
#define WEIR_FLOW_PLAN_H
/*
 * plan - from where to where, partition by partition: an operator's words and the logs as they are make offsets
 *
 *  PL1  from_offset <= until_offset, and both lie in the log as it was seen: there is an end to it, whatever is written
 *       meanwhile.
 *  PL2  what was asked for and is not in the log any more is refused, or counted as missing where the operator said so;
 *       never left out in silence.
 *  PL3  a log that is not the one of which the worker's position was, is not replayed.
 *
 * Thread   one.
 */
#include "conf/conf.h"
#include "flow/transfer.h"
#include "kafka/cluster.h"
#include "store/pg.h"

enum { WEIR_PLAN_NOTE_BYTES = 240 };

struct weir_plan_place { /* which ones; partition -1 = all of the topic */
        const char *topic;
        int32_t partition;
};
struct weir_plan_order {
        const struct weir_conf *conf;
        const struct weir_conf_worker *worker;
        const struct weir_plan_place *places; /* none: all that the worker reads */
        size_t place_count;
        struct weir_where from, to;
        bool skip_missing; /* else refused */
        int timeout_ms;    /* for each question to the cluster */
};

struct weir_plan_range {
        const char *topic; /* the worker's */
        int32_t partition;
        int64_t start_offset, end_offset;  /* of the log */
        int64_t from_offset, until_offset; /* PL1 */
        int64_t missing;                   /* PL2: offsets below the log's start */
        int32_t live_position;             /* of weir.position; 0 = there is no row yet */
        int64_t live_offset; /* where the worker stands; -1 = it has no position yet */
        int64_t last_offset; /* the record by which its log is known; -1 = none */
        int64_t last_time_ms, last_fingerprint;
        char note[WEIR_PLAN_NOTE_BYTES]; /* what is not to be seen in the numbers; "" = nothing */
};
struct weir_plan {
        struct weir_plan_range *ranges; /* by the worker's topics, then partition */
        size_t count;
        int64_t offsets, missing; /* of all */
};

/* Asks PostgreSQL and Kafka. WEIR_EUSAGE: the words do not fit the logs; WEIR_ELOG: PL2, PL3. Each names topic,
 * partition and offsets. */
int weir_plan_make(const struct weir_plan_order *order, struct weir_pg *pg,
                   struct weir_cluster *cluster, struct weir_plan *ret, struct weir_error *reterr);
void weir_plan_fini(struct weir_plan *plan);
/* PL3 alone, of places that were planned before: a range of which nothing was read yet has no record that tells its log. */
int weir_plan_verify(const struct weir_plan_order *order, struct weir_pg *pg,
                     struct weir_cluster *cluster, struct weir_error *reterr);

/* The parts without questions, for tests. @from, @until: offsets as asked for; below the log's start or not. */
int weir_plan_cut(struct weir_plan_range *range, int64_t from, int64_t until, bool skip_missing,
                  struct weir_error *reterr);
/* Is the order of the two words one? 0 or WEIR_EUSAGE. @now_ms: for times ago. */
int weir_plan_check(const struct weir_where *from, const struct weir_where *to, int64_t now_ms,
                    struct weir_error *reterr);

#endif
