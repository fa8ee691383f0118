/* SPDX-License-Identifier: MIT */
/*
 * scan - the tokens of libconfig's grammar, recognised once, passed on in a form that cannot hurt
 *
 * The patterns are libconfig's own, longest match first. Numbers are rewritten (CS2 of source.c),
 * comments dropped, strings copied as they are, and names but for the second of a group (trail.c). Brackets are counted here as well,
 * because libconfig answers a missing one with "syntax error" at the end of the file, and this
 * scanner knows where it began.
 *
 * A quirk   libconfig dates a string in a list by the token behind it, often on the next line. So
 *           ", ; ] ) }" after a string stay on the string's line.
 */
#include "conf/scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "conf/key.h"

#define LINES_MAX 65000 /* libconfig's line number is an unsigned short */

/* ---- output ------------------------------------------------------------------------- */

static bool append(struct weir_source *source, const char *bytes, size_t size)
{
        if (source->room - source->size <= size) {
                size_t room = source->room ? source->room * 2 : 4096;
                char *flat;

                while (room - source->size <= size)
                        room *= 2;
                flat = malloc(room); /* not realloc: what is left behind must be wiped */
                if (!flat) {
                        source->no_memory = true;
                        return false;
                }
                if (source->size > 0)
                        memcpy(flat, source->flat, source->size);
                weir_file_free(source->flat, source->size);
                source->flat = flat;
                source->room = room;
        }
        memcpy(source->flat + source->size, bytes, size);
        source->size += size;
        source->flat[source->size] = '\0';
        return true;
}

static bool start_line(struct weir_scan *scan, const struct weir_place *place)
{
        struct weir_source *source = scan->source;

        if (source->line_count == LINES_MAX) {
                weir_problem_add(scan->problems, place, NULL,
                                 "more than %d lines of settings are not supported", LINES_MAX);
                source->broken = true;
        }
        if (source->line_count >= LINES_MAX + 1)
                return false;
        if (source->line_count == source->line_room) {
                size_t room = source->line_room ? source->line_room * 2 : 128;
                struct weir_source_line *lines = reallocarray(source->lines, room, sizeof *lines);

                if (!lines) {
                        source->no_memory = true;
                        return false;
                }
                source->lines = lines;
                source->line_room = room;
        }
        if (source->line_count > 0 && !append(source, "\n", 1))
                return false;
        source->lines[source->line_count++] = (struct weir_source_line){ .place = *place };
        return true;
}

static void emit(struct weir_scan *scan, const struct weir_place *place, const char *bytes,
                 size_t size)
{
        struct weir_source *source = scan->source;
        bool stays = scan->after_string && size == 1 && strchr(",;])}", *bytes);

        scan->after_string = *bytes == '"';
        if (!source->line_count ||
            (!stays && source->lines[source->line_count - 1].place.order != place->order))
                if (!start_line(scan, place))
                        return;
        if (append(source, bytes, size))
                append(source, " ", 1);
}

void weir_scan_next_line(struct weir_scan *scan, struct weir_input *in)
{
        in->p++;
        in->here.line++;
        in->here.order = ++scan->order;
}

/* ---- tokens ------------------------------------------------------------------------- */

static void scan_comment(struct weir_scan *scan, struct weir_input *in)
{
        struct weir_place begin = in->here;

        for (in->p += 2; in->end - in->p >= 2; in->p++) {
                if (in->p[0] == '*' && in->p[1] == '/') {
                        in->p += 2;
                        return;
                }
                if (*in->p == '\n') {
                        weir_scan_next_line(scan, in);
                        in->p--; /* the loop steps over it */
                }
        }
        in->p = in->end;
        WEIR_BREAK(scan, &begin, "the comment that begins here is never closed; */ closes it");
}

static void scan_string(struct weir_scan *scan, struct weir_input *in)
{
        const char *begin = in->p;
        const char *p;

        for (p = begin + 1; p < in->end && *p != '"' && *p != '\n'; p++) {
                if (*p != '\\')
                        continue;
                if (in->end - p >= 4 && (p[1] == 'x' || p[1] == 'X') && p[2] == '0' && p[3] == '0')
                        WEIR_BREAK(scan, &in->here, "a string cannot hold a NUL (\\x00)");
                if (in->end - p >= 2 && (p[1] == '\\' || p[1] == '"'))
                        p++;
        }
        if (p == in->end || *p == '\n') {
                WEIR_BREAK(scan, &in->here,
                           "the string is not closed on its line; two strings side by side are "
                           "joined");
                in->p = p;
                return;
        }
        in->p = p + 1;
        emit(scan, &in->here, begin, (size_t)(in->p - begin));
        weir_trail_value(&scan->trail);
}

