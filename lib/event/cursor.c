/* SPDX-License-Identifier: MIT */
/*
 * cursor - slices of checked JSON
 *
 * The envelope of an event is flat and its data must survive byte for byte (numbers beyond 2^53, order
 * and repetition of members), so a tree is the wrong thing: it costs 40 bytes for each byte and loses
 * what it should keep. A second walk over text that is known to be good is short and cannot fail.
 */
#include "event/cursor.h"

#include <stdint.h>
#include <string.h>

#include "event/text.h"

static const char *skip_space(const char *p, const char *end)
{
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p;
}

/* @p is at the opening quote; returns behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
        for (p = weir_string_run(p + 1, end); p < end && *p != '"'; p = weir_string_run(p, end))
                p += *p == '\\' ? 2 : 1;
        return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
        size_t depth = 0;

        if (p < end && *p == '"')
                return skip_string(p, end);
        if (p < end && *p != '{' && *p != '[') {
                while (p < end && !strchr(",]} \t\r\n", *p))
                        p++;
                return p;
        }
        while (p < end) {
                switch (*p) {
                case '"': p = skip_string(p, end); continue;
                case '{':
                case '[': depth++; break;
                case '}':
                case ']':
                        if (--depth == 0)
                                return p + 1;
                        break;
                default: break;
                }
                p++;
        }
        return end;
}

struct weir_view weir_json_trim(struct weir_view text)
{
        const char *p, *end;

        if (!text.ptr)
                return text;
        p = skip_space(text.ptr, text.ptr + text.size);
        end = text.ptr + text.size;
        while (end > p && strchr(" \t\r\n", end[-1]))
                end--;
        return (struct weir_view){ p, (size_t)(end - p) };
}

void weir_cursor_open(struct weir_cursor *cursor, struct weir_view container)
{
        cursor->next = container.ptr + 1;
        cursor->end = container.ptr + container.size;
}

/* To the start of the next member or element; false at the closing bracket. */
static bool step(struct weir_cursor *cursor)
{
        const char *p = skip_space(cursor->next, cursor->end);

        if (p < cursor->end && *p == ',')
                p = skip_space(p + 1, cursor->end);
        cursor->next = p;
        return p < cursor->end && *p != '}' && *p != ']';
}

static struct weir_view take_value(struct weir_cursor *cursor)
{
        const char *start = cursor->next;

        cursor->next = skip_value(start, cursor->end);
        return (struct weir_view){ start, (size_t)(cursor->next - start) };
}

bool weir_cursor_member(struct weir_cursor *cursor, struct weir_view *ret_name,
                        struct weir_view *ret_value)
{
        if (!step(cursor))
                return false;
        *ret_name = weir_json_inside(take_value(cursor));
        cursor->next = skip_space(cursor->next, cursor->end) + 1; /* the colon */
        cursor->next = skip_space(cursor->next, cursor->end);
        *ret_value = take_value(cursor);
        return true;
}

bool weir_cursor_element(struct weir_cursor *cursor, struct weir_view *ret_value)
{
        if (!step(cursor))
                return false;
        *ret_value = take_value(cursor);
        return true;
}

struct weir_view weir_json_inside(struct weir_view string)
{
        return (struct weir_view){ string.ptr + 1, string.size - 2 };
}

static uint32_t hex4(const char *p)
{
        uint32_t value = 0;

        for (int i = 0; i < 4; i++) {
                unsigned char c = (unsigned char)p[i];

                value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        return value;
}

/* @p is behind the backslash-u. Returns how much was read, 0 = half a pair. */
static size_t unescape_u(const char *p, const char *end, uint32_t *ret_scalar)
{
        uint32_t high = hex4(p), low;

        if (high < 0xd800 || high > 0xdfff) {
                *ret_scalar = high;
                return 4;
        }
        if (high > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u')
                return 0;
        low = hex4(p + 6);
        if (low < 0xdc00 || low > 0xdfff)
                return 0;
        *ret_scalar = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return 10;
}

size_t weir_json_unescape(struct weir_view raw, char *out, size_t stop, size_t *ret_at)
{
        const char *p = raw.ptr, *end = raw.ptr + raw.size;
        size_t used = 0;

        while (p < end && used < stop) {
                const char *escape = memchr(p, '\\', (size_t)(end - p));
                size_t plain = (size_t)((escape ? escape : end) - p), length;
                uint32_t scalar;

                if (plain > stop - used)
                        plain = stop - used;
                memmove(out + used, p, plain);
                used += plain;
                p += plain;
                if (!escape || used == stop)
                        continue;
                *ret_at = (size_t)(p - raw.ptr);
                switch (p[1]) {
                case 'b': out[used++] = '\b'; break;
                case 'f': out[used++] = '\f'; break;
                case 'n': out[used++] = '\n'; break;
                case 'r': out[used++] = '\r'; break;
                case 't': out[used++] = '\t'; break;
                case 'u':
                        length = unescape_u(p + 2, end, &scalar);
                        if (length == 0)
                                return SIZE_MAX;
                        used += weir_utf8_put(scalar, out + used);
                        p += length;
                        break;
                default: /* the quote, the slash and the backslash stand for themselves */
                        out[used++] = p[1];
                        break;
                }
                p += 2;
        }
        *ret_at = (size_t)(p - raw.ptr);
        return used;
}
