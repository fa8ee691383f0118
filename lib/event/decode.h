/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_DECODE_H
#define WEIR_EVENT_DECODE_H
/*
 * decode - bytes and headers become events, or a class, a reason and a byte position
 *
 * Pure: no clock, no lock, no log. Binary mode allocates nothing and copies nothing: attributes are
 * views into the record's headers, data is the record's value. Structured mode copies what had
 * escapes into the arena and passes data on as the raw slice.
 */
#include <stdbool.h>
#include <weir/event.h>

#include "base/arena.h"

/* The classes of refusal; the names are what users see, and part of the interface. */
#define WEIR_REFUSALS(X)                                                                           \
        X(NOT_A_CLOUDEVENT, "not-a-cloudevent")                                                    \
        X(UNSUPPORTED_FORMAT, "unsupported-format")                                                \
        X(BAD_CONTENT_TYPE, "bad-content-type")                                                    \
        X(BAD_UTF8, "bad-utf8")                                                                    \
        X(BAD_JSON, "bad-json")                                                                    \
        X(NOT_AN_OBJECT, "not-an-object")                                                          \
        X(NOT_AN_ARRAY, "not-an-array")                                                            \
        X(BATCH_ELEMENT, "batch-element")                                                          \
        X(MISSING_ATTRIBUTE, "missing-attribute")                                                  \
        X(EMPTY_ATTRIBUTE, "empty-attribute")                                                      \
        X(DUPLICATE_ATTRIBUTE, "duplicate-attribute")                                              \
        X(BAD_ATTRIBUTE_NAME, "bad-attribute-name")                                                \
        X(BAD_ATTRIBUTE_TYPE, "bad-attribute-type")                                                \
        X(BAD_ATTRIBUTE_VALUE, "bad-attribute-value")                                              \
        X(BAD_SPECVERSION, "bad-specversion")                                                      \
        X(BAD_TIMESTAMP, "bad-timestamp")                                                          \
        X(BAD_URI, "bad-uri")                                                                      \
        X(BAD_INTEGER, "bad-integer")                                                              \
        X(BAD_BASE64, "bad-base64")                                                                \
        X(DATA_CONFLICT, "data-conflict")                                                          \
        X(OVER_LIMIT, "over-limit")

enum weir_refusal_class {
        WEIR_REFUSED_NOT = 0,
#define WEIR_REFUSAL_ENUM(name, text) WEIR_REFUSED_##name,
        WEIR_REFUSALS(WEIR_REFUSAL_ENUM)
#undef WEIR_REFUSAL_ENUM
};
const char *weir_refusal_name(int klass); /* "bad-json" */

struct weir_refusal {
        int klass;        /* enum weir_refusal_class */
        size_t at;        /* byte position: in the value, or in the header value that is named */
        char reason[200]; /* one line; foreign bytes escaped */
};

enum weir_mode { WEIR_MODE_BINARY, WEIR_MODE_STRUCTURED, WEIR_MODE_BATCH };
const char *weir_mode_name(int mode);

/* Limits for untrusted input. A zero member means the default. An event of 64 KiB on the wire must pass
 * (CloudEvents, "Size Limits"), so no default may refuse what fits into that. */
struct weir_limits {
        uint32_t value_bytes; /* record value or HTTP body, default 64 MiB (binary: no copy)   */
        uint32_t json_bytes;  /* JSON text that is parsed, default 1 MiB                       */
        uint32_t depth;       /* nesting of JSON, default 256 (most 1000)                      */
        uint32_t nodes;       /* values in one event's JSON, default 40,000                    */
        uint32_t
                attribute_bytes; /* one attribute, default 64 KiB                                 */
        uint32_t attributes;     /* extensions of an event, default 4,096                         */
        uint32_t headers;        /* per record, default 4,096                                     */
        uint32_t batch_events;   /* events in one JSON batch, default 10,000                      */
};

/* What came in. @headers in order; header values are NUL-terminated behind size. */
struct weir_message {
        struct weir_view key, value; /* ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
};

/* Room for the extensions of binary events; the caller keeps one per lane. */
struct weir_decoder {
        struct weir_arena *arena; /* reset by the caller, between batches */
        struct weir_limits limits;
        bool accept_json_batch; /* Kafka: opt-in, its binding has no batch mode; HTTP: always read */
};

/* Takes each event as it is decoded: copy the struct to keep it. What it points at lives as long as
 * message and arena.
 * Return 0 to go on, anything else ends the decoding and is returned. */
typedef int weir_event_fn(void *context, const struct weir_event *event);

/**
 * Decode a Kafka record / an HTTP message / a bare JSON batch. A message is decoded whole or not
 * at all: @take is called only after every event of it was found good.
 *
 * Returns  0: all events handed to @take (a batch may have none)
 *          1: refused, *ret_refusal says why
 *          < 0: WEIR_ENOMEM, or what @take returned
 */
int weir_decode_kafka(const struct weir_decoder *decoder, const struct weir_message *message,
                      weir_event_fn *take, void *context, int *ret_mode,
                      struct weir_refusal *ret_refusal);
int weir_decode_http(const struct weir_decoder *decoder, const struct weir_message *message,
                     weir_event_fn *take, void *context, int *ret_mode,
                     struct weir_refusal *ret_refusal);
int weir_decode_json_batch(const struct weir_decoder *decoder, const struct weir_message *message,
                           weir_event_fn *take, void *context, int *ret_mode,
                           struct weir_refusal *ret_refusal);

#endif
