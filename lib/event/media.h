/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_MEDIA_H
#define WEIR_EVENT_MEDIA_H
/* media - media types: RFC 2046 by the grammar of RFC 9110 (8.3.1) */
#include <stdbool.h>
#include <string.h>
#include <weir/event.h>

#define WEIR_MEDIA_EVENT "application/cloudevents"
#define WEIR_MEDIA_EVENT_BYTES (sizeof WEIR_MEDIA_EVENT - 1)

bool weir_media_type_valid(struct weir_view type, size_t *ret_at);
/* any/json or any/any+json, parameters stripped, without regard to case */
bool weir_media_type_is_json(struct weir_view type);

/* application/cloudevents…, in any case, whatever follows: a content type that begins so announces an event. */
bool weir_media_type_is_event(struct weir_view type);

/* Nearly all are; worth a look before the grammar. */
static inline bool weir_media_type_is_plain(struct weir_view type)
{
        return type.size == 16 && memcmp(type.ptr, "application/json", 16) == 0;
}

#endif
