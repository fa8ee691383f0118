/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_HOLD_H
#define WEIR_FLOW_HOLD_H
/*
 * hold - a lane's hold on PostgreSQL while it runs a batch: one connection, or a wait without any
 *
 * Lane thread only.
 */
#include "base/budget.h"
#include "base/log.h"
#include "base/thread.h"
#include "flow/lane.h"
#include "store/position.h"

/* Set by its owner, pg and waits excepted. */
struct weir_hold {
        struct weir_credit *credit; /* of the batch in hand; NULL = none */
        const struct weir_lane_env *env;
        struct weir_partition *partition;
        struct weir_latch *abort, *waker;
        int (*stopping)(void *context); /* enum weir_lane_stop or 0 */
        void *context;
        struct weir_pg *pg; /* from one transaction of a batch to the next; NULL = none in hand */
        uint32_t waits;     /* infrastructure failures in a row */
};

/* Get a connection, if there is none that works in hand already. < 0: of the infrastructure, or a stop. */
int weir_hold_connect(struct weir_hold *hold, struct weir_error *reterr);
void weir_hold_release(struct weir_hold *hold);
/* Wait with nothing in hand. false = stop. */
bool weir_hold_rest(struct weir_hold *hold, int64_t ms);
/* The infrastructure failed with @error: wait before the next try, longer each time. false = stop. */
bool weir_hold_wait(struct weir_hold *hold, const struct weir_position *position,
                    const struct weir_error *error);
/* It works again. */
void weir_hold_resume(struct weir_hold *hold, const struct weir_position *position);

enum weir_look { WEIR_LOOK_COMMITTED, WEIR_LOOK_NOT, WEIR_LOOK_FENCED, WEIR_LOOK_STOPPED };
/* The answer to the COMMIT that would have moved @position to @next_offset was lost. The row tells, as soon as it can be
 * read: the old transaction has ended by then. */
enum weir_look weir_hold_look(struct weir_hold *hold, const struct weir_position *position,
                              int64_t next_offset);

#define WEIR_HOLD_FIELDS(hold)                                                                     \
        LOG_S("worker", (hold)->env->worker->name),                                                \
                LOG_S("topic", weir_partition_topic((hold)->partition)),                           \
                LOG_I("partition", weir_partition_number((hold)->partition))

#endif
