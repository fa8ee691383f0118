/* SPDX-License-Identifier: MIT */
/*
 * decode - which way does this message carry its event?
 *
 * Kafka and HTTP decide by one thing, the start of the content type, and so does this file: never by
 * looking into the value, never by which headers happen to be there. A record that looks like an event
 * but does not say so is refused; guessing would make an event of somebody's JSON.
 *
 *     application/cloudevents+json          structured
 *     application/cloudevents-batch+json    batch (Kafka: only where accept_json_batch is set)
 *     application/cloudevents<other>        refused: a format that is not spoken here
 *     anything else, or none                binary
 *
 * Not done    an unknown format with ce_ headers beside it could be read as a binary event (the binding
 *             says MAY). Its value would be an envelope that the handler takes for data.
 */
#include "event/decode.h"

#include <string.h>
#include <weir/error.h>

#include "event/media.h"
#include "event/modes.h"
#include "event/refusal.h"
#include "event/text.h"

enum format { FORMAT_NONE, FORMAT_EVENT, FORMAT_BATCH, FORMAT_UNKNOWN };

static enum format format_of(struct weir_view type)
{
        const size_t size = WEIR_MEDIA_EVENT_BYTES;
        size_t end;

        if (!weir_media_type_is_event(type))
                return FORMAT_NONE;
        for (end = size; end < type.size && type.ptr[end] != ';';)
                end++;
        while (end > size && (type.ptr[end - 1] == ' ' || type.ptr[end - 1] == '\t'))
                end--;
        if (weir_text_is(type.ptr + size, end - size, "+json"))
                return FORMAT_EVENT;
        if (weir_text_is(type.ptr + size, end - size, "-batch+json"))
                return FORMAT_BATCH;
        return FORMAT_UNKNOWN;
}

static int check_size(const struct weir_message *message, const struct weir_limits *limits,
                      struct weir_refusal *refusal)
{
        if (message->header_count > limits->headers)
                return weir_refusal_fill(refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "%zu headers, the limit is %u", message->header_count,
                                         limits->headers);
        if (message->value.size > limits->value_bytes)
                return weir_refusal_fill(refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "a value of %zu bytes, the limit is %u",
                                         message->value.size, limits->value_bytes);
        return 0;
}

static int refuse_repeated(struct weir_refusal *refusal)
{
        return weir_refusal_fill(refusal, WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0,
                                 "content-type occurs more than once");
}

static int find_kafka_type(const struct weir_message *message, struct weir_view *ret,
                           struct weir_refusal *refusal)
{
        *ret = (struct weir_view){ NULL, 0 };
        for (size_t i = 0; i < message->header_count; i++) {
                const struct weir_header *header = &message->headers[i];

                if (header->name[0] != 'c' || header->name[1] != 'o' || !header->value ||
                    strcmp(header->name, "content-type") != 0)
                        continue;
                if (ret->ptr && (ret->size != header->size ||
                                 memcmp(ret->ptr, header->value, header->size) != 0))
                        return refuse_repeated(refusal);
                *ret = (struct weir_view){ header->value, header->size };
        }
        return 0;
}

/* Trimmed; in the arena where that cost it its NUL. */
static int find_http_type(struct weir_arena *arena, const struct weir_message *message,
                          struct weir_view *ret, struct weir_refusal *refusal)
{
        *ret = (struct weir_view){ NULL, 0 };
        for (size_t i = 0; i < message->header_count; i++) {
                const struct weir_header *header = &message->headers[i];
                size_t first = 0, size = header->size;

                if (!header->value ||
                    !weir_text_is(header->name, strlen(header->name), "content-type"))
                        continue;
                if (ret->ptr)
                        return refuse_repeated(refusal);
                while (first < size &&
                       (header->value[first] == ' ' || header->value[first] == '\t'))
                        first++;
                while (size > first &&
                       (header->value[size - 1] == ' ' || header->value[size - 1] == '\t'))
                        size--;
                *ret = (struct weir_view){ header->value + first, size - first };
                if (size != header->size)
                        ret->ptr = weir_arena_copy(arena, ret->ptr, ret->size);
                if (!ret->ptr)
                        return WEIR_ENOMEM;
        }
        return 0;
}

/* RFC 8259 8.1: a receiver may ignore a byte order mark. */
static struct weir_view without_bom(struct weir_view text)
{
        if (text.ptr && text.size >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0) {
                text.ptr += 3;
                text.size -= 3;
        }
        return text;
}

static void attach(struct weir_event *event, const struct weir_message *message)
{
        event->key = message->key;
        event->headers = message->headers;
        event->header_count = message->header_count;
}

/* What a JSON reader refused counts from behind the mark; make it count from the value's start. */
static int move_refusal(int r, const struct weir_message *message, struct weir_view text,
                        struct weir_refusal *refusal)
{
        if (r == 1 && refusal && text.ptr)
                refusal->at += (size_t)(text.ptr - message->value.ptr);
        return r;
}

