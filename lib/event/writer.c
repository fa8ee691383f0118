/* SPDX-License-Identifier: MIT */
/*
 * writer - the few shapes of JSON that weir writes
 *
 * Not chosen    cJSON's printer: it re-prints numbers through a double, and needs a tree first.
 */
#include "event/writer.h"

#include <stdint.h>
#include <string.h>
#include <weir/error.h>

#include "event/base64.h"

void weir_writer_init(struct weir_writer *writer, struct weir_arena *arena, size_t expected)
{
        *writer = (struct weir_writer){ .arena = arena, .room = expected + 16 };
        writer->ptr = weir_arena_alloc(arena, writer->room);
        writer->failed = !writer->ptr;
}

static char *reserve(struct weir_writer *writer, size_t size)
{
        char *bigger;

        if (writer->failed)
                return NULL;
        if (size <= writer->room - writer->size)
                return writer->ptr + writer->size;
        if (size > SIZE_MAX / 4 || writer->room > SIZE_MAX / 4) {
                writer->failed = true;
                return NULL;
        }
        bigger = weir_arena_alloc(writer->arena, (writer->room + size) * 2);
        if (!bigger) {
                writer->failed = true;
                return NULL;
        }
        memcpy(bigger, writer->ptr, writer->size);
        writer->ptr = bigger;
        writer->room = (writer->room + size) * 2;
        return writer->ptr + writer->size;
}

void weir_writer_raw(struct weir_writer *writer, const char *bytes, size_t size)
{
        char *out = reserve(writer, size);

        if (!out)
                return;
        if (size)
                memcpy(out, bytes, size);
        writer->size += size;
}

void weir_writer_z(struct weir_writer *writer, const char *text)
{
        weir_writer_raw(writer, text, strlen(text));
}

static void put_escape(struct weir_writer *writer, unsigned char byte)
{
        static const char hex[] = "0123456789abcdef";
        char escape[6] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };
        const char *shortest = strchr("\"\"\\\\\bb\ff\nn\rr\tt", byte);

        if (byte && shortest) {
                escape[1] = shortest[1];
                weir_writer_raw(writer, escape, 2);
        } else {
                weir_writer_raw(writer, escape, sizeof escape);
        }
}

void weir_writer_string(struct weir_writer *writer, struct weir_view text)
{
        size_t done = 0;

        weir_writer_raw(writer, "\"", 1);
        for (size_t i = 0; i < text.size; i++) {
                unsigned char byte = (unsigned char)text.ptr[i];

                if (byte >= 0x20 && byte != '"' && byte != '\\')
                        continue;
                weir_writer_raw(writer, text.ptr + done, i - done);
                put_escape(writer, byte);
                done = i + 1;
        }
        weir_writer_raw(writer, text.ptr + done, text.size - done);
        weir_writer_raw(writer, "\"", 1);
}

void weir_writer_base64(struct weir_writer *writer, struct weir_view bytes)
{
        size_t size = WEIR_BASE64_ENCODED(bytes.size);
        char *out;

        weir_writer_raw(writer, "\"", 1);
        out = reserve(writer, size);
        if (out) {
                weir_base64_encode(bytes.ptr, bytes.size, out);
                writer->size += size;
        }
        weir_writer_raw(writer, "\"", 1);
}

int weir_writer_finish(struct weir_writer *writer, struct weir_view *ret)
{
        char *end = reserve(writer, 1);

        if (!end)
                return WEIR_ENOMEM;
        *end = '\0';
        *ret = (struct weir_view){ writer->ptr, writer->size };
        return 0;
}