static const char *digits(const char *p, const char *end)
{
        while (p < end && *p >= '0' && *p <= '9')
                p++;
        return p;
}

static const char *exponent(const char *p, const char *end)
{
        const char *q = p, *r;

        if (q == end || (*q != 'e' && *q != 'E'))
                return p;
        q++;
        if (q < end && (*q == '+' || *q == '-'))
                q++;
        r = digits(q, end);
        return r > q ? r : p;
}

/* Text of [begin, end) as a bounded string; false = longer than any number needs to be. */
static bool copy_number(const char *begin, const char *end, char ret[64])
{
        size_t size = (size_t)(end - begin);

        if (size > 63)
                return false;
        memcpy(ret, begin, size);
        ret[size] = '\0';
        return true;
}

/* Told by the key and in its range, as if the number could have been read. */
static void note_overflow(struct weir_scan *scan, const struct weir_place *place)
{
        const struct weir_key *key;
        char path[160], allowed[160] = "";

        weir_trail_path(&scan->trail, path);
        key = weir_key_find(path);
        if (key)
                weir_key_allowed(key, allowed);
        if (key)
                weir_problem_add(scan->problems, place, path,
                                 "a number of more than 64 bits is out of range; must be %s%s%s",
                                 weir_key_type_name(key), *allowed ? ", allowed: " : "", allowed);
        else
                weir_problem_add(scan->problems, place, *path ? path : NULL,
                                 "a number of more than 64 bits is out of range; allowed: "
                                 "%lld..%lld",
                                 (long long)INT64_MIN, (long long)INT64_MAX);
}

static void emit_integer(struct weir_scan *scan, struct weir_input *in, const char *begin,
                         const char *end, int base)
{
        char text[64], out[32];
        long long value = 0;
        bool fits = copy_number(begin, end, text);
        int size;

        errno = 0;
        if (fits)
                value = strtoll(text, NULL, base);
        fits = fits && errno != ERANGE;
        if (!fits) {
                note_overflow(scan, &in->here);
                value = WEIR_SOURCE_OVERFLOW;
        }
        size = snprintf(out, sizeof out, "%lldL", value);
        emit(scan, &in->here, out, (size_t)size);
        if (!fits && scan->source->line_count > 0)
                scan->source->lines[scan->source->line_count - 1].overflow = true;
}

static void emit_float(struct weir_scan *scan, struct weir_input *in, const char *begin,
                       const char *end)
{
        char text[64];

        if (!copy_number(begin, end, text) || !isfinite(strtod(text, NULL)))
                WEIR_BREAK(scan, &in->here,
                           "a number with a fraction is out of range or longer than 63 characters");
        else
                emit(scan, &in->here, begin, (size_t)(end - begin));
}

/* A number at in->p? Consumes it and returns true. The patterns are libconfig's, longest first. */
static bool scan_number(struct weir_scan *scan, struct weir_input *in)
{
        const char *begin = in->p, *end = in->end, *p = begin, *q;
        bool is_float;

        if (end - p >= 3 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
                for (q = p + 2; q < end && *q && strchr("0123456789abcdefABCDEF", *q);)
                        q++;
                if (q > p + 2) {
                        in->p = q;
                        emit_integer(scan, in, p + 2, q, 16);
                        goto suffix;
                }
        }
        if (*p == '+' || *p == '-')
                p++;
        q = digits(p, end);
        is_float = q < end && *q == '.';
        if (is_float) {
                const char *fraction = digits(q + 1, end);

                if (q == p && fraction == q + 1)
                        return false;
                q = fraction;
        }
        if (q == p)
                return false;
        in->p = exponent(q, end);
        if (is_float || in->p > q) {
                emit_float(scan, in, begin, in->p);
                return true;
        }
        emit_integer(scan, in, begin, q, 10);
suffix:
        for (int i = 0; i < 2 && in->p < end && *in->p == 'L'; i++)
                in->p++;
        return true;
}

