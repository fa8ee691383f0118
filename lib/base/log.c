/* SPDX-License-Identifier: MIT */
/*
 * log - build the line in a bounded buffer, write it at once
 *
 * A log that blocks would stop lanes, one that kills (SIGPIPE) would stop the process: a line that
 * cannot be written is counted and dropped; the next one that can says how many are missing.
 *
 * Always true   LG1 a line is UTF-8, of one line, and in the form json one whole object, whatever a field holds (a
 *                   plugin's words, a key's bytes) and however long it is: what is no UTF-8 is escaped, a value is
 *                   cut between characters with an ellipsis, and a field that has no room at all is left out.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_BYTES 2048
#define TAIL_BYTES 64 /* kept for what closes a line: an ellipsis, a quote, how many are missing */
#define FIELD_BYTES                                                                                \
        32 /* a field begins only with so much room behind its key: a number always fits */

static _Atomic int log_level = WEIR_LOG_INFO;
static _Atomic int log_form = WEIR_LOG_TEXT;
static _Atomic uint64_t dropped_count;

struct line {
        char text[LINE_BYTES];
        size_t used;
};

void weir_log_setup(int level, int form)
{
        log_level = level;
        log_form = form;
}

bool weir_log_wants(int level)
{
        return level <= log_level;
}

/* Callers have asked for room. */
static void put(struct line *line, const char *text, size_t size)
{
        assert(size <= sizeof line->text - line->used);
        memcpy(line->text + line->used, text, size);
        line->used += size;
}

static size_t room(const struct line *line)
{
        size_t limit = sizeof line->text - TAIL_BYTES;

        return line->used < limit ? limit - line->used : 0;
}

/* One character at @p, or one byte that is none, as it is written; @ret_step: bytes of @p. */
static size_t escape(const unsigned char *p, const unsigned char *end, int form, char unit[8],
                     size_t *ret_step)
{
        uint32_t scalar = 0;

        *ret_step = weir_utf8_next(p, end, &scalar);
        if (*ret_step == 0) {
                *ret_step = 1;
                return (size_t)(form == WEIR_LOG_JSON ? snprintf(unit, 8, "\\ufffd")
                                                      : snprintf(unit, 8, "\\x%02x", *p));
        }
        if (scalar < 0x20 || (scalar >= 0x7f && scalar <= 0x9f))
                return (size_t)snprintf(unit, 8, "\\u%04x", (unsigned)scalar);
        if (scalar == '"' || scalar == '\\')
                return (size_t)snprintf(unit, 8, "\\%c", (char)scalar);
        memcpy(unit, p, *ret_step);
        return *ret_step;
}

static void put_escaped(struct line *line, const char *text, bool quoted, int form)
{
        const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

        if (quoted)
                put(line, "\"", 1);
        while (p < end) {
                char unit[8];
                size_t step, size = escape(p, end, form, unit, &step);

                if (size > room(line)) {
                        put(line, "\xe2\x80\xa6",
                            3); /* the tail has room for it, and for the quote */
                        break;
                }
                put(line, unit, size);
                p += step;
        }
        if (quoted)
                put(line, "\"", 1);
}

static bool needs_quotes(const char *text)
{
        const unsigned char *p = (const unsigned char *)text;

        while (*p > ' ' && *p < 0x7f && *p != '=' && *p != '"' && *p != '\\')
                p++;
        return p == (const unsigned char *)text || *p;
}

static void put_field(struct line *line, const struct weir_log_field *field, int form)
{
        char number[24];

        if (strlen(field->key) + FIELD_BYTES > room(line))
                return;
        if (form == WEIR_LOG_JSON) {
                put(line, ",", 1);
                put_escaped(line, field->key, true, form);
                put(line, ":", 1);
        } else {
                put(line, " ", 1);
                put(line, field->key, strlen(field->key));
                put(line, "=", 1);
        }
        if (!field->text)
                put(line, number,
                    (size_t)snprintf(number, sizeof number, "%lld", (long long)field->number));
        else
                put_escaped(line, field->text, form == WEIR_LOG_JSON || needs_quotes(field->text),
                            form);
}

void weir_log_write(int level, const char *event, const struct weir_log_field *fields, size_t count)
{
        static const char *const names[] = { "error", "warn", "info", "debug" };
        int form = log_form;
        struct line line = { .used = 0 };
        struct timespec now;
        struct tm parts;
        char head[96];
        uint64_t missing;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &parts);
        put(&line, head,
            (size_t)snprintf(
                    head, sizeof head,
                    form == WEIR_LOG_JSON
                            ? "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\""
                            : "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s",
                    parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                    parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000, names[level & 3]));
        put_field(&line, &LOG_S("event", event), form);
        for (size_t i = 0; i < count; i++)
                put_field(&line, &fields[i], form);
        missing = atomic_exchange(&dropped_count, 0);
        if (missing)
                put(&line, head,
                    (size_t)snprintf(head, sizeof head,
                                     form == WEIR_LOG_JSON ? ",\"lines_dropped_before\":%llu"
                                                           : " lines_dropped_before=%llu",
                                     (unsigned long long)missing));
        if (form == WEIR_LOG_JSON)
                put(&line, "}", 1);
        line.text[line.used++] = '\n';
        if (write(STDERR_FILENO, line.text, line.used) < 0)
                atomic_fetch_add(&dropped_count, missing + 1);
}
