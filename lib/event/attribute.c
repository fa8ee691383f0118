/* SPDX-License-Identifier: MIT */
/*
 * attribute - one set of rules, so that an event means the same by whatever way it came
 *
 * Always true   EV1 an event that leaves here has specversion 1.0, id, source and type, none empty.
 *               EV2 no attribute occurs twice, no value holds a NUL or another control character.
 *               EV3 a view that was put is the producer's text, unchanged: source and id are what
 *                   duplicates are recognised by, so nothing is trimmed, folded or normalised.
 * Latitude      source is taken as any non-empty String: malformed references are common, few
 *               receivers check, and it only serves as a name here. dataschema must be absolute and
 *               without the characters that no URI has; non-ASCII (IRIs) passes.
 *               Names longer than 20 pass (SHOULD NOT).
 */
#include "event/attribute.h"

#include <stddef.h>
#include <string.h>
#include <weir/error.h>

#include "event/media.h"
#include "event/refusal.h"
#include "event/text.h"
#include "event/timestamp.h"

static const struct {
        const char *name;
        size_t size, offset;
} cores[WEIR_CORE_COUNT] = {
#define CORE(core, member)                                                                         \
        [WEIR_CORE_##core] = { #member, sizeof #member - 1, offsetof(struct weir_event, member) }
        CORE(SPECVERSION, specversion),
        CORE(ID, id),
        CORE(SOURCE, source),
        CORE(TYPE, type),
        CORE(SUBJECT, subject),
        CORE(TIME, time),
        CORE(DATACONTENTTYPE, datacontenttype),
        CORE(DATASCHEMA, dataschema),
#undef CORE
};

const char *weir_core_name(int core)
{
        return cores[core].name;
}

const struct weir_view *weir_core_view(const struct weir_event *event, int core)
{
        return (const struct weir_view *)((const char *)event + cores[core].offset);
}

int weir_core_of(const char *name, size_t size)
{
/* The sizes are constants here, so each comparison is an instruction or two. */
#define IS(core, text) (memcmp(name, (text), sizeof(text) - 1) == 0 ? (core) : WEIR_CORE_NONE)
        switch (size) {
        case 2: return IS(WEIR_CORE_ID, "id");
        case 4: return name[1] == 'y' ? IS(WEIR_CORE_TYPE, "type") : IS(WEIR_CORE_TIME, "time");
        case 6: return IS(WEIR_CORE_SOURCE, "source");
        case 7: return IS(WEIR_CORE_SUBJECT, "subject");
        case 10: return IS(WEIR_CORE_DATASCHEMA, "dataschema");
        case 11: return IS(WEIR_CORE_SPECVERSION, "specversion");
        case 15: return IS(WEIR_CORE_DATACONTENTTYPE, "datacontenttype");
        default: return WEIR_CORE_NONE;
        }
#undef IS
}

void weir_draft_init(struct weir_draft *draft, struct weir_event *event)
{
        draft->event = event;
        draft->extensions = NULL;
        draft->extension_room = 0;
        draft->index = NULL;
        draft->index_room = 0;
        draft->null_cores = 0;
        draft->null_extensions = 0;
        draft->repeat_equal = false;
        memset(event, 0, sizeof *event);
        event->size = sizeof *event;
        event->time_us = WEIR_TIME_NONE;
        event->offset = -1;
        event->record_time_ms = -1;
        event->partition = -1;
        event->attempt = 1;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int refuse_text(struct weir_draft *draft, struct weir_view name, struct weir_view value,
                       enum weir_text_fault fault, size_t at)
{
        struct weir_quote quote;
        const char *quoted = weir_quote(&quote, name.ptr, name.size);

        switch (fault) {
        case WEIR_TEXT_GOOD:
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "%s has %zu bytes, the limit is %u", quoted, value.size,
                                         draft->limits->attribute_bytes);
        case WEIR_TEXT_NOT_UTF8:
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_UTF8, at,
                                         "%s is not UTF-8 at byte %zu", quoted, at);
        case WEIR_TEXT_FORBIDDEN:
        default:
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE, at,
                                         "%s has a control character or noncharacter at byte %zu",
                                         quoted, at);
        }
}

