/* SPDX-License-Identifier: MIT */
/*
 * decode - the decoder, alone, on a pipe
 *
 * For whoever wonders why a record was refused, and for test vectors: one JSON line in, one JSON line
 * out, in order, flushed at once, so that a program can hold a conversation with it. No Kafka, no
 * database, no configuration.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "cmd.h"
#include "event/attribute.h"
#include "event/base64.h"
#include "event/cursor.h"
#include "event/decode.h"
#include "event/refusal.h"
#include "event/writer.h"

#define LINE_BYTES_MAX (192u << 20) /* a value of 64 MiB is 86 MiB in base64 */

static const char help[] =
        "usage: weir decode [--accept-json-batch] < LINES\n"
        "\n"
        "Reads JSON lines from standard input, one message each:\n"
        "  {\"mode\": M, \"headers\": [[NAME, BASE64 or null], ...], \"key\": BASE64 or null, \"value\": BASE64 or null}\n"
        "and prints one JSON line for each:\n"
        "  {\"ok\":true,\"mode\":\"binary\",\"events\":[{ATTRIBUTES,\"data_base64\":BASE64 or null}]}\n"
        "  {\"ok\":false,\"error\":CLASS,\"reason\":TEXT,\"at\":BYTE}\n"
        "\n"
        "Modes: kafka (what weir run does; binary, structured and detect mean the same), http (and\n"
        "http-binary, http-structured, http-batch), json-batch (and batch; also any line with\n"
        "\"requires\":\"json-batch\"): Kafka with JSON batches accepted. Other members are ignored.\n"
        "\n"
        "  --accept-json-batch   take application/cloudevents-batch+json in mode kafka too\n"
        "  -h, --help            this text\n"
        "\n"
        "Exit status: 0 every line could be read, whatever the verdict; 1 some could not, each says why;\n"
        "2 wrong usage.\n"
        "\n"
        "examples:\n"
        "  weir decode < records.jsonl | grep '\"ok\":false'\n"
        "  echo '{\"headers\":[[\"ce_specversion\",\"MS4w\"],[\"ce_id\",\"MQ==\"],[\"ce_source\",\"L3M=\"],[\"ce_type\",\"dA==\"]]}' |\n"
        "    weir decode\n";

enum way { WAY_KAFKA, WAY_HTTP, WAY_BATCH };

struct request {
        enum way way;
        struct weir_message message;
};

/* What one line is worked on with. */
struct desk {
        struct weir_arena arena;
        struct weir_writer out;
        unsigned long line;
        bool first, accept_json_batch;
};

static int bad_input(struct desk *desk, size_t at, const char *what)
{
        char text[160];

        snprintf(text, sizeof text, ",\"at\":%zu}\n", at);
        weir_writer_init(&desk->out, &desk->arena, 400);
        weir_writer_z(&desk->out, "{\"ok\":false,\"error\":\"bad-input\",\"reason\":");
        {
                char reason[320];
                int size = snprintf(reason, sizeof reason, "line %lu: %s", desk->line, what);

                weir_writer_string(&desk->out, (struct weir_view){ reason, (size_t)size });
        }
        weir_writer_z(&desk->out, text);
        return 1;
}

static bool is(struct weir_view raw, const char *text)
{
        return raw.size == strlen(text) && memcmp(raw.ptr, text, raw.size) == 0;
}

static int out_of_memory(void)
{
        return WEIR_ENOMEM;
}

/* A JSON string as bytes with a NUL behind. 0, 1 = not a string, or not Unicode, or < 0. */
static int take_string(struct desk *desk, struct weir_view slice, struct weir_view *ret)
{
        struct weir_view raw;
        char *out;
        size_t size, at;

        if (slice.ptr[0] != '"')
                return 1;
        raw = weir_json_inside(slice);
        out = weir_arena_alloc(&desk->arena, raw.size + 1);
        if (!out)
                return out_of_memory();
        size = weir_json_unescape(raw, out, SIZE_MAX, &at);
        if (size == SIZE_MAX)
                return 1;
        out[size] = '\0';
        *ret = (struct weir_view){ out, size };
        return 0;
}

