/* SPDX-License-Identifier: MIT */
/*
 * dlq_show - one dead letter, all of it, without harm to the terminal
 *
 * What is text is shown as text, anything else as hex, and both up to a bound: the whole value, byte for byte, is what
 * --raw writes, to be fed to `weir decode`, a file or a fix. Its next step stands above the record: who looks at one
 * letter wants to know what to do, not only what it was.
 */
#include "dlq.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "cmd.h"
#include "event/print.h"
#include "event/text.h"
#include "event/writer.h"

#define TEXT_MOST 65536
#define HEX_MOST 4096
#define HEADER_MOST 1024

/* ---- for people ----------------------------------------------------------------------------- */

/* UTF-8 without control characters but white space. */
static bool is_text(struct weir_view bytes)
{
        const unsigned char *p = (const unsigned char *)bytes.ptr, *end = p + bytes.size;

        while (p < end) {
                uint32_t scalar = 0;
                size_t size = weir_utf8_next(p, end, &scalar);

                if (!size || scalar == 0x7f ||
                    (scalar < 0x20 && scalar != '\t' && scalar != '\n' && scalar != '\r'))
                        return false;
                p += size;
        }
        return true;
}

static void print_hex(struct weir_view bytes)
{
        for (size_t at = 0; at < bytes.size; at += 16) {
                size_t count = bytes.size - at < 16 ? bytes.size - at : 16;

                printf("  %08zx ", at);
                for (size_t i = 0; i < 16; i++)
                        if (i < count)
                                printf(" %02x", (unsigned char)bytes.ptr[at + i]);
                        else
                                fputs("   ", stdout);
                fputs("  |", stdout);
                for (size_t i = 0; i < count; i++) {
                        unsigned char c = (unsigned char)bytes.ptr[at + i];

                        putchar(c >= 0x20 && c < 0x7f ? c : '.');
                }
                puts("|");
        }
}

static void print_bytes(struct weir_view bytes, size_t text_most)
{
        bool text = is_text(bytes);
        size_t most = text ? text_most : HEX_MOST;
        struct weir_view shown = { bytes.ptr, bytes.size < most ? bytes.size : most };

        while (text && shown.size < bytes.size && shown.size &&
               ((unsigned char)shown.ptr[shown.size] & 0xc0) == 0x80)
                shown.size--; /* no half character */
        if (text) {
                weir_text_print(stdout, shown, true);
                if (shown.size && shown.ptr[shown.size - 1] != '\n')
                        putchar('\n');
        } else {
                print_hex(shown);
        }
        if (shown.size < bytes.size)
                printf("… %zu bytes more; --raw writes the whole value\n", bytes.size - shown.size);
}

static void print_line(const char *title, struct weir_view text)
{
        printf("%-16s ", title);
        weir_text_print(stdout, text, false);
        putchar('\n');
}

static void print_key(struct weir_view key)
{
        if (!key.ptr)
                puts("key              none");
        else if (key.size <= HEADER_MOST && is_text(key))
                print_line("key", key);
        else {
                printf("key              %zu bytes\n", key.size);
                print_bytes(key, HEADER_MOST);
        }
}

static void print_headers(const struct weir_kept_record *record)
{
        printf("headers          %zu\n", record->header_count);
        for (size_t i = 0; i < record->header_count; i++) {
                const struct weir_header *header = &record->headers[i];
                struct weir_view value = { header->value, header->size };

                fputs("  ", stdout);
                weir_text_print(stdout, (struct weir_view){ header->name, strlen(header->name) },
                                false);
                if (!value.ptr) {
                        puts(" (null)");
                        continue;
                }
                fputs(" = ", stdout);
                if (value.size > HEADER_MOST)
                        value.size = HEADER_MOST;
                weir_text_print(stdout, value, false);
                if (value.size < header->size)
                        printf("… %zu bytes more; --json has them", header->size - value.size);
                putchar('\n');
        }
}

static const char *next_of(const struct weir_pg_rows *row)
{
        return dlq_next(weir_pg_rows_text(row, 0, WEIR_LETTER_STATE).ptr,
                        weir_pg_rows_text(row, 0, WEIR_LETTER_CLASS).ptr,
                        weir_pg_rows_text(row, 0, WEIR_LETTER_REASON).ptr);
}

