/* SPDX-License-Identifier: MIT */
/*
 * fuzz_blot - first line a secret, the rest what a receiver echoes
 *
 * Rules      behind weir_blot() the secret is nowhere in it: in any case, as it stands, or after one and after two rounds
 *            of percent-decoding; so also where it is put into the middle, plain or encoded. No byte is added, and
 *            what is changed becomes an asterisk.
 */
#include <strings.h>

#include "fuzz.h"
#include "side/blot.h"

static bool holds(const char *bytes, size_t size, struct weir_view word)
{
        for (size_t i = 0; word.size && i + word.size <= size; i++) {
                size_t k = 0;

                while (k < word.size && strncasecmp(bytes + i + k, word.ptr + k, 1) == 0)
                        k++;
                if (k == word.size)
                        return true;
        }
        return false;
}

static int digit(char c)
{
        const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

        return c >= '0' && c <= '9' ? c - '0' : at && at - digits > 9 ? (int)(at - digits) : -1;
}

static size_t decode(char *text, size_t size)
{
        size_t used = 0;

        for (size_t i = 0; i < size; i++) {
                if (text[i] == '%' && size - i > 2 && digit(text[i + 1]) >= 0 &&
                    digit(text[i + 2]) >= 0) {
                        text[used++] = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
                        i += 2;
                } else {
                        text[used++] = text[i];
                }
        }
        return used;
}

static void check(struct weir_view secret, const char *echo, size_t size)
{
        char *bytes = malloc(size + 1);
        size_t used = size;

        MUST(bytes);
        memcpy(bytes, echo, size);
        MUST(weir_blot(bytes, size, secret.ptr));
        for (size_t i = 0; i < size; i++)
                MUST(bytes[i] == echo[i] || bytes[i] == '*');
        /* a secret of asterisks is no secret, and one that is shorter than its mark of a blot cannot be told from it */
        for (int round = 0; !memchr(secret.ptr, '*', secret.size) && round < 3; round++) {
                MUST(!holds(bytes, used, secret));
                used = decode(bytes, used);
        }
        free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_view secret, echo;
        struct fuzz fuzz;
        char *joined;
        size_t used = 0;

        fuzz_begin(&fuzz, data, size);
        secret = fuzz_line(&fuzz);
        secret.size = strlen(secret.ptr);
        echo = fuzz_rest(&fuzz);
        check(secret, echo.ptr, echo.size);
        joined = malloc(echo.size + 3 * secret.size + 1);
        MUST(joined);
        memcpy(joined, echo.ptr, echo.size / 2);
        used = echo.size / 2;
        for (size_t i = 0; i < secret.size;
             i++) /* every second byte encoded, by what else is there */
                used += (size_t)snprintf(joined + used, 4, (echo.size + i) % 2 ? "%%%02X" : "%c",
                                         (unsigned char)secret.ptr[i]);
        memcpy(joined + used, echo.ptr + echo.size / 2, echo.size - echo.size / 2);
        used += echo.size - echo.size / 2;
        check(secret, joined, used);
        free(joined);
        fuzz_end(&fuzz);
        return 0;
}