static int check_text(struct weir_draft *draft, struct weir_view name, struct weir_view value)
{
        enum weir_text_fault fault;
        size_t at = 0;

        if (value.size > draft->limits->attribute_bytes)
                return refuse_text(draft, name, value, WEIR_TEXT_GOOD, 0);
        fault = weir_text_check(value.ptr, value.size, &at);
        return fault == WEIR_TEXT_GOOD ? 0 : refuse_text(draft, name, value, fault, at);
}

bool weir_integer_valid(struct weir_view text)
{
        const char *p = text.ptr, *end = p + text.size;
        int64_t value = 0;
        bool minus = p < end && *p == '-';

        p += minus;
        if (p == end || end - p > 10 || (*p == '0' && (end - p > 1 || minus)))
                return false;
        for (; p < end; p++) {
                if (*p < '0' || *p > '9')
                        return false;
                value = value * 10 + (*p - '0');
        }
        return minus ? value <= 2147483648 : value <= 2147483647;
}

/* RFC 3986: scheme ":" and then no character that a URI cannot have. */
static bool absolute_uri(struct weir_view uri, size_t *ret_at)
{
        size_t i = 0;

        for (; i < uri.size && uri.ptr[i] != ':'; i++) {
                char c = (char)(uri.ptr[i] | 0x20);
                bool later = (uri.ptr[i] >= '0' && uri.ptr[i] <= '9') || uri.ptr[i] == '+' ||
                             uri.ptr[i] == '-' || uri.ptr[i] == '.';

                if (!((c >= 'a' && c <= 'z') || (i > 0 && later)))
                        break;
        }
        *ret_at = i;
        if (i == 0 || i == uri.size || uri.ptr[i] != ':')
                return false;
        for (; i < uri.size; i++) {
                *ret_at = i;
                if (strchr(" \"<>\\^`{|}", uri.ptr[i]))
                        return false;
        }
        return true;
}

/* Nearly every value of these is good at first sight; what passes here is printable ASCII. */
static bool plainly_good(struct weir_draft *draft, int core, struct weir_view value)
{
        switch (core) {
        case WEIR_CORE_SPECVERSION: return value.size == 3 && memcmp(value.ptr, "1.0", 3) == 0;
        case WEIR_CORE_TIME:
                return weir_timestamp_parse(value.ptr, value.size, &draft->event->time_us, NULL) ==
                       0;
        case WEIR_CORE_DATACONTENTTYPE: return weir_media_type_is_plain(value);
        default: return weir_text_plain(value.ptr, value.size) && core != WEIR_CORE_DATASCHEMA;
        }
}

static int check_core(struct weir_draft *draft, int core, struct weir_view value)
{
        struct weir_quote quote;
        int64_t us;
        size_t at;

        switch (core) {
        case WEIR_CORE_SPECVERSION:
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_SPECVERSION, 0,
                                         "specversion %s, only 1.0 is spoken here",
                                         weir_quote(&quote, value.ptr, value.size));
        case WEIR_CORE_TIME:
                weir_timestamp_parse(value.ptr, value.size, &us, &at);
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_TIMESTAMP, at,
                                         "time %s is not RFC 3339 from byte %zu on",
                                         weir_quote(&quote, value.ptr, value.size), at);
        case WEIR_CORE_DATACONTENTTYPE:
                if (weir_media_type_valid(value, &at))
                        return 0;
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_CONTENT_TYPE, at,
                                         "datacontenttype %s is not a media type",
                                         weir_quote(&quote, value.ptr, value.size));
        case WEIR_CORE_DATASCHEMA:
                if (absolute_uri(value, &at))
                        return 0;
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_URI, at,
                                         "dataschema %s is not an absolute URI",
                                         weir_quote(&quote, value.ptr, value.size));
        default: return 0;
        }
}

