/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_TEXT_H
#define WEIR_EVENT_TEXT_H
/* text - UTF-8, and the characters that CloudEvents allows in a String */
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

enum weir_text_fault { WEIR_TEXT_GOOD = 0, WEIR_TEXT_NOT_UTF8, WEIR_TEXT_FORBIDDEN };

/* A String of CloudEvents 1.0.2: UTF-8 without U+0000-001F, U+007F-009F and noncharacters.
 * @ret_at = position of the first fault; untouched when good. */
enum weir_text_fault weir_text_check(const char *text, size_t size, size_t *ret_at);

#define WEIR_EVERY_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

static inline uint64_t weir_word(const char *p)
{
        uint64_t word;

        memcpy(&word, p, sizeof word);
        return le64toh(word);
}

/* Is all of it printable ASCII? No early end: most texts are short, and good. */
static inline int weir_text_plain(const char *text, size_t size)
{
        uint64_t bad = 0;

        if (size < 8) {
                for (size_t i = 0; i < size; i++)
                        bad |= (unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f;
                return bad == 0;
        }
        for (size_t i = 0;; i += 8) {
                uint64_t word;

                if (i + 8 > size)
                        i = size - 8;                 /* a last word that overlaps the one before */
                memcpy(&word, text + i, sizeof word); /* byte order is of no matter here */
                bad |= word | (word - WEIR_EVERY_BYTE(0x20)) | (word + WEIR_EVERY_BYTE(0x01));
                if (i + 8 == size)
                        return (bad & WEIR_EVERY_BYTE(0x80)) == 0;
        }
}

/* The first byte of [p, end) that has a meaning inside a JSON string or needs a look: the quote, the
 * backslash, controls, all beyond ASCII. Eight at a time; the lowest hit of a word is exact. */
static inline const char *weir_string_run(const char *p, const char *end)
{
        for (; end - p >= 8; p += 8) {
                uint64_t word = weir_word(p), quote = word ^ WEIR_EVERY_BYTE('"');
                uint64_t slash = word ^ WEIR_EVERY_BYTE('\\');
                uint64_t hits = (word | (word - WEIR_EVERY_BYTE(0x20)) |
                                 (quote - WEIR_EVERY_BYTE(1)) | (slash - WEIR_EVERY_BYTE(1))) &
                                WEIR_EVERY_BYTE(0x80);

                if (hits)
                        return p + __builtin_ctzll(hits) / 8;
        }
        while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 &&
               (unsigned char)*p < 0x80)
                p++;
        return p;
}

/* The same text without regard to ASCII case; @lower is lower case and NUL-terminated. */
int weir_text_is(const char *text, size_t size, const char *lower);

#endif
