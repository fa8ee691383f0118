/* SPDX-License-Identifier: MIT */
/*
 * base64 - strict, because a lenient decoder makes two texts of one datum
 *
 * Foreign characters, line ends, missing or early padding are refused (RFC 4648 3.3), and so are
 * left-over bits that are not zero (3.5): one byte string has exactly one accepted spelling.
 */
#include "event/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int weir_base64_decode(const char *text, size_t size, char *out, size_t *ret_size, size_t *ret_at)
{
        size_t used = 0, padding = 0;

        if (size >= 4 && text[size - 1] == '=')
                padding = text[size - 2] == '=' ? 2 : 1;
        for (size_t i = 0; i < size; i += 4) {
                size_t want = i + 4 >= size ? 4 - padding : 4;
                uint32_t group = 0;

                for (size_t j = 0; j < want; j++) {
                        int value = i + j < size ? value_of(text[i + j]) : -1;

                        if (value < 0) {
                                *ret_at = i + j;
                                return 1;
                        }
                        group |= (uint32_t)value << (18 - 6 * j);
                }
                if ((want == 2 && (group & 0xffff)) || (want == 3 && (group & 0xff))) {
                        *ret_at = i + want - 1;
                        return 1;
                }
                out[used++] = (char)(group >> 16);
                if (want > 2)
                        out[used++] = (char)(group >> 8);
                if (want > 3)
                        out[used++] = (char)group;
        }
        *ret_size = used;
        return 0;
}

void weir_base64_encode(const void *bytes, size_t size, char *out)
{
        const unsigned char *p = bytes;

        for (; size >= 3; size -= 3, p += 3) {
                uint32_t group = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

                *out++ = alphabet[group >> 18];
                *out++ = alphabet[group >> 12 & 63];
                *out++ = alphabet[group >> 6 & 63];
                *out++ = alphabet[group & 63];
        }
        if (size) {
                uint32_t group = (uint32_t)p[0] << 16 | (size > 1 ? (uint32_t)p[1] << 8 : 0);

                *out++ = alphabet[group >> 18];
                *out++ = alphabet[group >> 12 & 63];
                *out++ = size > 1 ? alphabet[group >> 6 & 63] : '=';
                *out = '=';
        }
}
