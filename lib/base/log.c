/* SPDX-License-Identifier: MIT */
/*
 * log - build the line in a bounded buffer, write it at once
 *
 * A log that blocks would stop lanes, one that kills (SIGPIPE) would stop the process: a line that
 * cannot be written is counted and dropped; the next one that can says how many are missing.
 */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

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

static void put(struct line *line, const char *text, size_t size)
{
        size_t room = sizeof line->text - 2 - line->used; /* newline and NUL */

        if (size > room)
                size = room;
        memcpy(line->text + line->used, text, size);
        line->used += size;
}

static void put_escaped(struct line *line, const char *text, bool quoted)
{
        if (quoted)
                put(line, "\"", 1);
        for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                char escape[8];

                if (*p == '"' || *p == '\\') {
                        escape[0] = '\\';
                        escape[1] = (char)*p;
                        put(line, escape, 2);
                } else if (*p < 0x20 || *p == 0x7f) {
                        put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *p));
                } else {
                        put(line, (const char *)p, 1);
                }
        }
        if (quoted)
                put(line, "\"", 1);
}

static bool needs_quotes(const char *text)
{
        return !*text || strpbrk(text, " =\"\\\t\n\r") != NULL;
}

static void put_field(struct line *line, const struct weir_log_field *field, int form)
{
        char number[24];

        if (form == WEIR_LOG_JSON) {
                put(line, ",", 1);
                put_escaped(line, field->key, true);
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
                put_escaped(line, field->text, form == WEIR_LOG_JSON || needs_quotes(field->text));
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
                put_field(&line, &LOG_I("lines_dropped_before", missing), form);
        if (form == WEIR_LOG_JSON)
                put(&line, "}", 1);
        line.text[line.used++] = '\n';
        if (write(STDERR_FILENO, line.text, line.used) < 0)
                atomic_fetch_add(&dropped_count, missing + 1);
}
