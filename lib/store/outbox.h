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
#define WEIR_OUTBOX_OPENED                                                                         \
        "opened" /* payload there: what relays remember of states and waits is old */
#define WEIR_OUTBOX_SHARDS 64
#define WEIR_OUTBOX_PLACE_BYTES 6   /* of a ctid */
#define WEIR_OUTBOX_AWAKE_US 100000 /* a relay that was woken looks for new rows for so long */

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
        int32_t position; /* weir.position.id of the event that made it; 0 = none */
        int64_t offset;
        int32_t round; /* how often an operator sent it, and once more; 0 = 1 */
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
size_t weir_outbox_writer_bytes(const struct weir_outbox_writer *writer); /* not sent yet */

/* ---- relays: on a connection of their own (stream.h prepares it) ----------------------------- */

/* What stays in order: rows of one destination and one shard. */
struct weir_stream {
        const char *destination;
        int kind;
        int shard;
};

/* Where a row is found again: by its stream and id; fast, where it still lies in the place where it was read. */
struct weir_outbox_name {
        struct weir_stream stream;
        int64_t id;
        unsigned char place[WEIR_OUTBOX_PLACE_BYTES];
};

/* A message as it lies in the table; one block of memory, free() ends it. */
struct weir_outbox_row {
        int64_t id;
        int64_t wait_us; /* until it may be tried again; 0 = now */
        int64_t offset;
        int32_t position; /* 0 = none */
        int32_t attempts;
        size_t bytes; /* of the block */
        unsigned char place[WEIR_OUTBOX_PLACE_BYTES];
        const char *worker;
        struct weir_view key, body, message_id;
        const struct weir_header *headers;
        size_t header_count;
};

/* What is read of a stream: at most @rows with ids above @after. */
struct weir_outbox_window {
        struct weir_stream stream;
        int64_t after;
        uint32_t rows;
};

/* What a reading has seen, in numbers of transactions. Ids are drawn before a row is visible, so a row may turn up
 * below one that was read. Not below an id that was read before @drawn was, once @oldest >= @drawn: whoever drew a
 * lower one has ended by then. */
struct weir_outbox_sight {
        bool draw; /* in: @drawn is wanted */
        int64_t oldest; /* out: all before it had ended at the reading; 0 = nothing was read, nothing is known */
        int64_t drawn; /* out: whoever had written anything before the reading has a lower number */
};

typedef int weir_outbox_row_fn(void *context, size_t window, struct weir_outbox_row *row);
/* The first rows of each window, in the order of their ids: beyond the first, at most @bytes of each. @take owns the
 * row; what it returns < 0 ends the reading. */
int weir_outbox_fetch(struct weir_pg *pg, const struct weir_outbox_window *windows, size_t count,
                      uint64_t bytes, weir_outbox_row_fn *take, void *context,
                      struct weir_outbox_sight *sight, struct weir_error *reterr);
/* O1: the destination has confirmed them. 1: some were not there any more. */
int weir_outbox_remove(struct weir_pg *pg, const struct weir_outbox_name *rows, size_t count,
                       struct weir_error *reterr);
/* One more try was in vain: not before @wait_us from now. @error: why, without secrets. @answered: by a receiver that
 * is there and fails at this message; *ret_refused_us: for how long it has done so, pauses without an answer left out. */
int weir_outbox_postpone(struct weir_pg *pg, const struct weir_outbox_name *row, int64_t wait_us,
                         const char *error, bool answered, int64_t *ret_refused_us,
                         struct weir_error *reterr);

/* A row that its destination refuses for good. */
struct weir_outbox_refused {
        struct weir_outbox_name name;
        struct weir_view source, event_id; /* of the event in it; ptr NULL = unknown */
};
/* Move rows into weir.dead_letter, class "deliver", in one statement: whole, or not at all. @tried: the last try
 * counts. */
int weir_outbox_bury(struct weir_pg *pg, const struct weir_outbox_refused *rows, size_t count,
                     const char *reason, const char *text, bool tried, struct weir_error *reterr);
/* 1: notified since the last call; 2: an operator has opened a destination; 0: neither; < 0: the connection is gone.
 * Never waits. */
int weir_outbox_notified(struct weir_pg *pg, struct weir_error *reterr);

#endif
