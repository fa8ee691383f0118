/* SPDX-License-Identifier: MIT */
/*
 * utf8 - what may be shown, sent and stored as text
 *
 * Bytes from outside reach logs, terminals, a database whose texts are UTF-8, and programs that read our JSON. Each of
 * them breaks in its own way on half a character, so all of weir asks this one walk.
 */
#include "base/utf8.h"

#include <stdio.h>
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

bool weir_utf8_is(const char *text)
{
        const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
        uint32_t scalar;
        size_t step;

        while (at < end && (step = weir_utf8_next(at, end, &scalar)) > 0)
                at += step;
        return at == end;
}

const char *weir_bytes_show(const void *bytes, size_t size, char *ret, size_t room)
{
        static const char cut[] = "\xe2\x80\xa6"; /* an ellipsis */
        const unsigned char *at = bytes, *end = at + size;
        size_t used = 0, fits = 0; /* where the mark of a cut would still have room */

        while (at < end) {
                uint32_t scalar = 0;
                size_t step = weir_utf8_next(at, end, &scalar);
                char unit[8];
                size_t length = step;

                if (step && scalar >= 0x20 && (scalar < 0x7f || scalar > 0x9f)) {
                        memcpy(unit, at, step);
                } else { /* one byte at a time: also those of a control of two bytes */
                        step = 1;
                        length = (size_t)snprintf(unit, sizeof unit, "\\x%02x", *at);
                }
                if (used + length >= room) {
                        memcpy(ret + fits, cut, sizeof cut);
                        return ret;
                }
                memcpy(ret + used, unit, length);
                used += length;
                at += step;
                if (used + sizeof cut <= room)
                        fits = used;
        }
        ret[used] = '\0';
        return ret;
}
