/* SPDX-License-Identifier: MIT */
/*
 * emit - what is to leave is encoded now, so that every repetition is the same bytes
 *
 * A relay that encoded at sending time could send something else the second time: another version of weir, another
 * configuration, another clock. Here the bytes are part of the transaction, and the relay carries them.
 *
 * Names         the event's id is the producer's, or one derived from worker, the event in hand and how many were
 *               emitted in this call before: the same when the event is handled again after a rollback. In
 *               handle_batch() the first event of the call stands for all of them.
 *               webhook-id is derived from sink, source and id: ids of two sources may be equal, and an id may hold
 *               a full stop, with which a signature's parts could be shifted.
 * Order         a sink's rows carry the key of the event in hand, in a batch of the one that is passed on, and so are one
 *               stream per key.
 * Not chosen    passing foreign headers of the record on: they belong to the hop that brought them.
 */
#include "plugin/emit.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "event/encode.h"

enum { ARENA_BYTES = 64 * 1024, FLUSH_BYTES = 64 * 1024 * 1024, HEX = 32 };

static int hex_of(const struct weir_hash_part *parts, size_t count, char ret[HEX + 1])
{
        uint8_t digest[32];
        int r = weir_hash_parts(parts, count, digest);

        for (int i = 0; r == 0 && i < HEX / 2; i++)
                snprintf(ret + 2 * i, 3, "%02x", digest[i]);
        return r;
}

static int give_id(struct weir_handler_tx *tx, char *room, struct weir_event *event)
{
        const struct weir_event *in_hand = tx->events[0];
        char count[16];
        const struct weir_hash_part parts[] = {
                { "emit", 4 },
                { tx->worker_name, strlen(tx->worker_name) },
                { in_hand->source.ptr, in_hand->source.size },
                { in_hand->id.ptr, in_hand->id.size },
                { count, (size_t)snprintf(count, sizeof count, "%u", tx->emitted) },
        };
        int r = hex_of(parts, WEIR_COUNT_OF(parts), room);

        if (r == 0)
                event->id = (struct weir_view){ room, HEX };
        return r;
}

static int name_message(const char *sink, const struct weir_event *event, char ret[HEX + 1])
{
        const struct weir_hash_part parts[] = {
                { "deliver", 7 },
                { sink, strlen(sink) },
                { event->source.ptr, event->source.size },
                { event->id.ptr, event->id.size },
        };

        return hex_of(parts, WEIR_COUNT_OF(parts), ret);
}

/* The event as we read it: a plugin's own struct may be shorter, and leaves out what has one meaning only. */
static int take_event(struct weir_handler_tx *tx, const struct weir_event *event, char *id_room,
                      struct weir_event *ret, struct weir_error *error)
{
        size_t size = event->size && event->size < sizeof *ret ? event->size : sizeof *ret;

        memset(ret, 0, sizeof *ret);
        memcpy(ret, event, size);
        ret->size = sizeof *ret;
        if (!ret->specversion.ptr)
                ret->specversion = (struct weir_view){ "1.0", 3 };
        if (ret->data.ptr && ret->data_kind == WEIR_DATA_NONE)
                return weir_fail(error, WEIR_EUSAGE, 0,
                                 "the event has data and data_kind NONE: set data_kind");
        if (!ret->id.ptr && give_id(tx, id_room, ret) < 0)
                return weir_fail(error, WEIR_ENOMEM, 0, "id of an event");
        return 0;
}

/* Whose event it is: of a batch the one that is passed on, else the first. */
static const struct weir_event *origin_of(struct weir_handler_tx *tx,
                                          const struct weir_event *event)
{
        size_t index = 0;

        return tx->events[weir_handler_tx_find(tx, event, &index) == 0 ? index : 0];
}

static int add(struct weir_handler_tx *tx, struct weir_outbox_message *message,
               const struct weir_event *event, const struct weir_encoded *encoded,
               struct weir_error *error)
{
        int r;

        if (tx->withhold) {
                tx->withheld++;
                tx->emitted++;
                return 0;
        }
        r = tx->outbox ? 0 : weir_outbox_writer_new(tx->pg, &tx->outbox, error);
        message->body = encoded->value;
        message->headers = encoded->headers;
        message->header_count = encoded->header_count;
        message->worker = tx->worker_name;
        message->position = tx->position;
        message->offset = origin_of(tx, event)->offset;
        if (r == 0)
                r = weir_outbox_add(tx->outbox, message, error);
        if (r == 0)
                tx->emitted++;
        if (r == 0 && weir_outbox_writer_bytes(tx->outbox) > FLUSH_BYTES)
                r = weir_outbox_send(tx->outbox, tx->pg, error);
        return r;
}

static int refused(const struct weir_refusal *refusal, struct weir_error *error)
{
        return weir_fail(error, WEIR_EUSAGE, 0, "no valid CloudEvent: %s: %s",
                         weir_refusal_name(refusal->klass), refusal->reason);
}

