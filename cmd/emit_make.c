/* SPDX-License-Identifier: MIT */
/*
 * emit_make - one event from the command line, with what a person leaves out filled in
 *
 * Only here, never for events that are read: an id or a time that was made up on the way would be another one
 * at the second try, and the duplicate would not be recognised.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "emit.h"
#include "event/json.h"
#include "event/media.h"

static struct weir_view keep(struct weir_arena *arena, const char *text)
{
        size_t size = strlen(text);

        return (struct weir_view){ weir_arena_copy(arena, text, size), size };
}

static int read_file(const char *path, struct weir_arena *arena, struct weir_view *ret,
                     struct weir_error *reterr)
{
        FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
        WEIR_FREE char *bytes = NULL;
        size_t size = 0, room = 0, got;
        int failed;

        if (!file)
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
        do {
                char *bigger = size < room ? bytes : realloc(bytes, room = room ? room * 2 : 65536);

                if (!bigger)
                        break;
                bytes = bigger;
                got = fread(bytes + size, 1, room - size, file);
                size += got;
        } while (got > 0 && size <= EMIT_BYTES_MAX);
        failed = ferror(file) ? errno : 0;
        if (file != stdin)
                fclose(file);
        if (failed)
                return weir_fail(reterr, WEIR_ESYS, failed, "%s: %s", path, strerror(failed));
        if (size > EMIT_BYTES_MAX)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%s: more than %u MiB", path,
                                 EMIT_BYTES_MAX >> 20);
        *ret = (struct weir_view){ weir_arena_copy(arena, bytes ? bytes : "", size), size };
        return bytes && ret->ptr ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "%s: out of memory", path);
}

static void make_uuid(char text[37])
{
        uint8_t b[16];

        if (getrandom(b, sizeof b, 0) != sizeof b) /* cannot be short for 16 bytes once seeded */
                abort();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                 b[13], b[14], b[15]);
}

static void make_time(char text[64])
{
        int64_t now_us = weir_clock_wall_us();
        time_t seconds = (time_t)(now_us / 1000000);
        struct tm parts;

        gmtime_r(&seconds, &parts);
        snprintf(text, 64, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                 (unsigned)(now_us % 1000000));
}

int emit_make(const struct emit_wanted *wanted, struct weir_arena *arena, struct weir_event *ret,
              struct weir_error *reterr)
{
        static const struct weir_limits wide = { .json_bytes = EMIT_BYTES_MAX,
                                                 .nodes = 1u << 24,
                                                 .depth = 1000 };
        struct weir_event event = wanted->event;
        char uuid[37], now[64];
        struct weir_refusal refusal;

        make_uuid(uuid);
        make_time(now);
        if (!event.id.ptr)
                event.id = keep(arena, uuid);
        if (!wanted->time)
                event.time = keep(arena, now);
        else if (strcmp(wanted->time, "none"))
                event.time = keep(arena, wanted->time);
        if (!event.id.ptr || (!event.time.ptr && !wanted->time))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "out of memory");
        if (wanted->data_file && read_file(wanted->data_file, arena, &event.data, reterr) < 0)
                return reterr->code;
        if (wanted->data)
                event.data = (struct weir_view){ wanted->data, strlen(wanted->data) };
        if (event.data.ptr) {
                bool json = !weir_json_check(event.data, &wide, &refusal);

                if (!event.datacontenttype.ptr)
                        event.datacontenttype = keep(arena, json ? "application/json"
                                                            : wanted->data
                                                                    ? "text/plain"
                                                                    : "application/octet-stream");
                event.data_kind = json && weir_media_type_is_json(event.datacontenttype)
                                          ? WEIR_DATA_JSON
                                  : wanted->data ? WEIR_DATA_TEXT
                                                 : WEIR_DATA_BINARY;
        }
        *ret = event;
        return 0;
}
