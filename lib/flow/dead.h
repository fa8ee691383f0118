/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_DEAD_H
#define WEIR_FLOW_DEAD_H
/*
 * dead - what cannot be handled: a row, and with on_dead = "publish" a message, in the transaction in hand
 *
 * Lane thread only.
 */
#include "conf/conf.h"
#include "flow/batch.h"
#include "store/deadletter.h"
#include "store/outbox.h"
#include "store/position.h"

#define WEIR_DEAD_TEXT_BYTES 512 /* of the header weir_text */

struct weir_dead {
        const struct weir_conf_worker *worker;
        const char *version;
        struct weir_outbox_writer *writer; /* made on first use */
        /* of a replay: where its letters hang, in which claims they are to be run, and that nothing leaves */
        int32_t position; /* 0 = where the lane's does */
        const char *epoch;
        int64_t replay; /* 0 = none */
        bool withhold;
        uint32_t withheld; /* messages that did not leave, in the transaction in hand */
};

void weir_dead_fini(struct weir_dead *dead);
/* Keep what is dead of records [first, first + count). */
int weir_dead_keep(struct weir_dead *dead, struct weir_pg *pg, struct weir_batch *batch,
                   size_t first, size_t count, const struct weir_position *position,
                   struct weir_error *reterr);
/* The message for the dead-letter topic, in @arena: the record's own headers without any weir_*, then ours. */
int weir_dead_message(const struct weir_deadletter *letter, int64_t id, const char *topic,
                      struct weir_arena *arena, struct weir_outbox_message *ret);
/* The message of a letter that is kept already, @id, into the outbox, in the transaction in hand; on_dead = "publish"
 * only. */
int weir_dead_publish(struct weir_dead *dead, struct weir_pg *pg,
                      const struct weir_deadletter *letter, int64_t id, struct weir_arena *arena,
                      struct weir_error *reterr);
/* How often the record became a dead letter before, as its header weir_round says, and once more. */
int32_t weir_dead_round(const struct weir_header *headers, size_t count);
/* Why the partition halts instead of condemning the first dead event of @record, and the ways out. */
void weir_dead_halt(const struct weir_dead *dead, const struct weir_batch *batch, size_t record,
                    struct weir_error *ret);

#endif
