/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_MODES_H
#define WEIR_EVENT_MODES_H
/* modes - the ways an event can stand in a message; decode.c chooses, these read */
#include "event/attribute.h"

/* @limits filled. All return 0, 1 refused, WEIR_ENOMEM. @content_type ptr NULL = none. */
int weir_binary_decode(struct weir_arena *arena, const struct weir_limits *limits,
                       const struct weir_message *message, struct weir_view content_type,
                       struct weir_event *event, struct weir_refusal *refusal);
int weir_http_decode(struct weir_arena *arena, const struct weir_limits *limits,
                     const struct weir_message *message, struct weir_view content_type,
                     struct weir_event *event, struct weir_refusal *refusal);
int weir_structured_decode(struct weir_arena *arena, const struct weir_limits *limits,
                           struct weir_view text, struct weir_event *event,
                           struct weir_refusal *refusal);

struct weir_event_link {
        struct weir_event event;
        struct weir_event_link *next;
};
int weir_batch_decode(struct weir_arena *arena, const struct weir_limits *limits,
                      struct weir_view text, struct weir_event_link **ret,
                      struct weir_refusal *refusal);

/* Binary modes: what is left once the ce_ or ce- headers are in: content type, value, verdict. */
int weir_binary_finish(struct weir_draft *draft, struct weir_view content_type,
                       struct weir_view value);

#endif
