/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_LOCATE_H
#define WEIR_FLOW_LOCATE_H
/*
 * locate - compare the position with the log as it is, and start fetching
 *
 * Lane thread only. Waits with backoff while Kafka or PostgreSQL cannot answer.
 */
#include "conf/conf.h"
#include "kafka/consumer.h"
#include "store/pool.h"
#include "flow/replaying.h"
#include "store/position.h"

struct weir_locate {
        const struct weir_conf_worker *worker;
        struct weir_pool *pool;
        struct weir_partition *partition;
        struct weir_latch *abort, *waker;
        int (*stopping)(void *context);
        void *context;
        const struct weir_replaying *replaying; /* NULL = ordinary consumption */
        const struct weir_replay_range *range;
};

enum weir_located {
        WEIR_LOCATED = 0, /* fetching was asked for */
        WEIR_LOCATE_FENCED = 1,
        WEIR_LOCATE_STOPPED = 2,
        WEIR_LOCATE_HALT =
                3 /* log and position do not fit: @reterr names both offsets and the way out */
};
int weir_locate_start(const struct weir_locate *locate, struct weir_position *position,
                      struct weir_error *reterr);

/* The judgement alone, for tests: 0 fits, WEIR_ELOG with the text. */
int weir_locate_judge(const char *worker, const char *topic, int32_t partition,
                      const struct weir_position *position, const struct weir_log_range *range,
                      struct weir_error *reterr);

#endif
