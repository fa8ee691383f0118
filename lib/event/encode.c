/* SPDX-License-Identifier: MIT */
/*
 * encode - write what every official SDK can read, refuse what none should have to
 *
 * The event goes through the same draft as on decode, so weir cannot send what it would not take.
 *
 * Form of data in the JSON format
 *     bytes that are JSON, under a JSON type or implied    data, the text itself: digits survive
 *     text under another type                              data, a string
 *     all else, also bytes that claim to be JSON           data_base64
 * Without datacontenttype "data" would say JSON, so only data known to be JSON goes there.
 *
 * Written for the weakest reader: no null members (read as the text "null"), no spaces and
 * datacontenttype before data (one SDK reads in order), the media type in lower case without a
 * parameter, never ce_datacontenttype, no ce_ headers beside a structured event.
 *
 * An event about an event (datacontenttype application/cloudevents…) has no binary mode: the content type of
 * the data is the message's there, and says "structured", so that every reader would take the data for
 * the event itself, with another id, and whoever writes data could forge what weir sends. It goes
 * structured, whatever was asked for; no caller can err.
 */
#include "event/encode.h"

#include <stdint.h>
#include <string.h>
#include <weir/error.h>

#include "base/cleanup.h"
#include "event/attribute.h"
#include "event/json.h"
#include "event/media.h"
#include "event/refusal.h"
#include "event/text.h"
#include "event/writer.h"

#define MEDIA_EVENT WEIR_MEDIA_EVENT "+json"
#define MEDIA_BATCH WEIR_MEDIA_EVENT "-batch+json"
#define MEDIA_JSON "application/json"

static const int order[] = { WEIR_CORE_SPECVERSION, WEIR_CORE_ID,      WEIR_CORE_SOURCE,
                             WEIR_CORE_TYPE,        WEIR_CORE_SUBJECT, WEIR_CORE_TIME,
                             WEIR_CORE_DATASCHEMA };

/* Limits for what is sent: only what a number can hold is too much. */
static const struct weir_limits wide = {
        .value_bytes = UINT32_MAX,
        .json_bytes = UINT32_MAX,
        .depth = UINT32_MAX,
        .nodes = UINT32_MAX,
        .attribute_bytes = UINT32_MAX,
        .attributes = UINT32_MAX,
        .headers = UINT32_MAX,
        .batch_events = UINT32_MAX,
};

static bool is_boolean(struct weir_view value)
{
        return (value.size == 4 && memcmp(value.ptr, "true", 4) == 0) ||
               (value.size == 5 && memcmp(value.ptr, "false", 5) == 0);
}

static int validate(struct weir_arena *arena, const struct weir_event *event,
                    struct weir_refusal *refusal)
{
        struct weir_event copy;
        struct weir_draft draft = { .arena = arena, .limits = &wide, .refusal = refusal };
        struct weir_quote quote;

        weir_draft_init(&draft, &copy);
        draft.extension_room = event->extension_count;
        for (int core = 0; core < WEIR_CORE_COUNT; core++) {
                const struct weir_view *view = weir_core_view(event, core);
                int r = view->ptr ? weir_draft_put_core(&draft, core, *view) : 0;

                if (r)
                        return r;
        }
        for (size_t i = 0; i < event->extension_count; i++) {
                const struct weir_attribute *extension = &event->extensions[i];
                int r;

                if (!extension->value.ptr)
                        return weir_refusal_fill(refusal, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 0,
                                                 "%s has no value",
                                                 weir_quote(&quote, extension->name.ptr,
                                                            extension->name.size));
                r = weir_draft_put(&draft, extension->name, extension->value, extension->type);
                if (r)
                        return r;
                if (extension->type == WEIR_ATTRIBUTE_BOOLEAN && !is_boolean(extension->value))
                        return weir_refusal_fill(refusal, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, 0,
                                                 "%s is neither true nor false",
                                                 weir_quote(&quote, extension->name.ptr,
                                                            extension->name.size));
        }
        return weir_draft_finish(&draft, 0);
}

static struct weir_view view_z(const char *text)
{
        return (struct weir_view){ text, strlen(text) };
}

/* The content type of a binary message: JSON that was only implied is now said. */
static struct weir_view type_of(const struct weir_event *event)
{
        if (!event->datacontenttype.ptr && event->data_kind == WEIR_DATA_JSON && event->data.ptr)
                return view_z(MEDIA_JSON);
        return event->datacontenttype;
}

/* ---- the JSON format ------------------------------------------------------------------------ */

enum member { MEMBER_NONE, MEMBER_JSON, MEMBER_STRING, MEMBER_BASE64 };

static enum member member_of(const struct weir_event *event)
{
        bool json = event->datacontenttype.ptr ? weir_media_type_is_json(event->datacontenttype)
                                               : event->data_kind == WEIR_DATA_JSON;
        const unsigned char *p, *end;
        uint32_t scalar;