/* As Kafka has it; two names that differ in . and _ only are one metric there, but two topics. */
static bool is_topic(const char *name)
{
        size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789._-");

        return size > 0 && size < 250 && name[size] == '\0' && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
}

static int lose(struct weir_handler_tx *tx, const char *what, const char *to,
                struct weir_error *error, struct weir_error *reterr)
{
        weir_error_prefix(error, "plugin %s: %s to %.100s: ", tx->worker->name, what, to);
        return weir_verdict_lose(tx, error, reterr);
}

/* Encoded events live until the row is written, and not longer. */
static struct weir_arena *arena_of(struct weir_handler_tx *tx)
{
        if (!tx->arena.block_bytes)
                weir_arena_init(&tx->arena, ARENA_BYTES);
        weir_arena_reset(&tx->arena);
        return &tx->arena;
}

int weir_emit_to_topic(struct weir_handler_tx *tx, const char *topic, struct weir_view key,
                       const struct weir_event *event, struct weir_error *reterr)
{
        struct weir_encode_options options = { .key = key };
        struct weir_outbox_message message = { .kind = WEIR_OUTBOX_TOPIC,
                                               .destination = topic,
                                               .key = key };
        struct weir_refusal refusal = { .klass = WEIR_REFUSED_NOT };
        struct weir_error error = { .code = 0 };
        struct weir_encoded encoded;
        struct weir_event taken;
        char id[HEX + 1];
        int r;

        if (!is_topic(topic))
                r = weir_fail(&error, WEIR_EUSAGE, 0, "not a name of a topic");
        else
                r = take_event(tx, event, id, &taken, &error);
        if (r == 0) {
                r = weir_encode_kafka_binary(arena_of(tx), &taken, &options, &encoded, &refusal);
                if (r > 0)
                        r = refused(&refusal, &error);
                else if (r < 0)
                        r = weir_fail(&error, r, 0, "out of memory");
        }
        if (r == 0) {
                message.message_id = taken.id;
                r = add(tx, &message, event, &encoded, &error);
        }
        return r < 0 ? lose(tx, "emit", topic, &error, reterr) : 0;
}

/* A webhook must have a body and a content type (HTTP 1.1 Web Hooks 1.0.2, 2.1). */
static bool has_body(const struct weir_event *event)
{
        return event->data.ptr && event->data.size > 0 &&
               (event->datacontenttype.ptr || event->data_kind == WEIR_DATA_JSON);
}

/* In the form that the sink wants, or that the event needs; a file's line is always a structured event. */
static int encode_for(struct weir_handler_tx *tx, const struct weir_conf_sink *sink,
                      const struct weir_event *event, struct weir_view key,
                      struct weir_encoded *ret, struct weir_refusal *refusal)
{
        struct weir_encode_options options = { .key = key };
        struct weir_arena *arena = arena_of(tx);

        if (sink->topic)
                return sink->structured
                               ? weir_encode_kafka_structured(arena, event, &options, ret, refusal)
                               : weir_encode_kafka_binary(arena, event, &options, ret, refusal);
        return sink->structured || sink->file || !has_body(event)
                       ? weir_encode_http_structured(arena, event, ret, refusal)
                       : weir_encode_http_binary(arena, event, ret, refusal);
}

int weir_emit_to_sink(struct weir_handler_tx *tx, const char *name, const struct weir_event *event,
                      struct weir_error *reterr)
{
        const struct weir_conf_sink *sink = weir_handler_sink(tx->handler, name);
        struct weir_outbox_message message = { .kind = WEIR_OUTBOX_SINK,
                                               .destination = name,
                                               .key = origin_of(tx, event)->key };
        struct weir_refusal refusal = { .klass = WEIR_REFUSED_NOT };
        struct weir_error error = { .code = 0 };
        char id[HEX + 1], message_id[HEX + 1];
        struct weir_encoded encoded;
        struct weir_event taken;
        int r;

        if (!sink)
                r = weir_fail(&error, WEIR_EUSAGE, 0, "the configuration has no such sink");
        else
                r = take_event(tx, event, id, &taken, &error);
        if (r == 0) {
                r = encode_for(tx, sink, &taken, message.key, &encoded, &refusal);
                if (r > 0)
                        r = refused(&refusal, &error);
                else if (r < 0)
                        r = weir_fail(&error, r, 0, "out of memory");
        }
        if (r == 0 && name_message(name, &taken, message_id) < 0)
                r = weir_fail(&error, WEIR_ENOMEM, 0, "out of memory");
        if (r == 0) {
                message.message_id = (struct weir_view){ message_id, HEX };
                r = add(tx, &message, event, &encoded, &error);
        }
        return r < 0 ? lose(tx, "deliver", name, &error, reterr) : 0;
}
