/* SPDX-License-Identifier: MIT */
/*
 * outbox - the only way out: rows of the transaction that decided them, by one binary COPY
 *
 * Written inside the transaction in hand, so what is rolled back was never there, and no network is waited for
 * while a position is locked. A shard is chosen here, by the key: all rows of a key are one stream, so their order
 * is the order of their ids. Lanes never share a key's order (a key lives in one partition), so the order in which
 * two transactions commit does not matter to anybody.
 *
 * NOTIFY        wakes relays at COMMIT. It takes a lock that all notifying transactions of the server share until
 *               their COMMIT is on disk, so one in every transaction ends group commit: eight connections with a
 *               NOTIFY in each transaction made 640 and 960 commits a second where they made 1,840 and 2,100 without
 *               (fsync on). Hence one for each QUIET_US and process; a relay that was woken, or found rows, keeps
 *               looking for longer than that (WEIR_OUTBOX_AWAKE_US), and sees what came without.
 * Known weak    a COMMIT that takes longer than the relay stays awake, whose NOTIFY was left out: its rows wait for
 *               the relay's next look, a second at most.
 * Not chosen    a trigger, or logical decoding: a server setting and a slot that holds the WAL when nobody reads.
 */
#include "store/outbox.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "store/wire.h"

enum { COLUMNS = 12, QUIET_US = 10000, KEPT_BYTES = 1024 * 1024 };

struct weir_outbox_writer {
        struct weir_bytes bytes;
        size_t rows;
};

static _Atomic int64_t notified_us; /* of this process, any lane */

int weir_outbox_writer_new(struct weir_pg *pg, struct weir_outbox_writer **ret,
                           struct weir_error *reterr)
{
        struct weir_outbox_writer *writer = calloc(1, sizeof *writer);

        (void)pg; /* the columns are weir's own: nothing to ask */
        if (!writer)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "writer of weir.outbox");
        *ret = writer;
        return 0;
}

void weir_outbox_writer_free(struct weir_outbox_writer *writer)
{
        if (!writer)
                return;
        weir_bytes_fini(&writer->bytes);
        free(writer);
}

size_t weir_outbox_writer_bytes(const struct weir_outbox_writer *writer)
{
        return writer->bytes.used;
}

void weir_outbox_reset(struct weir_outbox_writer *writer)
{
        weir_bytes_reset(&writer->bytes, KEPT_BYTES);
        writer->rows = 0;
}

/* FNV-1a. Any even spread would do; rows do not live long enough for the choice to matter tomorrow. */
static uint16_t shard_of(const struct weir_outbox_message *message)
{
        struct weir_view by = message->key.ptr ? message->key : message->message_id;
        uint64_t hash = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < by.size; i++)
                hash = (hash ^ (unsigned char)by.ptr[i]) * UINT64_C(1099511628211);
        return (uint16_t)((hash ^ hash >> 32) % WEIR_OUTBOX_SHARDS);
}

static void put_field(struct weir_bytes *bytes, const void *from, size_t size)
{
        weir_bytes_put32(bytes, from ? (uint32_t)size : UINT32_MAX);
        if (from)
                weir_bytes_put(bytes, from, size);
}

/* bytea[]: its length is known only behind it. */
static void put_headers(struct weir_bytes *bytes, const struct weir_outbox_message *message,
                        bool values)
{
        size_t at = bytes->used;
        bool has_null = false;
        uint32_t size;

        for (size_t i = 0; i < message->header_count; i++)
                has_null = has_null || (values && !message->headers[i].value);
        weir_bytes_put32(bytes, 0);
        weir_bytes_put_array(bytes, WEIR_OID_BYTEA, message->header_count, has_null);
        for (size_t i = 0; i < message->header_count; i++) {
                const struct weir_header *header = &message->headers[i];

                if (values)
                        put_field(bytes, header->value, header->size);
                else
                        put_field(bytes, header->name, strlen(header->name));
        }
        if (bytes->failed)
                return;
        size = __builtin_bswap32((uint32_t)(bytes->used - at - 4));
        memcpy(bytes->data + at, &size, sizeof size);
}

int weir_outbox_add(struct weir_outbox_writer *writer, const struct weir_outbox_message *message,
                    struct weir_error *reterr)
{
        enum { ROW_MAX = 512 * 1024 * 1024 }; /* far below what a field may hold */
        struct weir_bytes *bytes = &writer->bytes;
        size_t before = bytes->used;
        char kind = (char)message->kind;

        if (message->key.size + message->body.size > ROW_MAX)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "message for %s of %zu bytes: at most %d are sent",
                                 message->destination, message->key.size + message->body.size,
                                 ROW_MAX);
        weir_bytes_put16(bytes, COLUMNS);
        put_field(bytes, &kind, 1);
        put_field(bytes, message->destination, strlen(message->destination));
        weir_bytes_put32(bytes, 2);
        weir_bytes_put16(bytes, shard_of(message));
        put_field(bytes, message->key.ptr, message->key.size);
        put_headers(bytes, message, false);
        put_headers(bytes, message, true);
        put_field(bytes, message->body.ptr, message->body.size);
        put_field(bytes, message->message_id.ptr, message->message_id.size);
        put_field(bytes, message->worker, strlen(message->worker));
        if (message->position > 0) {
                weir_bytes_put32(bytes, 4);
                weir_bytes_put32(bytes, (uint32_t)message->position);
                weir_bytes_put32(bytes, 8);
                weir_bytes_put64(bytes, (uint64_t)message->offset);
        } else {
                put_field(bytes, NULL, 0);
                put_field(bytes, NULL, 0);
        }
        weir_bytes_put32(bytes, 4);
        weir_bytes_put32(bytes, message->round > 0 ? (uint32_t)message->round : 1);
        if (bytes->failed) {
                weir_bytes_cut(bytes, before);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "message for %s, after %zu bytes",
                                 message->destination, before);
        }
        writer->rows++;
        return 0;
}

int weir_outbox_send(struct weir_outbox_writer *writer, struct weir_pg *pg,
                     struct weir_error *reterr)
{
        static const char sql[] =
                "COPY weir.outbox (kind, destination, shard, key, header_names, header_values, body, "
                "message_id, worker, position, \"offset\", round) FROM STDIN (FORMAT binary)";
        int64_t now_us = weir_clock_us(), last_us = atomic_load(&notified_us);
        int r;

        if (writer->rows == 0)
                return 0;
        r = weir_wire_copy(pg, sql, writer->bytes.data, writer->bytes.used, reterr);
        weir_outbox_reset(writer);
        if (r < 0)
                return r;
        if (now_us - last_us < QUIET_US && last_us)
                return 0;
        atomic_store(&notified_us, now_us);
        return weir_pg_run(pg, "NOTIFY " WEIR_OUTBOX_CHANNEL, reterr);
}
