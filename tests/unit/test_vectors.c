/* SPDX-License-Identifier: MIT */
/*
 * vectors - every line of tests/vectors/cloudevents.jsonl and of awkward.jsonl beside it is one test
 *
 * The rules of comparison stand in the README beside the file. JSON is compared as slices: numbers by
 * their decimal digits, never through a double, or the tests could not see what they are there for.
 * Another file: WEIR_VECTORS=path, or as the only argument.
 */
#include <check.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

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

static struct weir_view *lines;
static size_t line_count;
static struct shared {
        unsigned refused, class_equal, class_allowed;
} * shared; /* seen by the forked tests */
static struct weir_arena arena;
static char why[400];

__attribute__((format(printf, 1, 2))) static bool differ(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        vsnprintf(why, sizeof why, format, ap);
        va_end(ap);
        return false;
}

/* ---- JSON slices ------------------------------------------------------------------------------ */

static struct weir_view text_of(struct weir_view slice)
{
        struct weir_view raw = weir_json_inside(slice);
        char *out = weir_arena_alloc(&arena, raw.size + 1);
        size_t at, size = weir_json_unescape(raw, out, SIZE_MAX, &at);

        ck_assert_msg(slice.ptr[0] == '"' && size != SIZE_MAX, "not a string: %.60s", slice.ptr);
        out[size] = '\0';
        return (struct weir_view){ out, size };
}

static bool same(struct weir_view a, struct weir_view b)
{
        return a.size == b.size && memcmp(a.ptr, b.ptr, a.size) == 0;
}

static bool is(struct weir_view a, const char *text)
{
        return a.ptr && a.size == strlen(text) && memcmp(a.ptr, text, a.size) == 0;
}

/* The member called @name; ptr NULL = there is none. */
static struct weir_view member(struct weir_view object, const char *name)
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

static size_t length(struct weir_view array)
{
        struct weir_cursor cursor;
        struct weir_view value;
        size_t count = 0;

        if (array.ptr && array.ptr[0] == '[')
                for (weir_cursor_open(&cursor, array); weir_cursor_element(&cursor, &value);)
                        count++;
        return count;
}

static struct weir_view bytes_of(struct weir_view slice)
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
static struct weir_view decimal(struct weir_view number, long *ret_exponent, bool *ret_minus)
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

static bool json_equal(struct weir_view a, struct weir_view b);

static bool objects_equal(struct weir_view a, struct weir_view b)
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

static bool json_equal(struct weir_view a, struct weir_view b)
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

static bool bytes_equal(struct weir_view got, struct weir_view wanted, bool as_json)
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
static bool bytes_match(struct weir_view got, struct weir_view wanted, struct weir_view others,
                        bool as_json)
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

static int take(void *context, const struct weir_event *event)
{
        struct taken *taken = context;

        ck_assert_uint_lt(taken->count, 256);
        taken->events[taken->count++] = *event;
        return 0;
}

static const struct weir_view *attribute(const struct weir_event *event, struct weir_view name)
{
        int core = weir_core_of(name.ptr, name.size);

        if (core != WEIR_CORE_NONE)
                return weir_core_view(event, core)->ptr ? weir_core_view(event, core) : NULL;
        for (size_t i = 0; i < event->extension_count; i++)
                if (same(event->extensions[i].name, name))
                        return &event->extensions[i].value;
        return NULL;
}

static bool attribute_matches(struct weir_view name, struct weir_view got, struct weir_view slice)
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

static bool event_matches(const struct weir_event *event, struct weir_view wanted)
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

static bool events_match(const struct taken *taken, struct weir_view wanted)
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

static bool refusal_counts(struct weir_view expect, int klass)
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

/* ---- the kinds of vectors ---------------------------------------------------------------------- */

static struct weir_message message_of(struct weir_view vector)
{
        struct weir_view list = member(vector, "headers"), pair, slice;
        struct weir_header *headers = weir_arena_alloc(&arena,
                                                       (length(list) + 1) * sizeof *headers);
        struct weir_message message = { .key = bytes_of(member(vector, "key")),
                                        .value = bytes_of(member(vector, "value")),
                                        .headers = headers };
        struct weir_cursor cursor, inner;

        for (weir_cursor_open(&cursor, list); weir_cursor_element(&cursor, &pair);) {
                struct weir_view value;

                weir_cursor_open(&inner, pair);
                weir_cursor_element(&inner, &slice);
                headers[message.header_count].name = text_of(slice).ptr;
                weir_cursor_element(&inner, &slice);
                value = bytes_of(slice);
                headers[message.header_count].value = value.ptr;
                headers[message.header_count++].size = value.size;
        }
        return message;
}

