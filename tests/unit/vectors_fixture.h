/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_VECTORS_FIXTURE_H
#define WEIR_TEST_VECTORS_FIXTURE_H
/*
 * vectors_fixture - what vectors say, compared with what weir made of them
 *
 * The rules of comparison stand in the README beside the vectors. JSON is compared as slices: numbers by their decimal
 * digits, never through a double, or the tests could not see what they are there for.
 */
#include <check.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "event/attribute.h"
#include "event/base64.h"
#include "event/cursor.h"
#include "event/decode.h"
#include "event/encode.h"
#include "event/key.h"
#include "event/media.h"
#include "event/timestamp.h"
#include "side/webhook.h"

static struct shared {
        unsigned refused, class_equal, class_allowed;
} * shared; /* seen by the forked tests */
static struct weir_arena arena;
static char why[400];

__attribute__((format(printf, 1, 2))) static inline bool differ(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        vsnprintf(why, sizeof why, format, ap);
        va_end(ap);
        return false;
}

/* ---- JSON slices ------------------------------------------------------------------------------ */

static inline struct weir_view text_of(struct weir_view slice)
{
        struct weir_view raw = weir_json_inside(slice);
        char *out = weir_arena_alloc(&arena, raw.size + 1);
        size_t at, size = weir_json_unescape(raw, out, SIZE_MAX, &at);

        ck_assert_msg(slice.ptr[0] == '"' && size != SIZE_MAX, "not a string: %.60s", slice.ptr);
        out[size] = '\0';
        return (struct weir_view){ out, size };
}

