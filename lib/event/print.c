/* SPDX-License-Identifier: MIT */
/*
 * print - two forms of an event: one to look at, one to feed to the next program
 *
 * The form to look at is what the CloudEvents Go SDK prints, because that is what people compare
 * with. JSON data is indented on its raw text, as that SDK does: a parser in between would turn
 * 9007199254740993 into another number and drop repeated members.
 *
 * Always true   PN1 without white space between tokens, what is printed of JSON equals what came,
 *                   save that control characters inside strings (legal as DEL and C1) are escaped.
 *               PN2 no byte below 0x20 but newline and tab reaches the output, nor DEL, nor C1.
 * Not chosen    raw bytes for binary data, as the SDK prints: they drive the terminal. Base64.
 * Threads       any; @out belongs to the caller.
 */
#include "event/print.h"

#include <string.h>

#include "event/attribute.h"
#include "event/base64.h"
#include "event/json.h"
#include "event/text.h"

void weir_text_print(FILE *out, struct weir_view text, bool lines)
{
        const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.size;

        while (p < end) {
                uint32_t scalar = 0;
                size_t size = weir_utf8_next(p, end, &scalar);
                bool shown = size && scalar >= 0x20 && (scalar < 0x7f || scalar > 0x9f);

                if (size && lines && (scalar == '\n' || scalar == '\t'))
                        shown = true;
                if (!size)
                        size = 1; /* not UTF-8: byte by byte */
                if (shown)
                        fwrite(p, 1, size, out);
                else
                        for (size_t i = 0; i < size; i++)
                                fprintf(out, "\\x%02x", p[i]);
                p += size;
        }
}

static void new_line(FILE *out, unsigned depth)
{
        fputs("\n  ", out);
        while (depth-- > 0)
                fputs("  ", out);
}

/* One JSON string from its quote on; returns what follows it. */
static const char *print_string(FILE *out, const char *p, const char *end)
{
        bool escaped = false;

        putc(*p++, out);
        while (p < end) {
                uint32_t scalar = 0;
                size_t size = weir_utf8_next((const unsigned char *)p, (const unsigned char *)end,
                                             &scalar);

                if (!size)
                        size = 1;
                if (scalar >= 0x7f && scalar <= 0x9f)
                        fprintf(out, "\\u%04x", (unsigned)scalar);
                else
                        fwrite(p, 1, size, out);
                p += size;
                if (!escaped && scalar == '"')
                        break;
                escaped = !escaped && scalar == '\\';
        }
        return p;
}

/* @json was checked: depth is bounded and the grammar holds. */
static void print_json(FILE *out, struct weir_view json)
{
        const char *p = json.ptr, *end = p + json.size;
        bool empty = false; /* right behind an opening bracket */
        unsigned depth = 0;

        while (p < end) {
                char c = *p;

                if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
                        p++;
                        continue;
                }
                if (empty && c != '}' && c != ']')
                        new_line(out, depth);
                if (c == '}' || c == ']') {
                        depth--;
                        if (!empty)
                                new_line(out, depth);
                }
                empty = c == '{' || c == '[';
                if (empty)
                        depth++;
                if (c == '"') {
                        p = print_string(out, p, end);
                        continue;
                }
                putc(c, out);
                if (c == ',')
                        new_line(out, depth);
                else if (c == ':')
                        putc(' ', out);
                p++;
        }
}

static void print_base64(FILE *out, struct weir_view data)
{
        char text[WEIR_BASE64_ENCODED(3 * 256)];

        for (size_t at = 0; at < data.size; at += 3 * 256) {
                size_t size = data.size - at < 3 * 256 ? data.size - at : 3 * 256;

                weir_base64_encode(data.ptr + at, size, text);
                fwrite(text, 1, WEIR_BASE64_ENCODED(size), out);
        }
}

static bool is_text(struct weir_view data)
{
        const unsigned char *p = (const unsigned char *)data.ptr, *end = p + data.size;

        while (p < end) {
                uint32_t scalar;
                size_t size = weir_utf8_next(p, end, &scalar);

                if (!size || !scalar)
                        return false;
                p += size;
        }
        return true;
}

