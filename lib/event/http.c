/* SPDX-License-Identifier: MIT */
/*
 * http - binary mode over HTTP: names without case, values quoted and percent-encoded
 *
 * A value is read as the binding says (3.1.3.2): white space around it is not part of it, quoted
 * strings are opened, then exactly one round of percent-decoding. Several SDKs send raw text, so a
 * percent sign without two hexadecimal digits stands for itself. What comes out must be a String like
 * any other: invalid UTF-8 and control characters (header injection) are refused there.
 *
 * Not done    repeated ce- headers are not joined: a proxy may have made "a, b" of two, nobody can
 *             tell which was meant.
 */
#include <stdint.h>
#include <string.h>
#include <weir/error.h>

#include "event/modes.h"
#include "event/refusal.h"
#include "event/text.h"

static bool is_space(char c)
{
        return c == ' ' || c == '\t';
}

static struct weir_view trim(struct weir_view value)
{
        while (value.size && is_space(value.ptr[0])) {
                value.ptr++;
                value.size--;
        }
        while (value.size && is_space(value.ptr[value.size - 1]))
                value.size--;
        return value;
}

/* The characters of a value with its quoted strings opened. */
struct unquote {
        struct weir_view value;
        size_t at;
        bool quoted;
};

/* The next character and where it stands; -1 = end, -2 = a quoted string that does not end. */
static int unquote_next(struct unquote *u, size_t *ret_at)
{
        while (u->at < u->value.size) {
                char c = u->value.ptr[u->at];

                if (c == '"') {
                        u->quoted = !u->quoted;
                        u->at++;
                        continue;
                }
                if (c == '\\' && u->quoted) {
                        if (++u->at == u->value.size)
                                return -2;
                        c = u->value.ptr[u->at];
                }
                *ret_at = u->at++;
                return (unsigned char)c;
        }
        *ret_at = u->at;
        return u->quoted ? -2 : -1;
}

static int hex(int c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                return (c | 0x20) - 'a' + 10;
        return -1;
}

/* Decode into @out (room for value.size) until @stop bytes are there. Returns their number, *ret_at =
 * where the next one would come from; SIZE_MAX = a quoted string that does not end. */
static size_t decode_value(struct weir_view value, char *out, size_t stop, size_t *ret_at)
{
        struct unquote u = { value, 0, false };
        size_t used = 0, ignored;

        for (;;) {
                int c = unquote_next(&u, ret_at);

                if (c == -2)
                        return SIZE_MAX;
                if (c == -1 || used == stop)
                        return used;
                if (c == '%') {
                        struct unquote ahead = u;
                        int high = hex(unquote_next(&ahead, &ignored));
                        int low = high < 0 ? -1 : hex(unquote_next(&ahead, &ignored));

                        if (low >= 0) {
                                c = high << 4 | low;
                                u = ahead;
                        }
                }
                out[used++] = (char)c;
        }
}

static int put_header(struct weir_draft *draft, struct weir_view name, struct weir_view raw)
{
        struct weir_view value = trim(raw);
        size_t before = (size_t)(value.ptr - raw.ptr), at = 0;
        char *lower = weir_arena_copy(draft->arena, name.ptr, name.size), *decoded = NULL;
        struct weir_quote quote;
        int r;

        if (!lower)
                return WEIR_ENOMEM;
        for (size_t i = 0; i < name.size; i++)
                if (lower[i] >= 'A' && lower[i] <= 'Z')
                        lower[i] = (char)(lower[i] + 32);
        name.ptr = lower;
        if (value.size != raw.size || memchr(value.ptr, '%', value.size) ||
            memchr(value.ptr, '"', value.size)) {
                decoded = weir_arena_alloc(draft->arena, value.size + 1);
                if (!decoded)
                        return WEIR_ENOMEM;
                raw = value;
                value.size = decode_value(raw, decoded, SIZE_MAX - 1, &at);
                if (value.size == SIZE_MAX)
                        return weir_refusal_fill(draft->refusal, WEIR_REFUSED_BAD_ATTRIBUTE_VALUE,
                                                 before + at, "%s: a quoted string does not end",
                                                 weir_quote(&quote, name.ptr, name.size));
                decoded[value.size] = '\0';
                value.ptr = decoded;
        }
        r = weir_draft_put(draft, name, value, WEIR_ATTRIBUTE_STRING);
        if (r == 1 && decoded && draft->refusal &&
            draft->refusal->klass != WEIR_REFUSED_BAD_ATTRIBUTE_NAME) {
                decode_value(raw, decoded, draft->refusal->at, &at);
                draft->refusal->at = before + at;
        }
        return r;
}

int weir_http_decode(struct weir_arena *arena, const struct weir_limits *limits,
                     const struct weir_message *message, struct weir_view content_type,
                     struct weir_event *event, struct weir_refusal *refusal)
{
        struct weir_draft draft = { .arena = arena, .limits = limits, .refusal = refusal };
        struct weir_view second_type = { NULL, 0 };

        weir_draft_init(&draft, event);
        draft.extension_room = message->header_count;
        for (size_t i = 0; i < message->header_count; i++) {
                const struct weir_header *header = &message->headers[i];
                struct weir_view name, value = { header->value, header->size };
                int r;

                if (!header->value || strlen(header->name) < 3 ||
                    !weir_text_is(header->name, 3, "ce-"))
                        continue;
                name = (struct weir_view){ header->name + 3, strlen(header->name + 3) };
                if (weir_text_is(name.ptr, name.size, "datacontenttype")) {
                        second_type = value;
                        continue;
                }
                r = put_header(&draft, name, value);
                if (r)
                        return r;
        }
        return weir_binary_finish(&draft, content_type.ptr ? content_type : second_type,
                                  message->value);
}