        if (!event->data.ptr || event->data_kind == WEIR_DATA_NONE)
                return MEMBER_NONE;
        p = (const unsigned char *)event->data.ptr;
        end = p + event->data.size;
        if (json)
                return weir_json_check(event->data, &wide, NULL) == 0 ? MEMBER_JSON : MEMBER_BASE64;
        if (event->data_kind != WEIR_DATA_TEXT || !event->datacontenttype.ptr)
                return MEMBER_BASE64;
        while (p < end) {
                size_t length = weir_utf8_next(p, end, &scalar);

                if (length == 0)
                        return MEMBER_BASE64;
                p += length;
        }
        return MEMBER_STRING;
}

static void write_member(struct weir_writer *writer, struct weir_view name, struct weir_view value,
                         int type)
{
        weir_writer_z(writer, writer->ptr && writer->size && writer->ptr[writer->size - 1] == '{'
                                      ? "\""
                                      : ",\"");
        weir_writer_raw(writer, name.ptr, name.size);
        weir_writer_z(writer, "\":");
        if (type == WEIR_ATTRIBUTE_STRING)
                weir_writer_string(writer, value);
        else
                weir_writer_raw(writer, value.ptr, value.size);
}

static void write_event(struct weir_writer *writer, const struct weir_event *event)
{
        weir_writer_z(writer, "{");
        for (size_t i = 0; i < WEIR_COUNT_OF(order); i++) {
                const struct weir_view *value = weir_core_view(event, order[i]);

                if (value->ptr)
                        write_member(writer, view_z(weir_core_name(order[i])), *value,
                                     WEIR_ATTRIBUTE_STRING);
        }
        for (size_t i = 0; i < event->extension_count; i++)
                write_member(writer, event->extensions[i].name, event->extensions[i].value,
                             event->extensions[i].type);
        if (event->datacontenttype.ptr)
                write_member(writer, view_z("datacontenttype"), event->datacontenttype,
                             WEIR_ATTRIBUTE_STRING);
        switch (member_of(event)) {
        case MEMBER_JSON:
                weir_writer_z(writer, ",\"data\":");
                weir_writer_raw(writer, event->data.ptr, event->data.size);
                break;
        case MEMBER_STRING:
                weir_writer_z(writer, ",\"data\":");
                weir_writer_string(writer, event->data);
                break;
        case MEMBER_BASE64:
                weir_writer_z(writer, ",\"data_base64\":");
                weir_writer_base64(writer, event->data);
                break;
        case MEMBER_NONE:
        default: break;
        }
        weir_writer_z(writer, "}");
}

static size_t guess_bytes(const struct weir_event *event)
{
        size_t bytes = 256 + event->data.size + event->data.size / 2;

        for (int core = 0; core < WEIR_CORE_COUNT; core++)
                bytes += weir_core_view(event, core)->size;
        for (size_t i = 0; i < event->extension_count; i++)
                bytes += event->extensions[i].name.size + event->extensions[i].value.size + 8;
        return bytes;
}

static int structured(struct weir_arena *arena, const struct weir_event *event,
                      struct weir_encoded *ret, struct weir_refusal *refusal)
{
        struct weir_header *header = weir_arena_alloc(arena, sizeof *header);
        struct weir_writer writer;
        int r;

        if (!header)
                return WEIR_ENOMEM;
        r = validate(arena, event, refusal);
        if (r)
                return r;
        *header = (struct weir_header){ "content-type", MEDIA_EVENT, sizeof MEDIA_EVENT - 1 };
        weir_writer_init(&writer, arena, guess_bytes(event));
        write_event(&writer, event);
        ret->headers = header;
        ret->header_count = 1;
        return weir_writer_finish(&writer, &ret->value);
}

/* ---- binary mode ---------------------------------------------------------------------------- */

static int name_header(struct weir_arena *arena, const char *prefix, struct weir_view name,
                       const char **ret)
{
        char *text = weir_arena_alloc(arena, name.size + 4);

        if (!text)
                return WEIR_ENOMEM;
        memcpy(text, prefix, 3);
        memcpy(text + 3, name.ptr, name.size);
        text[name.size + 3] = '\0';
        *ret = text;
        return 0;
}

/* HTTP binding 3.1.3.2: space, the quote, the percent sign and all outside U+0021-007E. */
static int percent_encode(struct weir_arena *arena, struct weir_view *value)
{
        static const char hex[] = "0123456789ABCDEF";
        size_t more = 0, used = 0;
        char *out;

        for (size_t i = 0; i < value->size; i++) {
                unsigned char c = (unsigned char)value->ptr[i];

                more += c <= 0x20 || c >= 0x7f || c == '"' || c == '%' ? 2 : 0;
        }
        if (more == 0)
                return 0;
        out = weir_arena_alloc(arena, value->size + more + 1);
        if (!out)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < value->size; i++) {
                unsigned char c = (unsigned char)value->ptr[i];

                if (c <= 0x20 || c >= 0x7f || c == '"' || c == '%') {
                        out[used++] = '%';
                        out[used++] = hex[c >> 4];
                        out[used++] = hex[c & 15];
                } else {
                        out[used++] = (char)c;
                }
        }
        out[used] = '\0';
        *value = (struct weir_view){ out, used };
        return 0;
}