static void print_letter(const struct weir_pg_rows *row, const struct weir_kept_record *record)
{
        const char *next = next_of(row);

        for (size_t i = 0; i < WEIR_LETTER_KEY_BYTES; i++) {
                struct weir_view text = weir_pg_rows_text(row, 0, i);

                if (text.ptr)
                        print_line(dlq_names[i], text);
        }
        if (next)
                print_line("next", (struct weir_view){ next, strlen(next) });
        print_key(record->key);
        print_headers(record);
        if (!record->value.ptr) {
                puts("value            none");
                return;
        }
        printf("value            %zu bytes\n", record->value.size);
        print_bytes(record->value, TEXT_MOST);
}

/* ---- for programs --------------------------------------------------------------------------- */

static void write_base64(struct weir_writer *out, struct weir_view bytes)
{
        if (bytes.ptr)
                weir_writer_base64(out, bytes);
        else
                weir_writer_z(out, "null");
}

static int print_json(const struct weir_pg_rows *row, const struct weir_kept_record *record,
                      struct weir_arena *arena, struct weir_error *reterr)
{
        const char *next = next_of(row);
        struct weir_writer out;
        struct weir_view text;

        weir_writer_init(&out, arena, 4096 + record->value.size / 3 * 4);
        for (size_t i = 0; i < WEIR_LETTER_COLUMNS; i++) {
                text = weir_pg_rows_text(row, 0, i);
                weir_writer_z(&out, i ? ",\"" : "{\"");
                weir_writer_z(&out, dlq_names[i]);
                weir_writer_z(&out, "\":");
                if (!text.ptr)
                        weir_writer_z(&out, "null");
                else if (dlq_numbers[i])
                        weir_writer_raw(&out, text.ptr, text.size);
                else
                        weir_writer_string(&out, text);
        }
        weir_writer_z(&out, ",\"next\":");
        if (next)
                weir_writer_string(&out, (struct weir_view){ next, strlen(next) });
        else
                weir_writer_z(&out, "null");
        weir_writer_z(&out, ",\"key_base64\":");
        write_base64(&out, record->key);
        weir_writer_z(&out, ",\"headers\":[");
        for (size_t i = 0; i < record->header_count; i++) {
                const struct weir_header *header = &record->headers[i];
                const struct weir_view name = { header->name, strlen(header->name) };

                weir_writer_z(&out, i ? ",{\"name\":" : "{\"name\":");
                if (is_text(name))
                        weir_writer_string(&out, name);
                else
                        weir_writer_z(&out, "null");
                weir_writer_z(&out, ",\"name_base64\":");
                write_base64(&out, name);
                weir_writer_z(&out, ",\"value_base64\":");
                write_base64(&out, (struct weir_view){ header->value, header->size });
                weir_writer_z(&out, "}");
        }
        weir_writer_z(&out, "],\"value_base64\":");
        write_base64(&out, record->value);
        weir_writer_z(&out, "}\n");
        if (weir_writer_finish(&out, &text) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "a value of %zu bytes",
                                 record->value.size);
        fwrite(text.ptr, 1, text.size, stdout);
        return CMD_DONE;
}

int dlq_show(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *row = NULL;
        struct weir_kept_record record;
        struct weir_arena arena;
        int r;

        weir_arena_init(&arena, 65536);
        r = weir_deadletter_show(pg, order->id, &arena, &row, &record, reterr);
        if (r > 0) {
                r = cmd_say(CMD_FAILED, "dlq",
                            "no dead letter %" PRId64 "; weir dlq list --state any", order->id);
        } else if (r == 0 && order->json) {
                r = print_json(row, &record, &arena, reterr);
        } else if (r == 0 && order->raw) {
                if (record.value.ptr)
                        fwrite(record.value.ptr, 1, record.value.size, stdout);
                else
                        r = cmd_say(CMD_FAILED, "dlq", "dead letter %" PRId64 " has no value",
                                    order->id);
        } else if (r == 0) {
                print_letter(row, &record);
        }
        weir_arena_fini(&arena);
        return r;
}
