/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_RETRY_H
#define WEIR_FLOW_RETRY_H
/*
 * retry - what a lane knows of failed attempts: the rows of weir.attempt of its position, in memory
 *
 * Lane thread only. Empty nearly always, and then it costs no query and no look at the events.
 */
#include "flow/batch.h"
#include "store/attempt.h"

struct weir_retry {
        struct weir_attempt
                *rows; /* as they stand in the table; wait_ms is of the moment of loading */
        size_t count, room;
        int64_t loaded_us;
        struct weir_arena arena; /* the words of deaths */
        bool arena_ready;
};

void weir_retry_fini(struct weir_retry *retry);
/* After the taking of a position: what the holder before has counted. */
int weir_retry_load(struct weir_retry *retry, struct weir_pg *pg,
                    const struct weir_position *position, struct weir_error *reterr);
/* Tell the events of @batch what is known of them. */
void weir_retry_meet(const struct weir_retry *retry, struct weir_batch *batch);
/* J1: write down that @item failed, before it waits @wait_ms. The item's count is already raised. enum
 * weir_kept_done or < 0; on DONE the item knows when to be tried. */
int weir_retry_note(struct weir_retry *retry, struct weir_pg *pg,
                    const struct weir_position *position, struct weir_batch *batch, uint32_t item,
                    int64_t wait_ms, struct weir_error *reterr);
/* J2: inside the transaction that moves @position to @next_offset. No rows below: no query. */
int weir_retry_pass(const struct weir_retry *retry, struct weir_pg *pg, int32_t position,
                    int64_t next_offset, struct weir_error *reterr);
/* That transaction was committed. */
void weir_retry_passed(struct weir_retry *retry, int64_t next_offset);

#endif
