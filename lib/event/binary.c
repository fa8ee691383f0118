/* SPDX-License-Identifier: MIT */
/*
 * binary - a Kafka record whose headers are the attributes and whose value is the data
 *
 * This is the road that most events take, so it touches no allocator and copies no byte: attributes
 * are views into the record's headers (librdkafka puts a NUL behind each value), data is the value. The
 * arena gives one array, and only to events that have extensions.
 *
 * Header keys are compared as bytes: the binding fixes ce_ in lower case. ce- and CE_ are foreign
 * headers, which are no part of the event and need not even be UTF-8. A null header counts as absent.
 * ce_datacontenttype is not the binding's mapping, but SDKs write it: it is read where content-type
 * is missing, and content-type wins where both are there.
 *
 * The value is not looked at, also under a JSON type: the binding carries bytes. Only a zero-length
 * value under a JSON type is "no data": it cannot be JSON, and SDKs that cannot write null send it.
 */
#include <string.h>

#include "event/media.h"
#include "event/modes.h"
#include "event/refusal.h"

int weir_binary_finish(struct weir_draft *draft, struct weir_view content_type,
                       struct weir_view value)
{
        struct weir_event *event = draft->event;
        bool json = false;
        int r;

        if (!event->id.ptr && !event->source.ptr && !event->type.ptr && !event->specversion.ptr)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_NOT_A_CLOUDEVENT, 0,
                                         "none of the required attributes is among the headers");
        if (content_type.ptr) {
                r = weir_draft_put_core(draft, WEIR_CORE_DATACONTENTTYPE, content_type);
                if (r)
                        return r;
                json = weir_media_type_is_json(content_type);
        }
        if (value.ptr && !(json && value.size == 0)) {
                event->data = value;
                event->data_kind = json ? WEIR_DATA_JSON : WEIR_DATA_BINARY;
        }
        return weir_draft_finish(draft, 0);
}

int weir_binary_decode(struct weir_arena *arena, const struct weir_limits *limits,
                       const struct weir_message *message, struct weir_view content_type,
                       struct weir_event *event, struct weir_refusal *refusal)
{
        struct weir_draft draft;
        struct weir_view second_type = { NULL, 0 };

        draft.arena = arena;
        draft.limits = limits;
        draft.refusal = refusal;
        weir_draft_init(&draft, event);
        draft.repeat_equal = true;
        draft.extension_room = message->header_count;
        for (size_t i = 0; i < message->header_count; i++) {
                const struct weir_header *header = &message->headers[i];
                const char *key = header->name;
                struct weir_view name, value;
                int core, r;

                if (key[0] != 'c' || key[1] != 'e' || key[2] != '_' || !header->value)
                        continue;
                name = (struct weir_view){ key + 3, strlen(key + 3) };
                value = (struct weir_view){ header->value, header->size };
                core = weir_core_of(name.ptr, name.size);
                if (core == WEIR_CORE_DATACONTENTTYPE) {
                        second_type = value;
                        continue;
                }
                r = core == WEIR_CORE_NONE
                            ? weir_draft_put(&draft, name, value, WEIR_ATTRIBUTE_STRING)
                            : weir_draft_put_core(&draft, core, value);
                if (r)
                        return r;
        }
        return weir_binary_finish(&draft, content_type.ptr ? content_type : second_type,
                                  message->value);
}