static bool run_decode(struct weir_view vector, struct weir_view mode, struct weir_view expect)
{
        struct weir_decoder decoder = { .arena = &arena };
        struct weir_message message = message_of(vector);
        struct weir_refusal refusal = { 0 };
        static struct taken taken;
        bool either = is(member(expect, "either"), "true");
        int how = -1, r;

        taken.count = 0;
        decoder.accept_json_batch = is(member(vector, "requires"), "\"json-batch\"") ||
                                    is(mode, "batch");
        r = (strncmp(mode.ptr, "http", 4) == 0
                     ? weir_decode_http
                     : weir_decode_kafka)(&decoder, &message, take, &taken, &how, &refusal);
        if (r < 0 || (r == 1 && (taken.count || refusal.klass == WEIR_REFUSED_NOT)))
                return differ("returned %d with %zu events", r, taken.count);
        if (r == 1) {
                if (either)
                        return true;
                if (is(member(expect, "ok"), "true"))
                        return differ("refused: %s", refusal.reason);
                return refusal_counts(expect, refusal.klass);
        }
        if (member(expect, "mode").ptr && !is(text_of(member(expect, "mode")), weir_mode_name(how)))
                return differ("mode %s", weir_mode_name(how));
        if (either) {
                struct weir_view if_ok = member(expect, "if_ok");

                if (if_ok.ptr && if_ok.ptr[0] == '{')
                        if_ok = member(if_ok, "events");
                return !if_ok.ptr || events_match(&taken, if_ok);
        }
        if (!is(member(expect, "ok"), "true"))
                return differ("accepted");
        return events_match(&taken, member(expect, "events"));
}

static void event_of(struct weir_view object, struct weir_event *event)
{
        struct weir_attribute *extensions = weir_arena_alloc(&arena, (1 + object.size / 4) *
                                                                             sizeof *extensions);
        struct weir_view name, slice;
        struct weir_cursor cursor;

        *event = (struct weir_event){ .size = sizeof *event, .extensions = extensions };
        for (weir_cursor_open(&cursor, object); weir_cursor_member(&cursor, &name, &slice);) {
                int core = weir_core_of(name.ptr, name.size), type = WEIR_ATTRIBUTE_STRING;
                struct weir_view value;

                if (is(name, "data_base64")) {
                        event->data = bytes_of(slice);
                        continue;
                }
                if (slice.ptr[0] == '"') {
                        value = text_of(slice);
                } else {
                        type = slice.ptr[0] == 't' || slice.ptr[0] == 'f' ? WEIR_ATTRIBUTE_BOOLEAN
                                                                          : WEIR_ATTRIBUTE_INTEGER;
                        value.ptr = weir_arena_copy(&arena, slice.ptr, slice.size);
                        value.size = slice.size;
                }
                if (core != WEIR_CORE_NONE)
                        *(struct weir_view *)(uintptr_t)weir_core_view(event, core) = value;
                else
                        extensions[event->extension_count++] = (struct weir_attribute){
                                { weir_arena_copy(&arena, name.ptr, name.size), name.size },
                                value,
                                type
                        };
        }
        if (event->data.ptr)
                event->data_kind = !event->datacontenttype.ptr ? WEIR_DATA_BINARY
                                   : weir_media_type_is_json(event->datacontenttype)
                                           ? WEIR_DATA_JSON
                                   : strncmp(event->datacontenttype.ptr, "text/", 5) == 0
                                           ? WEIR_DATA_TEXT
                                           : WEIR_DATA_BINARY;
}

static bool headers_match(const struct weir_encoded *record, struct weir_view wanted, bool http)
{
        struct weir_cursor cursor, inner;
        struct weir_view pair, slice;

        if (length(wanted) != record->header_count)
                return differ("%zu headers", record->header_count);
        for (weir_cursor_open(&cursor, wanted); weir_cursor_element(&cursor, &pair);) {
                struct weir_view name, value;
                size_t i = 0;

                weir_cursor_open(&inner, pair);
                weir_cursor_element(&inner, &slice);
                name = text_of(slice);
                weir_cursor_element(&inner, &slice);
                value = bytes_of(slice);
                while (i < record->header_count &&
                       (http ? strcasecmp : strcmp)(record->headers[i].name, name.ptr) != 0)
                        i++;
                if (i == record->header_count)
                        return differ("no header %s", name.ptr);
                if (!same(value,
                          (struct weir_view){ record->headers[i].value, record->headers[i].size }))
                        return differ("header %s is %s", name.ptr, record->headers[i].value);
        }
        return true;
}

