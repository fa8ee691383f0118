/* SPDX-License-Identifier: MIT */
/*
 * audit - keep every event, once, as it came
 *
 * The table has no unique index on (source, id), on purpose: weir's claims already see to it that
 * an event is handled once, and an index that swallowed a second effect would hide the day when
 * they did not. `SELECT source, id FROM audit.event GROUP BY 1, 2 HAVING count(*) > 1` is a proof
 * because of that.
 *
 * Order       within a partition, offsets ascend from transaction to transaction (xmin). There is
 *             no sequence: it costs a call per row and says no more.
 * Print       the form of the CloudEvents Go SDK. Printed before the commit, so an event whose
 *             batch is rolled back is printed again: the table is the record, the print is for
 *             the eye. An event is one write(2), so that lanes do not mix; on a pipe that is full
 *             they still may. Control characters of the data are shown, not sent to the terminal.
 * Not chosen  cJSON for printing: it would lose digits of big numbers and the order of members.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/worker.h>

enum {
        INDENT_DEPTH_MAX = 32, /* deeper data is printed as it came: indentation is quadratic */
        INDENT_BYTES_MAX = 1024 * 1024
};
#define YEAR_10000_MS INT64_C(253402300800000)

struct audit {
        struct weir_table *events;
        bool print;
};

/* ---- text that grows ------------------------------------------------------------------------ */

struct text {
        char *bytes;
        size_t used, room;
        bool failed; /* out of memory; everything after it is ignored */
};

static void put(struct text *text, const void *bytes, size_t size)
{
        if (text->failed || size == 0)
                return;
        if (size > text->room - text->used) {
                size_t room = (text->used + size) * 2 + 512;
                char *grown = realloc(text->bytes, room);

                if (!grown) {
                        text->failed = true;
                        return;
                }
                text->bytes = grown;
                text->room = room;
        }
        memcpy(text->bytes + text->used, bytes, size);
        text->used += size;
}

static void put_z(struct text *text, const char *words)
{
        put(text, words, strlen(words));
}

static void put_view(struct text *text, struct weir_view view)
{
        put(text, view.ptr, view.size);
}

/* ---- extensions as one JSON object ---------------------------------------------------------- */

static void put_json_string(struct text *text, struct weir_view view)
{
        put_z(text, "\"");
        for (size_t i = 0; i < view.size; i++) {
                unsigned char c = (unsigned char)view.ptr[i];
                char escape[8];

                if (c == '"' || c == '\\') {
                        escape[0] = '\\';
                        escape[1] = (char)c;
                        put(text, escape, 2);
                } else if (c < 0x20) {
                        put(text, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
                } else {
                        put(text, &view.ptr[i], 1);
                }
        }
        put_z(text, "\"");
}

static void put_extensions(struct text *text, const struct weir_event *event)
{
        put_z(text, "{");
        for (size_t i = 0; i < event->extension_count; i++) {
                const struct weir_attribute *extension = &event->extensions[i];

                if (i > 0)
                        put_z(text, ",");
                put_json_string(text, extension->name);
                put_z(text, ":");
                if (extension->type == WEIR_ATTRIBUTE_STRING)
                        put_json_string(text, extension->value);
                else
                        put_view(text, extension->value);
        }
        put_z(text, "}");
}

/* ---- the seeds' print form ------------------------------------------------------------------ */

static void put_attribute(struct text *text, const char *name, struct weir_view value)
{
        if (!value.ptr)
                return;
        put_z(text, "  ");
        put_z(text, name);
        put_z(text, ": ");
        put_view(text, value);
        put_z(text, "\n");
}

static void put_line(struct text *text, size_t depth)
{
        put_z(text, "\n  ");
        for (size_t i = 0; i < depth; i++)
                put_z(text, "  ");
}

/* U+0080-009F: some terminals obey them as they obey ESC. */
static bool is_c1(const char *p, size_t size)
{
        return size >= 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] >= 0x80 &&
               (unsigned char)p[1] < 0xa0;
}

/* Tokens as they are, spacing anew. False: not to be indented, @text holds a part of it. */
static bool put_indented(struct text *text, struct weir_view data)
{
        size_t depth = 0;
        bool inside = false; /* a string */

        if (data.size > INDENT_BYTES_MAX)
                return false;
        for (size_t i = 0; i < data.size; i++) {
                char c = data.ptr[i];
                size_t next = i + 1;

                if (inside) {
                        put(text, &c, 1);
                        if ((unsigned char)c < 0x20 || c == 0x7f ||
                            is_c1(&data.ptr[i], data.size - i))
                                return false;
                        if (c == '\\' && next < data.size)
                                put(text, &data.ptr[++i], 1);
                        else if (c == '"')
                                inside = false;
                        continue;
                }
                switch (c) {
                case ' ':
                case '\t':
                case '\r':
                case '\n': break;
                case '{':
                case '[':
                        put(text, &c, 1);
                        while (next < data.size && strchr(" \t\r\n", data.ptr[next]) &&
                               data.ptr[next])
                                next++;
                        if (next < data.size && data.ptr[next] == (c == '{' ? '}' : ']')) {
                                put(text, &data.ptr[next], 1);
                                i = next;
                                break;
                        }
                        if (++depth > INDENT_DEPTH_MAX)
                                return false;
                        put_line(text, depth);
                        break;
                case '}':
                case ']':
                        if (depth == 0)
                                return false;
                        put_line(text, --depth);
                        put(text, &c, 1);
                        break;
                case ',':
                        put(text, &c, 1);
                        put_line(text, depth);
                        break;
                case ':': put_z(text, ": "); break;
                default:
                        if ((unsigned char)c < 0x20 || c == 0x7f)
                                return false;
                        inside = c == '"';
                        put(text, &c, 1);
                }
        }
        return depth == 0 && !inside;
}