/* Base64 or null. */
static int take_bytes(struct desk *desk, struct weir_view slice, struct weir_view *ret)
{
        struct weir_view text;
        size_t size, at;
        char *out;
        int r;

        *ret = (struct weir_view){ NULL, 0 };
        if (slice.ptr[0] == 'n')
                return 0;
        r = take_string(desk, slice, &text);
        if (r)
                return r;
        out = weir_arena_alloc(&desk->arena, WEIR_BASE64_DECODED(text.size) + 1);
        if (!out)
                return out_of_memory();
        if (weir_base64_decode(text.ptr, text.size, out, &size, &at))
                return 1;
        out[size] = '\0';
        *ret = (struct weir_view){ out, size };
        return 0;
}

static int take_header(struct desk *desk, struct weir_view pair, struct weir_header *ret)
{
        struct weir_view name = { NULL, 0 }, value = { NULL, 0 }, slice;
        struct weir_cursor cursor;
        int r;

        if (pair.ptr[0] != '[')
                return 1;
        weir_cursor_open(&cursor, pair);
        if (!weir_cursor_element(&cursor, &slice))
                return 1;
        r = take_string(desk, slice, &name);
        if (r)
                return r;
        if (memchr(name.ptr, '\0', name.size) || !weir_cursor_element(&cursor, &slice))
                return 1;
        r = take_bytes(desk, slice, &value);
        if (r)
                return r;
        *ret = (struct weir_header){ name.ptr, value.ptr, value.size };
        return weir_cursor_element(&cursor, &slice) ? 1 : 0;
}

static int take_headers(struct desk *desk, struct weir_view list, struct weir_message *message)
{
        struct weir_view slice;
        struct weir_cursor cursor;
        struct weir_header *headers;
        size_t count = 0;

        if (list.ptr[0] == 'n')
                return 0;
        if (list.ptr[0] != '[')
                return 1;
        weir_cursor_open(&cursor, list);
        while (weir_cursor_element(&cursor, &slice))
                count++;
        headers = weir_arena_alloc(&desk->arena, (count + 1) * sizeof *headers);
        if (!headers)
                return out_of_memory();
        weir_cursor_open(&cursor, list);
        for (size_t i = 0; i < count && weir_cursor_element(&cursor, &slice); i++) {
                int r = take_header(desk, slice, &headers[i]);

                if (r)
                        return r;
        }
        message->headers = headers;
        message->header_count = count;
        return 0;
}

static int take_mode(struct weir_view slice, enum way *ret)
{
        struct weir_view mode;

        if (slice.ptr[0] != '"')
                return 1;
        mode = weir_json_inside(slice);
        if (is(mode, "kafka") || is(mode, "binary") || is(mode, "structured") || is(mode, "detect"))
                *ret = WAY_KAFKA;
        else if (is(mode, "http") || is(mode, "http-binary") || is(mode, "http-structured") ||
                 is(mode, "http-batch"))
                *ret = WAY_HTTP;
        else if (is(mode, "json-batch") || is(mode, "batch"))
                *ret = WAY_BATCH;
        else
                return 1;
        return 0;
}

