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
