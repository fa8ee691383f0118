/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_ENCODE_H
#define WEIR_EVENT_ENCODE_H
/*
 * encode - an event becomes the key, headers and value of a Kafka record or HTTP message
 *
 * Writes what every official SDK can read: lower-case ce_ headers, each
 * once; structured without nulls, members in the order specversion, id, source, type, …,
 * datacontenttype, data, no spaces.
 */
#include "event/decode.h"

struct weir_encoded {
        struct weir_view key, value; /* ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
};

struct weir_encode_options {
        bool key_from_partitionkey; /* opt-in key mapper of the Kafka binding; an explicit key wins */
        struct weir_view key;       /* the caller's key; ptr NULL = none */
};

/* An event whose data is itself an event (datacontenttype application/cloudevents…) becomes a structured message
 * in binary mode too: see encode.c. The event is validated by the same rules as on decode. Everything lives in @arena, or is a view
 * into @event. 0; 1 = refused (the event is not valid, or cannot be written in this form);
 * WEIR_ENOMEM. */
int weir_encode_kafka_binary(struct weir_arena *arena, const struct weir_event *event,
                             const struct weir_encode_options *options, struct weir_encoded *ret,
                             struct weir_refusal *ret_refusal);
int weir_encode_kafka_structured(struct weir_arena *arena, const struct weir_event *event,
                                 const struct weir_encode_options *options,
                                 struct weir_encoded *ret, struct weir_refusal *ret_refusal);
int weir_encode_http_binary(struct weir_arena *arena, const struct weir_event *event,
                            struct weir_encoded *ret, struct weir_refusal *ret_refusal);
int weir_encode_http_structured(struct weir_arena *arena, const struct weir_event *event,
                                struct weir_encoded *ret, struct weir_refusal *ret_refusal);
/* application/cloudevents-batch+json of @count events (HTTP). */
int weir_encode_http_batch(struct weir_arena *arena, const struct weir_event *const *events,
                           size_t count, struct weir_encoded *ret,
                           struct weir_refusal *ret_refusal);

#endif
