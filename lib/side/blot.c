/* SPDX-License-Identifier: MIT */
/*
 * blot - a receiver that echoes what it was asked must not write our secrets into our log
 *
 * Many webhooks know their sender by the URL alone: a token in the path or in a query value is a password, and a
 * page "no such hook: /services/T0…/B0…" repeats it. So parts are blotted out as well as the whole, because nobody
 * echoes a URL the way it was written:
 *     the path, and each of its segments of 8 bytes or more ("hooks" says nothing, and may stand in any sentence)
 *     the query, and each of its values of 4 bytes or more
 *     all of these as they were written, and percent-decoded ("+" as itself and as a space)
 * Letters match in any case, and a slash also behind a backslash, as some write it in JSON.
 * Too much is better than too little: what is lost is a word of somebody else's error text.
 */
#include "side/blot.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum { SEGMENT_BYTES = 8, VALUE_BYTES = 4 };

static char small(char c)
{
        return (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
}

/* How many bytes at @at are @secret; 0 = it does not stand there. */
static size_t stands_at(const char *at, const char *end, const char *secret, size_t size)
{
        const char *p = at;

        for (size_t i = 0; i < size; i++, p++) {
                if (secret[i] == '/' && end - p > 1 && p[0] == '\\' && p[1] == '/')
                        p++;
                if (p == end || small(*p) != small(secret[i]))
                        return 0;
        }
        return (size_t)(p - at);
}

static void blot_part(char *bytes, size_t size, const char *secret, size_t secret_size)
{
        char *end = bytes + size;

        for (char *p = bytes; secret_size && p < end;) {
                size_t found = stands_at(p, end, secret, secret_size);

                memset(p, '*', found);
                p += found ? found : 1;
        }
}

void weir_blot(char *bytes, size_t size, const char *secret)
{
        if (bytes && secret)
                blot_part(bytes, size, secret, strlen(secret));
}

static int digit(char c)
{
        c = small(c);
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes at most @size bytes. */
static size_t decode(const char *text, size_t size, bool plus_is_space, char *out)
{
        size_t used = 0;

        for (size_t i = 0; i < size; i++) {
                if (text[i] == '%' && size - i > 2 && digit(text[i + 1]) >= 0 &&
                    digit(text[i + 2]) >= 0) {
                        out[used++] = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
                        i += 2;
                } else {
                        out[used++] = (char)(plus_is_space && text[i] == '+' ? ' ' : text[i]);
                }
        }
        return used;
}

static void blot_forms(char *bytes, size_t size, const char *part, size_t part_size, char *room)
{
        blot_part(bytes, size, part, part_size);
        blot_part(bytes, size, room, decode(part, part_size, false, room));
        blot_part(bytes, size, room, decode(part, part_size, true, room));
}

/* The parts of @text between bytes of @ends; of "name=value" the value, where @named. */
static void blot_parts(char *bytes, size_t size, const char *text, const char *ends, bool named,
                       size_t least, char *room)
{
        while (*text) {
                size_t part = strcspn(text, ends);
                const char *value = named ? memchr(text, '=', part) : NULL;
                size_t before = value ? (size_t)(value + 1 - text) : 0;

                if (part - before >= least)
                        blot_forms(bytes, size, text + before, part - before, room);
                text += part;
                text += strspn(text, ends);
        }
}

bool weir_blot_url(char *bytes, size_t size, const char *path, const char *query)
{
        size_t path_size = path ? strlen(path) : 0, query_size = query ? strlen(query) : 0;
        WEIR_FREE char *room = malloc(path_size + query_size + 1);

        if (!room) {
                memset(bytes, '*', size);
                return false;
        }
        if (path_size > 1)
                blot_forms(bytes, size, path, path_size, room);
        if (query_size)
                blot_forms(bytes, size, query, query_size, room);
        if (path_size > 1)
                blot_parts(bytes, size, path, "/", false, SEGMENT_BYTES, room);
        if (query_size)
                blot_parts(bytes, size, query, "&;", true, VALUE_BYTES, room);
        explicit_bzero(room, path_size + query_size);
        return true;
}
