/* SPDX-License-Identifier: MIT */
/*
 * structured - the JSON event format, single and in batches
 *
 * The text was checked whole before this file walks it (cursor.h). Attributes are unescaped into the
 * arena, because handlers get them with a NUL behind; data is passed on as the slice that stands in
 * the record, because every re-printing loses something: digits, order, repeated members, spelling.
 *
 * What data becomes    no datacontenttype, or a JSON one: the raw slice, a string with its quotes.
 *                      Another type: the content of the string. data_base64: the bytes; JSON only
 *                      where datacontenttype says so, as in binary mode, and never implied.
 * Null                 a null member is an unset one, except that "data": null under JSON is data,
 *                      the JSON text null. Its name is used all the same: a second one is refused.
 * A batch              is good as a whole or not at all; one record has one outcome.
 */
#include <stdint.h>
#include <string.h>
#include <weir/error.h>

#include "event/base64.h"
#include "event/cursor.h"
#include "event/media.h"
#include "event/modes.h"
#include "event/refusal.h"

struct structure {
        struct weir_draft draft;
        const char *start;     /* of the whole text: positions count from here */
        struct weir_view data; /* raw slices, ptr NULL = no such member */
        struct weir_view base64;
};

static size_t at_of(const struct structure *s, const char *p)
{
        return (size_t)(p - s->start);
}

/* Unescape @raw into the arena, NUL behind. 0, 1 = half a surrogate pair at *ret_at of @raw. */
static int unescape(struct weir_arena *arena, struct weir_view raw, struct weir_view *ret,
                    size_t *ret_at)
{
        char *out = weir_arena_alloc(arena, raw.size + 1);
        size_t size;

        if (!out)
                return WEIR_ENOMEM;
        size = weir_json_unescape(raw, out, SIZE_MAX, ret_at);
        if (size == SIZE_MAX)
                return 1;
        out[size] = '\0';
        *ret = (struct weir_view){ out, size };
        return 0;
}

/* A refusal's position counts in unescaped text; make it count in the whole text. */
static void relocate(struct structure *s, struct weir_view raw, char *scratch)
{
        size_t at = 0;

        if (!s->draft.refusal)
                return;
        weir_json_unescape(raw, scratch, s->draft.refusal->at, &at);
        s->draft.refusal->at = at_of(s, raw.ptr) + at;
}

static int refuse_type(struct structure *s, struct weir_view name, struct weir_view value,
                       const char *what)
{
        struct weir_quote quote;

        return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_ATTRIBUTE_TYPE,
                                 at_of(s, value.ptr), "%s is %s",
                                 weir_quote(&quote, name.ptr, name.size), what);
}

static int put_string(struct structure *s, struct weir_view name, struct weir_view slice)
{
        struct weir_view raw = weir_json_inside(slice), value = { NULL, 0 };
        struct weir_quote quote;
        size_t at;
        int r = unescape(s->draft.arena, raw, &value, &at);

        if (r == 1)
                return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE,
                                         at_of(s, raw.ptr) + at, "%s holds half a surrogate pair",
                                         weir_quote(&quote, name.ptr, name.size));
        if (r == 0)
                r = weir_draft_put(&s->draft, name, value, WEIR_ATTRIBUTE_STRING);
        if (r == 1 && value.ptr)
                relocate(s, raw, (char *)(uintptr_t)value.ptr);
        return r;
}

static int put_attribute(struct structure *s, struct weir_view name, struct weir_view slice)
{
        bool core = weir_core_of(name.ptr, name.size) != WEIR_CORE_NONE;
        struct weir_view value = slice;
        int type = WEIR_ATTRIBUTE_INTEGER, r;

        switch (slice.ptr[0]) {
        case '"': return put_string(s, name, slice);
        case 'n': return weir_draft_put_null(&s->draft, name);
        case '{': return refuse_type(s, name, slice, "an object, which is no attribute type");
        case '[': return refuse_type(s, name, slice, "an array, which is no attribute type");
        case 't':
        case 'f':
                type = WEIR_ATTRIBUTE_BOOLEAN;
                value.ptr = slice.ptr[0] == 't' ? "true" : "false";
                break;
        default:
                if (slice.size == 2 && slice.ptr[0] == '-' && slice.ptr[1] == '0')
                        value = (struct weir_view){ "0", 1 };
                else
                        value.ptr = weir_arena_copy(s->draft.arena, slice.ptr, slice.size);
                if (!value.ptr)
                        return WEIR_ENOMEM;
                break;
        }
        if (core)
                return refuse_type(s, name, slice, "not a string");
        r = weir_draft_put(&s->draft, name, value, type);
        if (r == 1 && s->draft.refusal)
                s->draft.refusal->at = at_of(s, slice.ptr);
        return r;
}