static void print_data(FILE *out, const struct weir_event *event)
{
        static const struct weir_limits wide = { .json_bytes = UINT32_MAX,
                                                 .nodes = UINT32_MAX,
                                                 .depth = 1000 };
        struct weir_refusal refusal;

        if (!event->data.ptr)
                return;
        if (event->data_kind != WEIR_DATA_JSON && !is_text(event->data)) {
                fputs("Data (binary),\n  ", out);
                print_base64(out, event->data);
        } else {
                fputs("Data,\n  ", out);
                if (event->data_kind == WEIR_DATA_JSON &&
                    !weir_json_check(event->data, &wide, &refusal))
                        print_json(out, event->data);
                else
                        weir_text_print(out, event->data, true);
        }
        putc('\n', out);
}

static void print_pair(FILE *out, struct weir_view name, struct weir_view value)
{
        fputs("  ", out);
        weir_text_print(out, name, false);
        fputs(": ", out);
        weir_text_print(out, value, false);
        putc('\n', out);
}

void weir_event_print(FILE *out, const struct weir_event *event)
{
        static const enum weir_core order[] = {
                /* the SDK's */
                WEIR_CORE_SPECVERSION, WEIR_CORE_TYPE,
                WEIR_CORE_SOURCE,      WEIR_CORE_SUBJECT,
                WEIR_CORE_ID,          WEIR_CORE_TIME,
                WEIR_CORE_DATASCHEMA,  WEIR_CORE_DATACONTENTTYPE,
        };

        fputs("Context Attributes,\n", out);
        for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
                const char *name = weir_core_name(order[i]);
                const struct weir_view *value = weir_core_view(event, order[i]);

                if (value->ptr)
                        print_pair(out, (struct weir_view){ name, strlen(name) }, *value);
        }
        if (event->extension_count)
                fputs("Extensions,\n", out);
        for (size_t i = 0; i < event->extension_count; i++)
                print_pair(out, event->extensions[i].name, event->extensions[i].value);
        print_data(out, event);
}

static void write_name(struct weir_writer *out, const char *name, size_t size)
{
        weir_writer_string(out, (struct weir_view){ name, size });
        weir_writer_raw(out, ":", 1);
}

static void write_number(struct weir_writer *out, const char *name, int64_t number)
{
        char text[24];

        write_name(out, name, strlen(name));
        weir_writer_raw(out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
        weir_writer_raw(out, ",", 1);
}

void weir_record_print_json(struct weir_writer *out, const char *topic, int32_t partition,
                            int64_t offset, int64_t time_ms, struct weir_view key)
{
        weir_writer_z(out, "{\"topic\":");
        weir_writer_string(out, (struct weir_view){ topic, strlen(topic) });
        weir_writer_raw(out, ",", 1);
        write_number(out, "partition", partition);
        write_number(out, "offset", offset);
        write_number(out, "time_ms", time_ms);
        weir_writer_z(out, "\"key_base64\":");
        if (key.ptr)
                weir_writer_base64(out, key);
        else
                weir_writer_z(out, "null");
        weir_writer_raw(out, "}", 1);
}

void weir_event_print_json(struct weir_writer *out, const struct weir_event *event, bool record)
{
        weir_writer_raw(out, "{", 1);
        for (int core = 0; core < WEIR_CORE_COUNT; core++) {
                const struct weir_view *value = weir_core_view(event, core);
                const char *name = weir_core_name(core);

                if (!value->ptr)
                        continue;
                write_name(out, name, strlen(name));
                weir_writer_string(out, *value);
                weir_writer_raw(out, ",", 1);
        }
        for (size_t i = 0; i < event->extension_count; i++) {
                const struct weir_attribute *extension = &event->extensions[i];

                write_name(out, extension->name.ptr, extension->name.size);
                if (extension->type == WEIR_ATTRIBUTE_STRING)
                        weir_writer_string(out, extension->value);
                else
                        weir_writer_raw(out, extension->value.ptr, extension->value.size);
                weir_writer_raw(out, ",", 1);
        }
        weir_writer_z(out, "\"data_base64\":");
        if (event->data.ptr)
                weir_writer_base64(out, event->data);
        else
                weir_writer_z(out, "null");
        if (record) {
                weir_writer_z(out, ",\"record\":");
                weir_record_print_json(out, event->topic ? event->topic : "", event->partition,
                                       event->offset, event->record_time_ms, event->key);
        }
        weir_writer_raw(out, "}", 1);
}