static bool run_encode(struct weir_view mode, struct weir_view input, struct weir_view expect)
{
        struct weir_view options = member(input, "options"), record = member(expect, "record");
        struct weir_encode_options chosen = {
                .key_from_partitionkey = is(member(options, "key_mapper"), "\"partitionkey\""),
                .key = bytes_of(member(options, "key_base64")),
        };
        bool http = is(mode, "encode-http-binary");
        struct weir_refusal refusal = { 0 };
        struct weir_encoded encoded;
        struct weir_event event;
        int r;

        event_of(member(input, "event"), &event);
        if (http)
                r = weir_encode_http_binary(&arena, &event, &encoded, &refusal);
        else if (is(mode, "encode-kafka-binary"))
                r = weir_encode_kafka_binary(&arena, &event, &chosen, &encoded, &refusal);
        else if (is(mode, "encode-kafka-structured"))
                r = weir_encode_kafka_structured(&arena, &event, &chosen, &encoded, &refusal);
        else
                return differ("unknown mode");
        if (r == 1)
                return is(member(expect, "ok"), "false") ? refusal_counts(expect, refusal.klass)
                                                         : differ("refused: %s", refusal.reason);
        if (r < 0 || !is(member(expect, "ok"), "true"))
                return differ("returned %d", r);
        if (!bytes_equal(encoded.key, bytes_of(member(record, "key")), false))
                return differ("key differs");
        return headers_match(&encoded, member(record, "headers"), http) &&
               bytes_match(encoded.value, member(record, "value"), member(record, "value_alt"),
                           is(member(record, "value_cmp"), "\"json\""));
}

static bool run_dedup(struct weir_view input, struct weir_view expect)
{
        const struct weir_view worker = { "w", 1 };
        struct weir_event first, second;
        struct weir_key a, b;

        event_of(member(input, "first"), &first);
        event_of(member(input, "second"), &second);
        ck_assert_int_eq(weir_key_of(worker, &first, &a), 0);
        ck_assert_int_eq(weir_key_of(worker, &second, &b), 0);
        return (memcmp(&a, &b, sizeof a) == 0) == is(member(expect, "duplicate"), "true") ||
               differ("the other verdict");
}

/* The value of an HTTP header; NULL = there is none. */
static const char *header_of(const struct weir_message *message, const char *name)
{
        for (size_t i = 0; i < message->header_count; i++)
                if (strcasecmp(message->headers[i].name, name) == 0)
                        return message->headers[i].value;
        return NULL;
}

static long number_of(struct weir_view slice)
{
        return slice.ptr && slice.ptr[0] != 'n' ? strtol(slice.ptr, NULL, 10) : -1;
}

/* Does the member @name, or one of the elements of @name_alt, read @got? */
static bool one_of(struct weir_view expect, const char *name, const char *others, const char *got)
{
        struct weir_view alternatives = member(expect, others), slice;
        struct weir_cursor cursor;

        if (is(member(expect, name), got))
                return true;
        if (alternatives.ptr)
                for (weir_cursor_open(&cursor, alternatives); weir_cursor_element(&cursor, &slice);)
                        if (is(slice, got))
                                return true;
        return differ("%s is %s", name, got);
}

static bool run_webhook_sender(struct weir_view vector, struct weir_view input,
                               struct weir_view expect)
{
        struct weir_message message = message_of(vector);
        int status = (int)number_of(member(input, "status"));
        enum weir_webhook_action action = weir_webhook_action_of(status);
        const char *word = action == WEIR_WEBHOOK_DELIVERED ? "\"delivered\""
                           : action == WEIR_WEBHOOK_RETRY   ? "\"retry\""
                           : action == WEIR_WEBHOOK_RETIRED ? "\"retire\""
                           : status < 400                   ? "\"fail-no-follow\""
                                                            : "\"permanent-failure\"";
        int64_t wait_s = weir_webhook_retry_after_s(header_of(&message, "retry-after"),
                                                    header_of(&message, "date"), 0);

        if (!one_of(expect, "action", "action_alt", word))
                return false;
        return wait_s == number_of(member(expect, "not_before_s")) ||
               differ("a wait of %lld s", (long long)wait_s);
}

static bool run_webhook_options(struct weir_view vector, struct weir_view input,
                                struct weir_view expect)
{
        struct weir_message message = message_of(vector);
        struct weir_view origin = text_of(member(input, "request_origin"));
        struct weir_webhook_grant grant = weir_webhook_grant_of(origin.ptr,
                                                                header_of(&message,
                                                                          "webhook-allowed-origin"),
                                                                header_of(&message,
                                                                          "webhook-allowed-rate"));
        char rate[32];

        snprintf(rate, sizeof rate, "%lld", (long long)grant.rate_per_minute);
        return one_of(expect, "granted", "granted_alt", grant.granted ? "true" : "false") &&
               one_of(expect, "rate_per_min", "rate_alt",
                      grant.rate_per_minute < 0    ? "\"*\""
                      : grant.rate_per_minute == 0 ? "null"
                                                   : rate);
}