static int binary(struct weir_arena *arena, const struct weir_event *event, const char *prefix,
                  bool encode_values, struct weir_encoded *ret, struct weir_refusal *refusal)
{
        struct weir_view type = type_of(event);
        struct weir_header *headers;
        size_t count = 0;
        int r;

        if (weir_media_type_is_event(type))
                return structured(arena, event, ret, refusal);
        r = validate(arena, event, refusal);
        if (r)
                return r;
        headers = weir_arena_alloc(arena,
                                   (WEIR_CORE_COUNT + event->extension_count) * sizeof *headers);
        if (!headers)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < WEIR_COUNT_OF(order) + event->extension_count; i++) {
                struct weir_view name, value;

                if (i < WEIR_COUNT_OF(order)) {
                        name = view_z(weir_core_name(order[i]));
                        value = *weir_core_view(event, order[i]);
                        if (!value.ptr)
                                continue;
                } else {
                        name = event->extensions[i - WEIR_COUNT_OF(order)].name;
                        value = event->extensions[i - WEIR_COUNT_OF(order)].value;
                }
                r = name_header(arena, prefix, name, &headers[count].name);
                if (r == 0 && encode_values)
                        r = percent_encode(arena, &value);
                if (r)
                        return r;
                headers[count].value = value.ptr;
                headers[count++].size = value.size;
        }
        if (type.ptr)
                headers[count++] = (struct weir_header){ "content-type", type.ptr, type.size };
        ret->headers = headers;
        ret->header_count = count;
        if (event->data_kind != WEIR_DATA_NONE)
                ret->value = event->data;
        return 0;
}

/* ---- what is public ------------------------------------------------------------------------- */

static struct weir_view key_of(const struct weir_event *event,
                               const struct weir_encode_options *options)
{
        if (!options)
                return (struct weir_view){ NULL, 0 };
        if (options->key.ptr || !options->key_from_partitionkey)
                return options->key;
        for (size_t i = 0; i < event->extension_count; i++) {
                const struct weir_attribute *extension = &event->extensions[i];

                if (extension->name.size == 12 &&
                    memcmp(extension->name.ptr, "partitionkey", 12) == 0)
                        return extension->value;
        }
        return (struct weir_view){ NULL, 0 };
}

int weir_encode_kafka_binary(struct weir_arena *arena, const struct weir_event *event,
                             const struct weir_encode_options *options, struct weir_encoded *ret,
                             struct weir_refusal *ret_refusal)
{
        *ret = (struct weir_encoded){ .key = key_of(event, options) };
        return binary(arena, event, "ce_", false, ret, ret_refusal);
}

int weir_encode_kafka_structured(struct weir_arena *arena, const struct weir_event *event,
                                 const struct weir_encode_options *options,
                                 struct weir_encoded *ret, struct weir_refusal *ret_refusal)
{
        *ret = (struct weir_encoded){ .key = key_of(event, options) };
        return structured(arena, event, ret, ret_refusal);
}

int weir_encode_http_binary(struct weir_arena *arena, const struct weir_event *event,
                            struct weir_encoded *ret, struct weir_refusal *ret_refusal)
{
        *ret = (struct weir_encoded){ 0 };
        return binary(arena, event, "ce-", true, ret, ret_refusal);
}

int weir_encode_http_structured(struct weir_arena *arena, const struct weir_event *event,
                                struct weir_encoded *ret, struct weir_refusal *ret_refusal)
{
        *ret = (struct weir_encoded){ 0 };
        return structured(arena, event, ret, ret_refusal);
}

int weir_encode_http_batch(struct weir_arena *arena, const struct weir_event *const *events,
                           size_t count, struct weir_encoded *ret, struct weir_refusal *ret_refusal)
{
        struct weir_header *header = weir_arena_alloc(arena, sizeof *header);
        struct weir_writer writer;
        size_t bytes = 2;

        *ret = (struct weir_encoded){ 0 };
        if (!header)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < count; i++) {
                int r = validate(arena, events[i], ret_refusal);

                if (r == 1)
                        weir_refusal_wrap(ret_refusal, WEIR_REFUSED_BATCH_ELEMENT,
                                          "element %zu: ", i);
                if (r)
                        return r;
                bytes += guess_bytes(events[i]);
        }
        weir_writer_init(&writer, arena, bytes);
        weir_writer_z(&writer, "[");
        for (size_t i = 0; i < count; i++) {
                if (i)
                        weir_writer_z(&writer, ",");
                write_event(&writer, events[i]);
        }
        weir_writer_z(&writer, "]");
        *header = (struct weir_header){ "content-type", MEDIA_BATCH, sizeof MEDIA_BATCH - 1 };
        ret->headers = header;
        ret->header_count = 1;
        return weir_writer_finish(&writer, &ret->value);
}