static int decode_structured(const struct weir_decoder *decoder, const struct weir_limits *limits,
                             const struct weir_message *message, weir_event_fn *take, void *context,
                             struct weir_refusal *refusal)
{
        struct weir_view text = without_bom(message->value);
        struct weir_event event;
        int r = weir_structured_decode(decoder->arena, limits, text, &event, refusal);

        if (r)
                return move_refusal(r, message, text, refusal);
        attach(&event, message);
        return take(context, &event);
}

static int decode_batch(const struct weir_decoder *decoder, const struct weir_limits *limits,
                        const struct weir_message *message, weir_event_fn *take, void *context,
                        struct weir_refusal *refusal)
{
        struct weir_view text = without_bom(message->value);
        struct weir_event_link *link;
        int r = weir_batch_decode(decoder->arena, limits, text, &link, refusal);

        if (r)
                return move_refusal(r, message, text, refusal);
        for (; link && r == 0; link = link->next) {
                attach(&link->event, message);
                r = take(context, &link->event);
        }
        return r;
}

static int refuse_format(struct weir_view type, const char *why, struct weir_refusal *refusal)
{
        struct weir_quote quote;

        return weir_refusal_fill(refusal, WEIR_REFUSED_UNSUPPORTED_FORMAT, 0, "content-type %s: %s",
                                 weir_quote(&quote, type.ptr, type.size), why);
}

typedef int binary_fn(struct weir_arena *arena, const struct weir_limits *limits,
                      const struct weir_message *message, struct weir_view content_type,
                      struct weir_event *event, struct weir_refusal *refusal);

static int decode_as(const struct weir_decoder *decoder, const struct weir_limits *limits,
                     const struct weir_message *message, struct weir_view type, bool accept_batch,
                     binary_fn *binary, weir_event_fn *take, void *context, int *ret_mode,
                     struct weir_refusal *refusal)
{
        int ignored, *mode = ret_mode ? ret_mode : &ignored, r;
        struct weir_event event;

        *mode = WEIR_MODE_STRUCTURED;
        switch (format_of(type)) {
        case FORMAT_EVENT:
                return decode_structured(decoder, limits, message, take, context, refusal);
        case FORMAT_BATCH:
                *mode = WEIR_MODE_BATCH;
                if (!accept_batch)
                        return refuse_format(type,
                                             "batches on Kafka are off here (accept_json_batch)",
                                             refusal);
                return decode_batch(decoder, limits, message, take, context, refusal);
        case FORMAT_UNKNOWN:
                return refuse_format(type, "JSON is the only event format here", refusal);
        case FORMAT_NONE:
        default: break;
        }
        *mode = WEIR_MODE_BINARY;
        r = binary(decoder->arena, limits, message, type, &event, refusal);
        if (r)
                return r;
        attach(&event, message);
        return take(context, &event);
}

int weir_decode_kafka(const struct weir_decoder *decoder, const struct weir_message *message,
                      weir_event_fn *take, void *context, int *ret_mode,
                      struct weir_refusal *ret_refusal)
{
        struct weir_limits limits;
        struct weir_view type;
        int r;

        if (ret_mode)
                *ret_mode = WEIR_MODE_BINARY;
        weir_limits_fill(&decoder->limits, &limits);
        r = check_size(message, &limits, ret_refusal);
        if (r == 0)
                r = find_kafka_type(message, &type, ret_refusal);
        if (r)
                return r;
        return decode_as(decoder, &limits, message, type, decoder->accept_json_batch,
                         weir_binary_decode, take, context, ret_mode, ret_refusal);
}

int weir_decode_http(const struct weir_decoder *decoder, const struct weir_message *message,
                     weir_event_fn *take, void *context, int *ret_mode,
                     struct weir_refusal *ret_refusal)
{
        struct weir_limits limits;
        struct weir_view type;
        int r;

        if (ret_mode)
                *ret_mode = WEIR_MODE_BINARY;
        weir_limits_fill(&decoder->limits, &limits);
        r = check_size(message, &limits, ret_refusal);
        if (r == 0)
                r = find_http_type(decoder->arena, message, &type, ret_refusal);
        if (r)
                return r;
        return decode_as(decoder, &limits, message, type, true, weir_http_decode, take, context,
                         ret_mode, ret_refusal);
}

int weir_decode_json_batch(const struct weir_decoder *decoder, const struct weir_message *message,
                           weir_event_fn *take, void *context, int *ret_mode,
                           struct weir_refusal *ret_refusal)
{
        struct weir_limits limits;
        int r;

        if (ret_mode)
                *ret_mode = WEIR_MODE_BATCH;
        weir_limits_fill(&decoder->limits, &limits);
        r = check_size(message, &limits, ret_refusal);
        if (r)
                return r;
        return decode_batch(decoder, &limits, message, take, context, ret_refusal);
}
