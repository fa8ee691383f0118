/* SPDX-License-Identifier: MIT */
/*
 * text - the String type, checked eight bytes at a time
 *
 * Attribute values are nearly always printable ASCII, and this check is most of what a binary event
 * costs. So plain text passes by three operations a word; only text with something else in it is walked
 * by scalar values. The word test may be wrong about which byte, never about whether: borrows and
 * carries start at a byte that is itself a hit.
 *
 * Noncharacters and C1 are refused because the specification's String forbids them, and because a NUL
 * or an ESC in an id would reach C strings and terminals.
 */
#include "event/text.h"

#include <string.h>

size_t weir_utf8_next(const unsigned char *p, const unsigned char *end, uint32_t *ret_scalar)
{
        size_t left = (size_t)(end - p);
        unsigned char first;
        uint32_t scalar;

        if (left == 0)
                return 0;
        first = p[0];
        if (first < 0x80) {
                *ret_scalar = first;
                return 1;
        }
        if (first < 0xc2 || first > 0xf4 || left < 2 || (p[1] & 0xc0) != 0x80)
                return 0;
        if (first < 0xe0) {
                *ret_scalar = (uint32_t)(first & 0x1f) << 6 | (p[1] & 0x3f);
                return 2;
        }
        if (left < 3 || (p[2] & 0xc0) != 0x80)
                return 0;
        if (first < 0xf0) {
                scalar = (uint32_t)(first & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
                         (p[2] & 0x3f);
                if (scalar < 0x800 || (scalar >= 0xd800 && scalar <= 0xdfff))
                        return 0;
                *ret_scalar = scalar;
                return 3;
        }
        if (left < 4 || (p[3] & 0xc0) != 0x80)
                return 0;
        scalar = (uint32_t)(first & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                 (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        if (scalar < 0x10000 || scalar > 0x10ffff)
                return 0;
        *ret_scalar = scalar;
        return 4;
}

size_t weir_utf8_put(uint32_t scalar, char *out)
{
        if (scalar < 0x80) {
                out[0] = (char)scalar;
                return 1;
        }
        if (scalar < 0x800) {
                out[0] = (char)(0xc0 | scalar >> 6);
                out[1] = (char)(0x80 | (scalar & 0x3f));
                return 2;
        }
        if (scalar < 0x10000) {
                out[0] = (char)(0xe0 | scalar >> 12);
                out[1] = (char)(0x80 | (scalar >> 6 & 0x3f));
                out[2] = (char)(0x80 | (scalar & 0x3f));
                return 3;
        }
        out[0] = (char)(0xf0 | scalar >> 18);
        out[1] = (char)(0x80 | (scalar >> 12 & 0x3f));
        out[2] = (char)(0x80 | (scalar >> 6 & 0x3f));
        out[3] = (char)(0x80 | (scalar & 0x3f));
        return 4;
}

static int forbidden(uint32_t scalar)
{
        return scalar < 0x20 || (scalar >= 0x7f && scalar <= 0x9f) ||
               (scalar >= 0xfdd0 && scalar <= 0xfdef) || (scalar & 0xfffe) == 0xfffe;
}

enum weir_text_fault weir_text_check(const char *text, size_t size, size_t *ret_at)
{
        const unsigned char *start = (const unsigned char *)text, *p = start, *end = start + size;

        if (weir_text_plain(text, size))
                return WEIR_TEXT_GOOD;
        while (p < end) {
                uint32_t scalar = 0;
                size_t length;

                while (p < end && *p >= 0x20 && *p < 0x7f)
                        p++;
                if (p == end)
                        break;
                length = weir_utf8_next(p, end, &scalar);
                if (length == 0 || forbidden(scalar)) {
                        *ret_at = (size_t)(p - start);
                        return length ? WEIR_TEXT_FORBIDDEN : WEIR_TEXT_NOT_UTF8;
                }
                p += length;
        }
        return WEIR_TEXT_GOOD;
}

int weir_text_is(const char *text, size_t size, const char *lower)
{
        size_t i;

        for (i = 0; i < size && lower[i]; i++) {
                char c = text[i];

                if (c >= 'A' && c <= 'Z')
                        c = (char)(c + 32);
                if (c != lower[i])
                        return 0;
        }
        return i == size && !lower[i];
}