/* 0, 1 = not a request (the answer is written), < 0 = no memory. */
static int read_request(struct desk *desk, struct weir_view line, struct request *ret)
{
        static const struct weir_limits limits = { .json_bytes = UINT32_MAX,
                                                   .nodes = 1u << 22,
                                                   .depth = 64 };
        struct weir_refusal refusal;
        struct weir_json_scan scan;
        struct weir_view object, name, value;
        struct weir_cursor cursor;
        bool requires_batch = false;
        unsigned seen = 0; /* a bit for each member */

        *ret = (struct request){ .way = WAY_KAFKA };
        if (weir_json_scan(line, &limits, 0, &scan, &refusal))
                return bad_input(desk, refusal.at, refusal.reason);
        object = weir_json_trim(line);
        if (object.ptr[0] != '{')
                return bad_input(desk, 0, "not a JSON object");
        weir_cursor_open(&cursor, object);
        while (weir_cursor_member(&cursor, &name, &value)) {
                const char *wrong = NULL;
                unsigned bit = is(name, "mode")      ? 1
                               : is(name, "headers") ? 2
                               : is(name, "key")     ? 4
                               : is(name, "value")   ? 8
                                                     : 0;
                int r = 0;

                if (seen & bit)
                        return bad_input(desk, (size_t)(name.ptr - line.ptr),
                                         "mode, headers, key or value is given twice");
                seen |= bit;
                if (is(name, "mode")) {
                        r = take_mode(value, &ret->way);
                        wrong = "mode is none of kafka, http, json-batch (see weir decode --help)";
                } else if (is(name, "headers")) {
                        r = take_headers(desk, value, &ret->message);
                        wrong = "headers is not a list of [name, base64 or null]";
                } else if (is(name, "key")) {
                        r = take_bytes(desk, value, &ret->message.key);
                        wrong = "key is not base64 or null";
                } else if (is(name, "value")) {
                        r = take_bytes(desk, value, &ret->message.value);
                        wrong = "value is not base64 or null";
                } else if (is(name, "requires")) {
                        requires_batch = is(value, "\"json-batch\"");
                }
                if (r == 1)
                        return bad_input(desk, (size_t)(value.ptr - line.ptr), wrong);
                if (r)
                        return r;
        }
        if (requires_batch && ret->way == WAY_KAFKA)
                ret->way = WAY_BATCH;
        return 0;
}

static void write_name(struct weir_writer *out, struct weir_view name)
{
        weir_writer_string(out, name);
        weir_writer_raw(out, ":", 1);
}

static int write_event(void *context, const struct weir_event *event)
{
        struct desk *desk = context;
        struct weir_writer *out = &desk->out;

        weir_writer_z(out, desk->first ? "{" : ",{");
        desk->first = false;
        for (int core = 0; core < WEIR_CORE_COUNT; core++) {
                const struct weir_view *value = weir_core_view(event, core);
                const char *name = weir_core_name(core);

                if (!value->ptr)
                        continue;
                write_name(out, (struct weir_view){ name, strlen(name) });
                weir_writer_string(out, *value);
                weir_writer_raw(out, ",", 1);
        }
        for (size_t i = 0; i < event->extension_count; i++) {
                const struct weir_attribute *extension = &event->extensions[i];

                write_name(out, extension->name);
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
        weir_writer_z(out, "}");
        return 0;
}

static bool has_content_type(const struct weir_message *message)
{
        for (size_t i = 0; i < message->header_count; i++)
                if (message->headers[i].value &&
                    strcmp(message->headers[i].name, "content-type") == 0)
                        return true;
        return false;
}

static int decode(struct desk *desk, const struct request *request, int *ret_mode,
                  struct weir_refusal *ret_refusal)
{
        struct weir_decoder decoder = { .arena = &desk->arena,
                                        .accept_json_batch = desk->accept_json_batch };

        switch (request->way) {
        case WAY_HTTP:
                return weir_decode_http(&decoder, &request->message, write_event, desk, ret_mode,
                                        ret_refusal);
        case WAY_BATCH:
                decoder.accept_json_batch = true;
                if (!has_content_type(&request->message))
                        return weir_decode_json_batch(&decoder, &request->message, write_event,
                                                      desk, ret_mode, ret_refusal);
                break;
        case WAY_KAFKA:
        default: break;
        }
        return weir_decode_kafka(&decoder, &request->message, write_event, desk, ret_mode,
                                 ret_refusal);
}

/* Answer one line into desk->out. 0, 1 = the line was no request, < 0 = no memory. */
static int answer(struct desk *desk, struct weir_view line)
{
        struct request request;
        struct weir_refusal refusal;
        struct weir_writer events;
        char number[48];
        int mode = WEIR_MODE_BINARY, r = read_request(desk, line, &request);

        if (r)
                return r;
        weir_writer_init(&desk->out, &desk->arena, 1024 + request.message.value.size * 2);
        desk->first = true;
        r = decode(desk, &request, &mode, &refusal);
        if (r < 0)
                return r;
        events = desk->out;
        weir_writer_init(&desk->out, &desk->arena, events.size + 256);
        if (r == 0) {
                weir_writer_z(&desk->out, "{\"ok\":true,\"mode\":\"");
                weir_writer_z(&desk->out, weir_mode_name(mode));
                weir_writer_z(&desk->out, "\",\"events\":[");
                weir_writer_raw(&desk->out, events.ptr, events.size);
                weir_writer_z(&desk->out, "]}\n");
        } else {
                weir_writer_z(&desk->out, "{\"ok\":false,\"error\":\"");
                weir_writer_z(&desk->out, weir_refusal_name(refusal.klass));
                weir_writer_z(&desk->out, "\",\"reason\":");
                weir_writer_string(&desk->out,
                                   (struct weir_view){ refusal.reason, strlen(refusal.reason) });
                snprintf(number, sizeof number, ",\"at\":%zu}\n", refusal.at);
                weir_writer_z(&desk->out, number);
        }
        return events.failed ? out_of_memory() : 0;
}

/* The next line without its end into *buffer. 1 = a line, 0 = end of input, -1 = longer than
 * LINE_BYTES_MAX (read past), < -1 = no memory. */
static int read_line(char **buffer, size_t *room, size_t *ret_size)
{
        bool too_long = false;
        size_t size = 0;
        int c;

        while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
                if (size == LINE_BYTES_MAX)
                        too_long = true;
                if (too_long)
                        continue;
                if (size == *room) {
                        size_t wanted = *room ? *room * 2 : 4096;
                        char *bigger = realloc(*buffer, wanted);

                        if (!bigger)
                                return -2;
                        *buffer = bigger;
                        *room = wanted;
                }
                (*buffer)[size++] = (char)c;
        }
        *ret_size = size;
        if (too_long)
                return -1;
        return c == EOF && size == 0 ? 0 : 1;
}

