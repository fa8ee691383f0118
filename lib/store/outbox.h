/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_OUTBOX_H
#define WEIR_STORE_OUTBOX_H
/*
 * outbox - messages that leave the database after COMMIT: written by lanes, taken and removed by relays
 *
 * Source   transactional outbox; rows become visible to a relay with the COMMIT that made them.
 *  O1  a row is removed only after its destination confirmed it, or by a dead letter that holds all of it.
 *  O2  rows of one stream (kind, destination, shard) are sent in the order of their ids, by one relay at a time.
 *  O3  a repetition carries the same message_id.
 */
#include "event/encode.h"
#include "store/pg.h"
#include "store/table.h"

#define WEIR_OUTBOX_CHANNEL "weir_outbox"
#define WEIR_OUTBOX_SHARDS 64

enum weir_outbox_kind { WEIR_OUTBOX_TOPIC = 't', WEIR_OUTBOX_SINK = 's' };

/* A message to be. Everything is borrowed for the call. */
struct weir_outbox_message {
        int kind; /* enum weir_outbox_kind */
        const char *destination;
        struct weir_view key, body; /* ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
        struct weir_view message_id;
        const char *worker;
        int32_t position;
        int64_t offset;
};

/* ---- lanes: inside the transaction in hand -------------------------------------------------- */

/* Rows on their way into weir.outbox: by COPY, in a buffer that a lane keeps. Lane thread. */
struct weir_outbox_writer;
int weir_outbox_writer_new(struct weir_pg *pg, struct weir_outbox_writer **ret,
                           struct weir_error *reterr);
void weir_outbox_writer_free(struct weir_outbox_writer *writer);
int weir_outbox_add(struct weir_outbox_writer *writer, const struct weir_outbox_message *message,
                    struct weir_error *reterr);
/* Send what was added, and NOTIFY once for the transaction. Nothing added: nothing sent, 0. */
int weir_outbox_send(struct weir_outbox_writer *writer, struct weir_pg *pg,
                     struct weir_error *reterr);
/* Forget what was added and not sent (after a rollback). */
void weir_outbox_reset(struct weir_outbox_writer *writer);

#endif