static bool same(struct weir_view a, struct weir_view b)
{
        return a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

static int repeated(struct weir_draft *draft, struct weir_view name, struct weir_view old,
                    struct weir_view value)
{
        struct weir_quote quote;

        if (draft->repeat_equal && old.ptr && value.ptr && same(old, value))
                return 0;
        return weir_refusal_fill(draft->refusal, WEIR_REFUSED_DUPLICATE_ATTRIBUTE, 0,
                                 "%s occurs more than once",
                                 weir_quote(&quote, name.ptr, name.size));
}

/* Out of line, so that the common case pays for none of it. */
__attribute__((noinline, cold)) static int check_closely(struct weir_draft *draft, int core,
                                                         struct weir_view old,
                                                         struct weir_view value)
{
        const struct weir_view name = { cores[core].name, cores[core].size };
        int r;

        if (old.ptr || draft->null_cores >> core & 1)
                return repeated(draft, name, old, value);
        if (value.size == 0)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_EMPTY_ATTRIBUTE, 0,
                                         "%s is empty", name.ptr);
        r = check_text(draft, name, value);
        return r ? r : check_core(draft, core, value);
}

int weir_draft_put_core(struct weir_draft *draft, int core, struct weir_view value)
{
        struct weir_view *slot = (struct weir_view *)((char *)draft->event + cores[core].offset);
        int r = 0;

        if (slot->ptr || value.size == 0 || value.size > draft->limits->attribute_bytes ||
            draft->null_cores >> core & 1 || !plainly_good(draft, core, value))
                r = check_closely(draft, core, *slot, value);
        if (r || slot->ptr)
                return r;
        *slot = value;
        return 0;
}

/* ---- extensions ------------------------------------------------------------------------------ */

int weir_draft_check_name(struct weir_draft *draft, struct weir_view name)
{
        struct weir_quote quote;
        size_t i;

        for (i = 0; i < name.size; i++)
                if (!((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') ||
                      (name.ptr[i] >= '0' && name.ptr[i] <= '9')))
                        break;
        if (i < name.size || name.size == 0)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_ATTRIBUTE_NAME, i,
                                         "%s is not an attribute name: only a-z and 0-9",
                                         weir_quote(&quote, name.ptr, name.size));
        if (name.size > draft->limits->attribute_bytes)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "an attribute name of %zu bytes, the limit is %u",
                                         name.size, draft->limits->attribute_bytes);
        if (name.size == 4 && memcmp(name.ptr, "data", 4) == 0)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_ATTRIBUTE_NAME, 0,
                                         "no attribute may be called data");
        return 0;
}

#define SCAN_MAX 16 /* up to here comparing all is quicker than hashing one */

static uint32_t hash_of(struct weir_view name)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < name.size; i++)
                hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
        return hash ^ hash >> 15;
}

/* Slot of @name in the index: holds its number + 1, or 0 where it would go. */
static uint32_t *slot_of(const struct weir_draft *draft, struct weir_view name)
{
        size_t at = hash_of(name) & (draft->index_room - 1);

        while (draft->index[at] && !same(draft->extensions[draft->index[at] - 1].name, name))
                at = (at + 1) & (draft->index_room - 1);
        return &draft->index[at];
}

static int build_index(struct weir_draft *draft)
{
        size_t count = draft->event->extension_count, room = 64;

        while (room < count * 4)
                room *= 2;
        draft->index = weir_arena_alloc(draft->arena, room * sizeof *draft->index);
        if (!draft->index)
                return WEIR_ENOMEM;
        memset(draft->index, 0, room * sizeof *draft->index);
        draft->index_room = room;
        for (size_t i = 0; i < count; i++)
                *slot_of(draft, draft->extensions[i].name) = (uint32_t)i + 1;
        return 0;
}

/* *ret = the extension called @name, or NULL. 0 or WEIR_ENOMEM. */
static int find_extension(struct weir_draft *draft, struct weir_view name,
                          const struct weir_attribute **ret)
{
        size_t count = draft->event->extension_count;

        *ret = NULL;
        if (count <= SCAN_MAX) {
                for (size_t i = 0; i < count && !*ret; i++)
                        if (same(draft->extensions[i].name, name))
                                *ret = &draft->extensions[i];
                return 0;
        }
        if (count * 2 > draft->index_room) {
                int r = build_index(draft);

                if (r < 0)
                        return r;
        }
        if (*slot_of(draft, name))
                *ret = &draft->extensions[*slot_of(draft, name) - 1];
        return 0;
}