static int put_member(struct structure *s, struct weir_view raw, struct weir_view slice)
{
        struct weir_view name = { NULL, 0 }, *keep = NULL;
        struct weir_quote quote;
        size_t at;
        int core = weir_core_of(raw.ptr, raw.size), r;

        if (core != WEIR_CORE_NONE) {
                name = raw; /* a core name is not kept: no copy */
                return put_attribute(s, name, slice);
        }
        r = unescape(s->draft.arena, raw, &name, &at);
        if (r == 1)
                return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_ATTRIBUTE_NAME,
                                         at_of(s, raw.ptr) + at,
                                         "a member name holds half a surrogate pair");
        if (r)
                return r;
        if (name.size == 4 && memcmp(name.ptr, "data", 4) == 0)
                keep = &s->data;
        else if (name.size == 11 && memcmp(name.ptr, "data_base64", 11) == 0)
                keep = &s->base64;
        if (keep) {
                if (keep->ptr)
                        return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_DUPLICATE_ATTRIBUTE,
                                                 at_of(s, raw.ptr), "%s occurs more than once",
                                                 weir_quote(&quote, name.ptr, name.size));
                *keep = slice;
                return 0;
        }
        if (weir_core_of(name.ptr, name.size) == WEIR_CORE_NONE) {
                r = weir_draft_check_name(&s->draft, name);
                if (r == 1)
                        relocate(s, raw, (char *)(uintptr_t)name.ptr);
                if (r)
                        return r;
        }
        return put_attribute(s, name, slice);
}

static int take_base64(struct structure *s, bool json)
{
        struct weir_event *event = s->draft.event;
        struct weir_view raw, text = { NULL, 0 };
        size_t size = 0, at = 0;
        char *out;
        int r;

        if (s->base64.ptr[0] != '"')
                return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_BASE64,
                                         at_of(s, s->base64.ptr), "data_base64 is not a string");
        raw = weir_json_inside(s->base64);
        r = unescape(s->draft.arena, raw, &text, &at);
        if (r < 0)
                return r;
        out = (char *)(uintptr_t)text.ptr; /* decoded in place: never longer than read */
        if (r == 0 && weir_base64_decode(text.ptr, text.size, out, &size, &at)) {
                size_t bad = at;

                weir_json_unescape(raw, out, bad, &at);
                r = 1;
        }
        if (r)
                return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_BASE64,
                                         at_of(s, raw.ptr) + at,
                                         "data_base64 is not padded base64 from byte %zu on", at);
        if (json && size == 0)
                return 0; /* no bytes are no JSON: as in binary mode, no data */
        event->data = (struct weir_view){ out, size };
        event->data_kind = json ? WEIR_DATA_JSON : WEIR_DATA_BINARY;
        return 0;
}

static int take_text(struct structure *s)
{
        struct weir_event *event = s->draft.event;
        struct weir_view raw;
        size_t at;
        int r;

        if (s->data.ptr[0] == 'n')
                return 0;
        if (s->data.ptr[0] != '"')
                return weir_refusal_fill(
                        s->draft.refusal, WEIR_REFUSED_BAD_ATTRIBUTE_TYPE, at_of(s, s->data.ptr),
                        "data is not a string, though datacontenttype is not JSON");
        raw = weir_json_inside(s->data);
        event->data = raw;
        event->data_kind = WEIR_DATA_TEXT;
        if (!memchr(raw.ptr, '\\', raw.size))
                return 0;
        r = unescape(s->draft.arena, raw, &event->data, &at);
        if (r == 1)
                return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_UTF8,
                                         at_of(s, raw.ptr) + at,
                                         "data holds half a surrogate pair");
        return r;
}