static void put_hex(struct text *text, char byte)
{
        char escape[8];

        put(text, escape, (size_t)snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)byte));
}

/* Control characters but tab and line feed become \xNN, those of U+0080-009F two of them. */
static void put_safe(struct text *text, struct weir_view data)
{
        for (size_t i = 0; i < data.size; i++) {
                const char *p = &data.ptr[i];
                unsigned char c = (unsigned char)*p;

                if (is_c1(p, data.size - i)) {
                        put_hex(text, p[0]);
                        put_hex(text, p[1]);
                        i++;
                } else if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f) {
                        put_hex(text, *p);
                } else {
                        put(text, p, 1);
                }
        }
}

static void put_event(struct text *text, const struct weir_event *event)
{
        size_t before;

        put_z(text, "Context Attributes,\n");
        put_attribute(text, "specversion", event->specversion);
        put_attribute(text, "type", event->type);
        put_attribute(text, "source", event->source);
        put_attribute(text, "subject", event->subject);
        put_attribute(text, "id", event->id);
        put_attribute(text, "time", event->time);
        put_attribute(text, "dataschema", event->dataschema);
        put_attribute(text, "datacontenttype", event->datacontenttype);
        if (event->extension_count > 0)
                put_z(text, "Extensions,\n");
        for (size_t i = 0; i < event->extension_count; i++)
                put_attribute(text, event->extensions[i].name.ptr, event->extensions[i].value);
        if (!event->data.ptr)
                return;
        put_z(text, "Data,\n  ");
        before = text->used;
        if (event->data_kind != WEIR_DATA_JSON || !put_indented(text, event->data)) {
                text->used = before;
                put_safe(text, event->data);
        }
        put_z(text, "\n");
}

/* What cannot be printed is not printed: that must not stop an event. */
static void print_event(const struct weir_event *event)
{
        struct text text = { .bytes = NULL };
        size_t done = 0;

        put_event(&text, event);
        while (!text.failed && done < text.used) {
                ssize_t n = write(STDOUT_FILENO, text.bytes + done, text.used - done);

                if (n < 0 && errno != EINTR)
                        break;
                done += n > 0 ? (size_t)n : 0;
        }
        free(text.bytes);
}

/* A record's timestamp is whatever its producer wrote; nonsense in it is no reason to refuse an
 * event. */
static struct weir_value record_time(const struct weir_event *event)
{
        if (event->record_time_ms < 0 || event->record_time_ms >= YEAR_10000_MS)
                return weir_null();
        return weir_timestamp_us(event->record_time_ms * 1000);
}

/* ---- the plugin ----------------------------------------------------------------------------- */

static int audit_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        static const char *const columns[] = { "source",      "id",         "type",
                                               "subject",     "time",       "datacontenttype",
                                               "dataschema",  "extensions", "data",
                                               "topic",       "partition",  "offset",
                                               "record_time", NULL };
        struct audit *audit = calloc(1, sizeof *audit);
        int r;

        if (!audit)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        r = host->option_bool(host, "print", &audit->print, reterr);
        if (r >= 0)
                r = weir_host_table(host, "audit.event", columns, &audit->events, reterr);
        if (r < 0) {
                free(audit);
                return r;
        }
        *ret_self = audit;
        return 0;
}

static int audit_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                        struct weir_error *reterr)
{
        struct audit *audit = self;
        struct text extensions = { .bytes = NULL };
        struct weir_view object = { NULL, 0 };
        int r;

        if (event->extension_count > 0) {
                put_extensions(&extensions, event);
                if (extensions.failed) {
                        free(extensions.bytes);
                        return weir_retry(reterr, "out of memory for the extensions");
                }
                object.ptr = extensions.bytes;
                object.size = extensions.used;
        }
        if (audit->print)
                print_event(event);
        r = weir_tx_append(tx, audit->events, reterr, weir_text(event->source),
                           weir_text(event->id), weir_text(event->type), weir_text(event->subject),
                           weir_timestamp_us(event->time_us), weir_text(event->datacontenttype),
                           weir_text(event->dataschema), weir_jsonb(object),
                           weir_bytea(event->data), weir_text_z(event->topic),
                           weir_int4(event->partition), weir_int8(event->offset),
                           record_time(event));
        free(extensions.bytes);
        return r;
}

static void audit_close(void *self)
{
        free(self);
}

WEIR_WORKER(.name = "audit", .version = "1.0", .open = audit_open, .handle = audit_handle,
            .close = audit_close)
