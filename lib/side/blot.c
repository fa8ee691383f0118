/* SPDX-License-Identifier: MIT */
/*
 * blot - a receiver that echoes what it was asked must not write our secrets into our log
 *
 * Many webhooks know their sender by the URL alone: a token in the path or in a query value is a password, and a
 * page "no such hook: /services/T0…/B0…" repeats it. So parts are blotted out as well as the whole, because nobody
 * echoes a URL the way it was written:
 *     the path, and each of its segments of 8 bytes or more ("hooks" says nothing, and may stand in any sentence),
 *     and of a segment such as "bot1234:AAHd…" each part of 8 bytes or more
 *     the query, and each of its values of 4 bytes or more
 *     a token or secret, and what follows "whsec_"
 * Echo and secret are compared as they stand and percent-decoded, each up to LEVELS times: who puts a URL into a link
 * encodes it once more (%2F, %252F), who logs it decodes it. Each byte of a decoded echo knows where it stood, so
 * what is blotted out is the echo itself. Letters match in any case, a plus as a space, and a slash also behind a
 * backslash, as some write it in JSON.
 * Too much is better than too little: what is lost is a word of somebody else's error text.
 */
#include "side/blot.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SECRET_MARK "whsec_"

enum { LEVELS = 4, SEGMENT_BYTES = 8, VALUE_BYTES = 4 };

/* What the receiver sent, decoded so far. */
struct echo {
        char *bytes; /* as it came: blotted out here */
        char *text;  /* decoded */
        size_t *at;  /* where each byte of it begins in bytes; at[used] is behind the last */
        size_t used;
        char *room; /* for a secret's decoded form */
};

struct secret {
        const char *path, *query, *word; /* NULL = none */
};

/* A plus may have been a space: they are one letter here, like A and a. */
static char fold(char c)
{
        return (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c == '+' ? ' ' : c);
}

/* How many bytes at @at are @secret; 0 = it does not stand there. */
static size_t stands_at(const char *at, const char *end, const char *secret, size_t size)
{
        const char *p = at;

        for (size_t i = 0; i < size; i++, p++) {
                if (secret[i] == '/' && end - p > 1 && p[0] == '\\' && p[1] == '/')
                        p++;
                if (p == end || fold(*p) != fold(secret[i]))
                        return 0;
        }
        return (size_t)(p - at);
}

static void blot_form(struct echo *echo, const char *form, size_t size)
{
        for (size_t i = 0; size && i < echo->used;) {
                size_t found = stands_at(echo->text + i, echo->text + echo->used, form, size);

                memset(echo->text + i, '*', found);
                memset(echo->bytes + echo->at[i], '*', echo->at[i + found] - echo->at[i]);
                i += found ? found : 1;
        }
}

static int digit(char c)
{
        c = fold(c);
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place, once; @at goes along, if any. The new size: the same means that there was nothing to decode. */
static size_t decode(char *text, size_t size, size_t *at)
{
        size_t used = 0;

        for (size_t i = 0; i < size; i++, used++) {
                if (at)
                        at[used] = at[i];
                if (text[i] == '%' && size - i > 2 && digit(text[i + 1]) >= 0 &&
                    digit(text[i + 2]) >= 0) {
                        text[used] = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
                        i += 2;
                } else {
                        text[used] = text[i];
                }
        }
        if (at)
                at[used] = at[size];
        return used;
}

static void blot_part(struct echo *echo, const char *part, size_t size)
{
        size_t before = 0;

        memcpy(echo->room, part, size);
        for (int level = 0; level < LEVELS && size != before; level++) {
                blot_form(echo, echo->room, size);
                before = size;
                size = decode(echo->room, size, NULL);
        }
}

/* The parts of @text between bytes of @ends; of "name=value" the value, where @named. */
static void blot_parts(struct echo *echo, const char *text, const char *ends, bool named,
                       size_t least)
{
        while (*text) {
                size_t part = strcspn(text, ends);
                const char *value = named ? memchr(text, '=', part) : NULL;
                size_t before = value ? (size_t)(value + 1 - text) : 0;

                if (part - before >= least)
                        blot_part(echo, text + before, part - before);
                text += part;
                text += strspn(text, ends);
        }
}

static void blot_level(struct echo *echo, const struct secret *secret)
{
        const char *word = secret->word ? secret->word : "";

        if (secret->path && secret->path[0] && secret->path[1]) {
                blot_part(echo, secret->path, strlen(secret->path));
                blot_parts(echo, secret->path, "/", false, SEGMENT_BYTES);
                blot_parts(echo, secret->path, "/:;,.=@~!$&'()*+|", false, SEGMENT_BYTES);
        }
        if (secret->query) {
                blot_part(echo, secret->query, strlen(secret->query));
                blot_parts(echo, secret->query, "&;", true, VALUE_BYTES);
        }
        blot_part(echo, word, strlen(word));
        if (strncmp(word, SECRET_MARK, strlen(SECRET_MARK)) == 0)
                blot_part(echo, word + strlen(SECRET_MARK), strlen(word) - strlen(SECRET_MARK));
}

static bool blot(char *bytes, size_t size, const struct secret *secret, size_t secret_size)
{
        WEIR_FREE char *text = malloc(size + 1), *room = malloc(secret_size + 1);
        WEIR_FREE size_t *at = calloc(size + 1, sizeof *at);
        struct echo echo = { .bytes = bytes, .text = text, .at = at, .used = size, .room = room };
        size_t before = SIZE_MAX;

        if (!text || !room || !at) {
                memset(bytes, '*', size);
                return false;
        }
        if (size) /* of nothing there may be no address */
                memcpy(text, bytes, size);
        for (size_t i = 0; i <= size; i++)
                at[i] = i;
        for (int level = 0; level < LEVELS && echo.used != before; level++) {
                blot_level(&echo, secret);
                before = echo.used;
                echo.used = decode(text, echo.used, at);
        }
        explicit_bzero(text, size);
        explicit_bzero(room, secret_size);
        return true;
}

bool weir_blot(char *bytes, size_t size, const char *word)
{
        struct secret secret = { .word = word };

        return !bytes || !word || !*word || blot(bytes, size, &secret, strlen(word));
}

bool weir_blot_url(char *bytes, size_t size, const char *path, const char *query)
{
        struct secret secret = { .path = path, .query = query };

        return blot(bytes, size, &secret, (path ? strlen(path) : 0) + (query ? strlen(query) : 0));
}