static int converse(struct desk *desk)
{
        WEIR_FREE char *buffer = NULL;
        size_t room = 0, size = 0;
        int code = CMD_DONE, more;

        while ((more = read_line(&buffer, &room, &size)) != 0) {
                struct weir_view out;
                int r;

                desk->line++;
                weir_arena_reset(&desk->arena);
                if (more < -1)
                        return cmd_say(CMD_FAILED, "decode", "line %lu: out of memory", desk->line);
                r = more < 0 ? bad_input(desk, LINE_BYTES_MAX, "longer than 192 MiB")
                             : answer(desk, (struct weir_view){ buffer ? buffer : "", size });
                if (r == 1)
                        code = CMD_FAILED;
                if (r < 0 || weir_writer_finish(&desk->out, &out) < 0)
                        return cmd_say(CMD_FAILED, "decode", "line %lu: out of memory", desk->line);
                fwrite(out.ptr, 1, out.size, stdout);
                if (cmd_flush("decode") != CMD_DONE)
                        return CMD_FAILED;
        }
        if (ferror(stdin))
                return cmd_say(CMD_FAILED, "decode", "standard input: %s", strerror(errno));
        return code;
}

int cmd_decode(int argc, char **argv)
{
        static const struct option options[] = {
                { "accept-json-batch", no_argument, NULL, 'b' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        struct desk desk = { .line = 0 };
        int option, code;

        while ((option = cmd_option(argc, argv, "h", options)) != -1) {
                switch (option) {
                case 'b': desk.accept_json_batch = true; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("decode");
                }
        }
        if (optind < argc) {
                cmd_say(CMD_USAGE, "decode", "reads standard input only, not %s", argv[optind]);
                return cmd_usage("decode");
        }
        weir_arena_init(&desk.arena, 64 * 1024);
        code = converse(&desk);
        weir_arena_fini(&desk.arena);
        return code;
}