START_TEST(a_vector_holds)
{
        struct weir_view vector = lines[_i], mode, expect = member(vector, "expect"), name;
        bool good;

        weir_arena_init(&arena, 1 << 20);
        mode = text_of(member(vector, "mode"));
        name = text_of(member(vector, "name"));
        if (strncmp(mode.ptr, "encode-", 7) == 0)
                good = run_encode(mode, member(vector, "input"), expect);
        else if (is(mode, "webhook-sender"))
                good = run_webhook_sender(vector, member(vector, "input"), expect);
        else if (is(mode, "webhook-options"))
                good = run_webhook_options(vector, member(vector, "input"), expect);
        else if (is(mode, "dedup"))
                good = run_dedup(member(vector, "input"), expect);
        else
                good = run_decode(vector, mode, expect);
        ck_assert_msg(good, "%s: %s", name.ptr, why);
        weir_arena_fini(&arena);
}
END_TEST

static int load(const char *path)
{
        static const struct weir_limits wide = { .depth = 1000,
                                                 .nodes = 1u << 20,
                                                 .json_bytes = 1u << 30 };
        FILE *file = fopen(path, "r");
        char *line = NULL;
        size_t room = 0;
        ssize_t size;

        if (!file) {
                perror(path);
                return -1;
        }
        while ((size = getline(&line, &room, file)) > 0) {
                struct weir_view text = { line, (size_t)size };
                struct weir_refusal refusal;
                struct weir_json_scan scan;

                if (weir_json_scan(text, &wide, 0, &scan, &refusal)) {
                        fprintf(stderr, "%s: %s\n", path, refusal.reason);
                        return -1;
                }
                lines = reallocarray(lines, line_count + 1, sizeof *lines);
                lines[line_count++] = weir_json_trim(text);
                line = NULL; /* kept */
                room = 0;
        }
        free(line);
        fclose(file);
        return line_count ? 0 : -1;
}

static size_t count_mode(size_t begin, size_t end, const char *mode)
{
        size_t found = 0;

        weir_arena_init(&arena, 1 << 16);
        for (size_t i = begin; i < end; i++)
                found += is(text_of(member(lines[i], "mode")), mode);
        weir_arena_fini(&arena);
        return found;
}

#define DIRECTORY "tests/vectors/"

static struct {
        const char *name;
        size_t begin, end;
} files[] = { { "cloudevents.jsonl", 0, 0 }, { "awkward.jsonl", 0, 0 } };

/* A file that was cut short would pass with what is left of it, and one whose lines name another mode would no longer
 * ask what they were made for. So the numbers are written down beside it, mode by mode. */
START_TEST(a_file_of_vectors_is_whole)
{
        size_t number, sum = 0, count = files[_i].end - files[_i].begin;
        char name[64], mode[64];
        FILE *file = fopen(DIRECTORY "COUNTS", "r");

        ck_assert_ptr_nonnull(file);
        while (fscanf(file, "%63s %63s %zu", name, mode, &number) == 3) {
                size_t found;

                if (strcmp(name, files[_i].name) != 0)
                        continue;
                found = count_mode(files[_i].begin, files[_i].end, mode);
                sum += number;
                ck_assert_msg(found == number,
                              DIRECTORY "%s has %zu vectors of mode %s, COUNTS says %zu: %s", name,
                              found, mode, number,
                              found < number ? "some are missing" : "write the new number there");
        }
        fclose(file);
        ck_assert_msg(sum == count,
                      DIRECTORY "%s has %zu vectors, its modes in COUNTS add up to %zu",
                      files[_i].name, count, sum);
}
END_TEST

static int load_all(void)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(files); i++) {
                char path[300];

                files[i].begin = line_count;
                snprintf(path, sizeof path, DIRECTORY "%s", files[i].name);
                if (load(path) < 0)
                        return -1;
                files[i].end = line_count;
        }
        return 0;
}

int main(int argc, char **argv)
{
        const char *path = argc > 1 ? argv[1] : getenv("WEIR_VECTORS");
        Suite *suite = suite_create("vectors");
        TCase *tcase = tcase_create("cloudevents");
        SRunner *runner = srunner_create(suite);
        int failed;

        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        if (shared == MAP_FAILED || (path ? load(path) : load_all()) < 0)
                return EXIT_FAILURE;
        suite_add_tcase(suite, tcase);
        if (!path)
                tcase_add_loop_test(tcase, a_file_of_vectors_is_whole, 0, WEIR_COUNT_OF(files));
        tcase_add_loop_test(tcase, a_vector_holds, 0, (int)line_count);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        printf("vectors: %zu run; %u refusals: %u of the named class, %u of an allowed one, %u of "
               "another\n",
               line_count, shared->refused, shared->class_equal, shared->class_allowed,
               shared->refused - shared->class_equal - shared->class_allowed);
        srunner_free(runner);
        for (size_t i = 0; i < line_count; i++)
                free((void *)((uintptr_t)lines[i].ptr));
        free(lines);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