static bool name_start(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The name of a setting, begin to in->p. */
static void scan_setting(struct weir_scan *scan, struct weir_input *in, const char *begin)
{
        const struct weir_place *first;
        const char *name;
        char path[160];

        if (!weir_trail_name(&scan->trail, scan->arena, begin, (size_t)(in->p - begin), &in->here,
                             &name, &first)) {
                scan->source->no_memory = true;
                return;
        }
        if (first) {
                weir_trail_path(&scan->trail, path);
                weir_problem_add(scan->problems, &in->here, path,
                                 "is given twice in one group, first in %s:%u; keep one",
                                 first->file, first->line);
        }
        emit(scan, &in->here, name, strlen(name));
}

static void scan_name(struct weir_scan *scan, struct weir_input *in)
{
        const char *begin = in->p;

        while (in->p < in->end && (name_start(*in->p) || (*in->p >= '0' && *in->p <= '9') ||
                                   *in->p == '-' || *in->p == '_' || *in->p == '*'))
                in->p++;
        if (weir_trail_wants_name(&scan->trail)) {
                scan_setting(scan, in, begin);
        } else {
                emit(scan, &in->here, begin, (size_t)(in->p - begin));
                weir_trail_value(&scan->trail);
        }
}

static void scan_punctuation(struct weir_scan *scan, struct weir_input *in)
{
        static const char opens[] = "{[(", closes[] = "}])";
        const char c = *in->p;
        const char *kind;

        if ((kind = strchr(opens, c))) {
                if (scan->nesting == WEIR_SCAN_NESTING_MAX) {
                        WEIR_BREAK(scan, &in->here, "nested more than %d deep",
                                   WEIR_SCAN_NESTING_MAX);
                        in->p = in->end;
                        return;
                }
                scan->open[scan->nesting].closes = closes[kind - opens];
                scan->open[scan->nesting++].place = in->here;
                weir_trail_open(&scan->trail, c == '{');
        } else if (strchr(closes, c)) {
                if (scan->nesting == 0) {
                        WEIR_BREAK(scan, &in->here, "this %c closes nothing", c);
                } else if (scan->open[--scan->nesting].closes != c) {
                        WEIR_BREAK(scan, &in->here,
                                   "this %c closes what was opened in %s:%u and needs a %c", c,
                                   scan->open[scan->nesting].place.file,
                                   scan->open[scan->nesting].place.line,
                                   scan->open[scan->nesting].closes);
                }
                weir_trail_close(&scan->trail);
        } else if (c == '=' || c == ':') {
                weir_trail_assign(&scan->trail);
        } else {
                weir_trail_value(&scan->trail); /* ; or , */
        }
        emit(scan, &in->here, in->p, 1);
        in->p++;
}

void weir_scan_token(struct weir_scan *scan, struct weir_input *in)
{
        const char c = *in->p, next = in->end - in->p > 1 ? in->p[1] : '\0';

        if (c == '#' || (c == '/' && next == '/')) {
                while (in->p < in->end && *in->p != '\n')
                        in->p++;
        } else if (c == '/' && next == '*') {
                scan_comment(scan, in);
        } else if (c == '"') {
                scan_string(scan, in);
        } else if (name_start(c)) {
                scan_name(scan, in);
        } else if (strchr("=:,;{}[]()", c)) {
                scan_punctuation(scan, in);
        } else if (scan_number(scan, in)) {
                weir_trail_value(&scan->trail);
        } else {
                WEIR_BREAK(scan, &in->here,
                           c > 0x20 && c < 0x7f ? "unexpected character %c"
                                                : "unexpected byte 0x%02x",
                           (unsigned char)c);
                while (in->p < in->end && *in->p != '\n')
                        in->p++; /* one problem a line is enough */
        }
}

void weir_scan_finish(struct weir_scan *scan)
{
        while (scan->nesting > 0 && !scan->source->broken) {
                scan->nesting--;
                WEIR_BREAK(scan, &scan->open[scan->nesting].place,
                           "what is opened here is never closed; %c closes it",
                           scan->open[scan->nesting].closes);
        }
        if (!append(scan->source, "\n", 1))
                scan->source->broken = true;
}