static int make_room(struct weir_draft *draft)
{
        size_t count = draft->event->extension_count;
        size_t room = count < 8 ? 8 : count * 2;
        struct weir_attribute *bigger;

        if (draft->extensions && count < draft->extension_room)
                return 0;
        if (!draft->extensions && draft->extension_room > 0)
                room = draft->extension_room; /* the caller knows how many there can be */
        bigger = weir_arena_alloc(draft->arena, room * sizeof *bigger);
        if (!bigger)
                return WEIR_ENOMEM;
        if (draft->extensions)
                memcpy(bigger, draft->extensions, count * sizeof *bigger);
        draft->extensions = bigger;
        draft->extension_room = room;
        return 0;
}

/* @value.ptr NULL = a JSON null, taken out again by weir_draft_finish(). */
static int put_extension(struct weir_draft *draft, struct weir_view name, struct weir_view value,
                         int type)
{
        const struct weir_attribute *old;
        size_t count = draft->event->extension_count;
        struct weir_quote quote;
        int r = weir_draft_check_name(draft, name);

        if (r)
                return r;
        r = find_extension(draft, name, &old);
        if (r)
                return r;
        if (old)
                return repeated(draft, name, old->value, value);
        if (count == draft->limits->attributes)
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_OVER_LIMIT, 0,
                                         "more than %u attributes", draft->limits->attributes);
        r = value.ptr ? check_text(draft, name, value) : 0;
        if (r)
                return r;
        if (type == WEIR_ATTRIBUTE_INTEGER && !weir_integer_valid(value))
                return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_INTEGER, 0,
                                         "%.40s is not an Integer of 32 bits",
                                         weir_quote(&quote, name.ptr, name.size));
        r = make_room(draft);
        if (r)
                return r;
        draft->extensions[count] = (struct weir_attribute){ name, value, type };
        draft->event->extension_count = count + 1;
        if (count >= SCAN_MAX && draft->index && count * 2 <= draft->index_room)
                *slot_of(draft, name) = (uint32_t)count + 1;
        return 0;
}

int weir_draft_put(struct weir_draft *draft, struct weir_view name, struct weir_view value,
                   int type)
{
        int core = weir_core_of(name.ptr, name.size);

        return core == WEIR_CORE_NONE ? put_extension(draft, name, value, type)
                                      : weir_draft_put_core(draft, core, value);
}

int weir_draft_put_null(struct weir_draft *draft, struct weir_view name)
{
        int core = weir_core_of(name.ptr, name.size), r;

        if (core == WEIR_CORE_NONE) {
                r = put_extension(draft, name, (struct weir_view){ NULL, 0 },
                                  WEIR_ATTRIBUTE_STRING);
                if (r == 0)
                        draft->null_extensions++;
                return r;
        }
        if (weir_core_view(draft->event, core)->ptr || draft->null_cores >> core & 1)
                return repeated(draft, name, name, name);
        draft->null_cores |= 1u << core;
        return 0;
}

static void drop_nulls(struct weir_draft *draft)
{
        size_t kept = 0;

        for (size_t i = 0; i < draft->event->extension_count; i++)
                if (draft->extensions[i].value.ptr)
                        draft->extensions[kept++] = draft->extensions[i];
        draft->event->extension_count = kept;
}

int weir_draft_finish(struct weir_draft *draft, size_t at)
{
        if (draft->null_extensions)
                drop_nulls(draft);
        draft->event->extensions = draft->extensions;
        if (draft->event->specversion.ptr && draft->event->id.ptr && draft->event->source.ptr &&
            draft->event->type.ptr)
                return 0;
        for (int core = WEIR_CORE_SPECVERSION; core <= WEIR_CORE_TYPE; core++)
                if (!weir_core_view(draft->event, core)->ptr)
                        return weir_refusal_fill(draft->refusal, WEIR_REFUSED_MISSING_ATTRIBUTE, at,
                                                 "%s is missing", cores[core].name);
        return 0;
}