static inline bool same(struct weir_view a, struct weir_view b)
{
        return a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

static inline bool is(struct weir_view a, const char *text)
{
        return a.ptr && a.size == strlen(text) && memcmp(a.ptr, text, a.size) == 0;
}

/* The member called @name; ptr NULL = there is none. */
static inline struct weir_view member(struct weir_view object, const char *name)
{
        struct weir_cursor cursor;
        struct weir_view raw, value;

        if (!object.ptr || object.ptr[0] != '{')
                return (struct weir_view){ NULL, 0 };
        weir_cursor_open(&cursor, object);
        while (weir_cursor_member(&cursor, &raw, &value))
                if (is(raw, name))
                        return value;
        return (struct weir_view){ NULL, 0 };
}

static inline size_t length(struct weir_view array)
{
        struct weir_cursor cursor;
        struct weir_view value;
        size_t count = 0;

        if (array.ptr && array.ptr[0] == '[')
                for (weir_cursor_open(&cursor, array); weir_cursor_element(&cursor, &value);)
                        count++;
        return count;
}

static inline struct weir_view bytes_of(struct weir_view slice)
{
        struct weir_view text;
        size_t size, at;
        char *out;

        if (!slice.ptr || slice.ptr[0] == 'n')
                return (struct weir_view){ NULL, 0 };
        text = text_of(slice);
        out = weir_arena_alloc(&arena, text.size + 1);
        ck_assert_int_eq(weir_base64_decode(text.ptr, text.size, out, &size, &at), 0);
        out[size] = '\0';
        return (struct weir_view){ out, size };
}

/* A number as its digits without zeros at either end, and the power of ten behind the last one. */
static inline struct weir_view decimal(struct weir_view number, long *ret_exponent, bool *ret_minus)
{
        char *digits = weir_arena_alloc(&arena, number.size + 1);
        size_t used = 0, i = 0;
        long exponent = 0;
        bool fraction = false;

        *ret_minus = number.ptr[0] == '-';
        for (i = *ret_minus; i < number.size; i++) {
                if (number.ptr[i] == '.') {
                        fraction = true;
                } else if (number.ptr[i] == 'e' || number.ptr[i] == 'E') {
                        char *copy = weir_arena_copy(&arena, number.ptr + i + 1,
                                                     number.size - i - 1);

                        exponent += strtol(copy, NULL, 10);
                        break;
                } else {
                        exponent -= fraction;
                        if (used || number.ptr[i] != '0')
                                digits[used++] = number.ptr[i];
                }
        }
        while (used && digits[used - 1] == '0') {
                used--;
                exponent++;
        }
        *ret_exponent = used ? exponent : 0;
        *ret_minus = used && *ret_minus;
        return (struct weir_view){ digits, used };
}

static inline bool json_equal(struct weir_view a, struct weir_view b);

static inline bool objects_equal(struct weir_view a, struct weir_view b)
{
        struct weir_cursor left, right;
        struct weir_view name, value, other_name, other;
        size_t count = 0;

        for (weir_cursor_open(&left, a); weir_cursor_member(&left, &name, &value); count++) {
                bool found = false;
                struct weir_view wanted = text_of(
                        (struct weir_view){ name.ptr - 1, name.size + 2 });

                weir_cursor_open(&right, b);
                while (!found && weir_cursor_member(&right, &other_name, &other))
                        found = same(wanted, text_of((struct weir_view){ other_name.ptr - 1,
                                                                         other_name.size + 2 })) &&
                                json_equal(value, other);
                if (!found)
                        return false;
        }
        for (weir_cursor_open(&right, b); weir_cursor_member(&right, &other_name, &other);)
                count--;
        return count == 0;
}

static inline bool json_equal(struct weir_view a, struct weir_view b)
{
        struct weir_cursor left, right;
        struct weir_view x, y;
        long exponent_a, exponent_b;
        bool minus_a, minus_b;

        if (strchr("-0123456789", a.ptr[0]) && strchr("-0123456789", b.ptr[0]))
                return same(decimal(a, &exponent_a, &minus_a), decimal(b, &exponent_b, &minus_b)) &&
                       exponent_a == exponent_b && minus_a == minus_b;
        if (a.ptr[0] != b.ptr[0])
                return false;
        switch (a.ptr[0]) {
        case '"': return same(text_of(a), text_of(b));
        case '{': return objects_equal(a, b);
        case '[':
                if (length(a) != length(b))
                        return false;
                weir_cursor_open(&left, a);
                weir_cursor_open(&right, b);
                while (weir_cursor_element(&left, &x) && weir_cursor_element(&right, &y))
                        if (!json_equal(x, y))
                                return false;
                return true;
        default: return same(a, b);
        }
}

static inline bool bytes_equal(struct weir_view got, struct weir_view wanted, bool as_json)
{
        struct weir_refusal refusal;
        struct weir_json_scan scan;
        static const struct weir_limits wide = { .depth = 1000,
                                                 .nodes = 1u << 20,
                                                 .json_bytes = 1u << 30 };

        if (!got.ptr || !wanted.ptr)
                return got.ptr == wanted.ptr;
        if (same(got, wanted))
                return true;
        return as_json && weir_json_scan(got, &wide, 0, &scan, &refusal) == 0 &&
               weir_json_scan(wanted, &wide, 0, &scan, &refusal) == 0 &&
               json_equal(weir_json_trim(got), weir_json_trim(wanted));
}

/* @got against @wanted and every element of @others (an array of base64, or nothing). */
static inline bool bytes_match(struct weir_view got, struct weir_view wanted,
                               struct weir_view others, bool as_json)
{
        struct weir_cursor cursor;
        struct weir_view slice;

        if (bytes_equal(got, bytes_of(wanted), as_json))
                return true;
        if (others.ptr)
                for (weir_cursor_open(&cursor, others); weir_cursor_element(&cursor, &slice);)
                        if (bytes_equal(got, bytes_of(slice), as_json))
                                return true;
        return differ("data differs, got %zu bytes: %.100s", got.size,
                      got.ptr ? got.ptr : "(none)");
}

/* ---- events ----------------------------------------------------------------------------------- */

struct taken {
        struct weir_event events[256];
        size_t count;
};

static inline int take(void *context, const struct weir_event *event)
{
        struct taken *taken = context;

        ck_assert_uint_lt(taken->count, 256);
        taken->events[taken->count++] = *event;
        return 0;
}

static inline const struct weir_view *attribute(const struct weir_event *event,
                                                struct weir_view name)
{
        int core = weir_core_of(name.ptr, name.size);

        if (core != WEIR_CORE_NONE)
                return weir_core_view(event, core)->ptr ? weir_core_view(event, core) : NULL;
        for (size_t i = 0; i < event->extension_count; i++)
                if (same(event->extensions[i].name, name))
                        return &event->extensions[i].value;
        return NULL;
}

static inline bool attribute_matches(struct weir_view name, struct weir_view got,
                                     struct weir_view slice)
{
        struct weir_view wanted = slice.ptr[0] == '"' ? text_of(slice) : slice;
        int64_t us, wanted_us;

        if (is(name, "time")) {
                if (weir_timestamp_parse(got.ptr, got.size, &us, NULL) == 0 &&
                    weir_timestamp_parse(wanted.ptr, wanted.size, &wanted_us, NULL) == 0 &&
                    us == wanted_us)
                        return true;
        } else if (same(got, wanted)) {
                return true;
        }
        return differ("%.*s is %.80s", (int)name.size, name.ptr, got.ptr);
}

static inline bool event_matches(const struct weir_event *event, struct weir_view wanted)
{
        struct weir_view name, slice, optional = member(wanted, "_optional_attrs");
        struct weir_cursor cursor;
        size_t known = 0, got = event->extension_count;

        for (int core = 0; core < WEIR_CORE_COUNT; core++)
                got += weir_core_view(event, core)->ptr != NULL;
        for (size_t i = 0; i < event->extension_count; i++)
                if (event->extensions[i].value.ptr[event->extensions[i].value.size] ||
                    event->extensions[i].name.ptr[event->extensions[i].name.size])
                        return differ("no NUL behind an extension");
        for (weir_cursor_open(&cursor, wanted); weir_cursor_member(&cursor, &name, &slice);) {
                const struct weir_view *value;

                if (name.ptr[0] == '_' || is(name, "data_base64"))
                        continue;
                value = attribute(event, name);
                if (!value)
                        return differ("%.*s is missing", (int)name.size, name.ptr);
                if (value->ptr[value->size])
                        return differ("no NUL behind %.*s", (int)name.size, name.ptr);
                if (!attribute_matches(name, *value, slice))
                        return false;
                known++;
        }
        if (optional.ptr)
                for (weir_cursor_open(&cursor, optional);
                     weir_cursor_member(&cursor, &name, &slice);) {
                        const struct weir_view *value = attribute(event, name);

                        if (value && !attribute_matches(name, *value, slice))
                                return false;
                        known += value != NULL;
                }
        if (known != got)
                return differ("%zu attributes where %zu were expected", got, known);
        return bytes_match(event->data, member(wanted, "data_base64"), member(wanted, "_data_alt"),
                           is(member(wanted, "_data_cmp"), "\"json\""));
}

static inline bool events_match(const struct taken *taken, struct weir_view wanted)
{
        struct weir_cursor cursor;
        struct weir_view slice;
        size_t i = 0;

        if (length(wanted) != taken->count)
                return differ("%zu events", taken->count);
        for (weir_cursor_open(&cursor, wanted); weir_cursor_element(&cursor, &slice); i++)
                if (!event_matches(&taken->events[i], slice))
                        return false;
        return true;
}

static inline bool refusal_counts(struct weir_view expect, int klass)
{
        struct weir_view wanted = member(expect, "error"), others = member(expect, "error_alt"),
                         slice;
        const char *name = weir_refusal_name(klass);
        struct weir_cursor cursor;
        bool equal = wanted.ptr && is(text_of(wanted), name), allowed = false;

        if (others.ptr)
                for (weir_cursor_open(&cursor, others); weir_cursor_element(&cursor, &slice);)
                        allowed = allowed || is(text_of(slice), name);
        __atomic_add_fetch(&shared->refused, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&shared->class_equal, equal, __ATOMIC_RELAXED);
        __atomic_add_fetch(&shared->class_allowed, !equal && allowed, __ATOMIC_RELAXED);
        if (!equal)
                fprintf(stderr, "class: got %s, the vector says %.*s\n", name, (int)wanted.size,
                        wanted.ptr);
        return true;
}

#endif