static int take_data(struct structure *s)
{
        struct weir_event *event = s->draft.event;
        bool json = event->datacontenttype.ptr && weir_media_type_is_json(event->datacontenttype);

        if (s->base64.ptr && s->base64.ptr[0] != 'n') {
                if (s->data.ptr && s->data.ptr[0] != 'n')
                        return weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_DATA_CONFLICT,
                                                 at_of(s, s->base64.ptr),
                                                 "data and data_base64 exclude each other");
                return take_base64(s, json);
        }
        if (!s->data.ptr)
                return 0;
        if (event->datacontenttype.ptr && !json)
                return take_text(s);
        event->data = s->data;
        event->data_kind = WEIR_DATA_JSON;
        return 0;
}

/* @object is a checked { ... }; @lone the first half of a surrogate pair, if there is one. */
static int decode_object(struct structure *s, struct weir_view object, const char *lone)
{
        struct weir_cursor cursor;
        struct weir_view name, value;
        int r;

        weir_cursor_open(&cursor, object);
        while (weir_cursor_member(&cursor, &name, &value)) {
                r = put_member(s, name, value);
                if (r)
                        return r;
        }
        r = weir_draft_finish(&s->draft, at_of(s, object.ptr));
        if (r == 0)
                r = take_data(s);
        if (r == 0 && lone && lone >= object.ptr && lone < object.ptr + object.size)
                r = weir_refusal_fill(s->draft.refusal, WEIR_REFUSED_BAD_UTF8, at_of(s, lone),
                                      "half a surrogate pair cannot be UTF-8");
        return r;
}

static void begin(struct structure *s, struct weir_arena *arena, const struct weir_limits *limits,
                  const char *start, struct weir_event *event, struct weir_refusal *refusal)
{
        *s = (struct structure){ .start = start };
        s->draft.arena = arena;
        s->draft.limits = limits;
        s->draft.refusal = refusal;
        weir_draft_init(&s->draft, event);
}

int weir_structured_decode(struct weir_arena *arena, const struct weir_limits *limits,
                           struct weir_view text, struct weir_event *event,
                           struct weir_refusal *refusal)
{
        struct weir_json_scan scan;
        struct weir_view object;
        struct structure s;
        int r = weir_json_scan(text, limits, 0, &scan, refusal);

        if (r)
                return r;
        object = weir_json_trim(text);
        if (object.ptr[0] != '{')
                return weir_refusal_fill(refusal, WEIR_REFUSED_NOT_AN_OBJECT,
                                         (size_t)(object.ptr - text.ptr),
                                         "a structured event is a JSON object");
        begin(&s, arena, limits, text.ptr, event, refusal);
        return decode_object(&s, object, scan.lone ? text.ptr + scan.lone_at : NULL);
}

int weir_batch_decode(struct weir_arena *arena, const struct weir_limits *limits,
                      struct weir_view text, struct weir_event_link **ret,
                      struct weir_refusal *refusal)
{
        struct weir_event_link **tail = ret;
        struct weir_cursor cursor;
        struct weir_json_scan scan;
        struct weir_view array, element;
        uint32_t count = 0;
        int r = weir_json_scan(text, limits, 1, &scan, refusal);

        *ret = NULL;
        if (r)
                return r;
        array = weir_json_trim(text);
        if (array.ptr[0] != '[')
                return weir_refusal_fill(refusal, WEIR_REFUSED_NOT_AN_ARRAY,
                                         (size_t)(array.ptr - text.ptr), "a batch is a JSON array");
        weir_cursor_open(&cursor, array);
        while (weir_cursor_element(&cursor, &element)) {
                struct weir_event_link *link;
                struct structure s;

                if (count == limits->batch_events)
                        return weir_refusal_fill(refusal, WEIR_REFUSED_OVER_LIMIT,
                                                 (size_t)(element.ptr - text.ptr),
                                                 "more than %u events in a batch", count);
                if (element.ptr[0] != '{')
                        return weir_refusal_fill(refusal, WEIR_REFUSED_BATCH_ELEMENT,
                                                 (size_t)(element.ptr - text.ptr),
                                                 "element %u: not-an-object", count);
                link = weir_arena_alloc(arena, sizeof *link);
                if (!link)
                        return WEIR_ENOMEM;
                begin(&s, arena, limits, text.ptr, &link->event, refusal);
                r = decode_object(&s, element, scan.lone ? text.ptr + scan.lone_at : NULL);
                if (r == 1)
                        weir_refusal_wrap(refusal, WEIR_REFUSED_BATCH_ELEMENT,
                                          "element %u: ", count);
                if (r)
                        return r;
                link->next = NULL;
                *tail = link;
                tail = &link->next;
                count++;
        }
        return 0;
}
