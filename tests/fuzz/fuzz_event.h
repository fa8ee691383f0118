/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FUZZ_EVENT_H
#define WEIR_TEST_FUZZ_EVENT_H
/*
 * fuzz_event - what must hold of every event that was taken, and of every refusal
 *
 * An event that weir takes, it can send; whoever reads that has the same event. This one rule checks decoder and encoder
 * against each other, attribute by attribute and byte by byte.
 */
#include "event/attribute.h"
#include "event/cursor.h"
#include "event/decode.h"
#include "event/encode.h"
#include "event/json.h"
#include "event/key.h"
#include "event/print.h"
#include "event/text.h"
#include "event/timestamp.h"
#include "fuzz.h"

#define FUZZ_EVENTS 16

struct fuzz_events {
        struct weir_event list[FUZZ_EVENTS];
        size_t count; /* of all, also beyond the list */
};

static inline int fuzz_take(void *context, const struct weir_event *event)
{
        struct fuzz_events *events = context;

        if (events->count < FUZZ_EVENTS)
                events->list[events->count] = *event;
        events->count++;
        return 0;
}

/* A refusal has a class, and words that can stand in a log. Where it points is inside of what came. */
static inline void fuzz_check_refusal(const struct weir_refusal *refusal, size_t most)
{
        size_t size = strnlen(refusal->reason, sizeof refusal->reason);

        MUST(refusal->klass != WEIR_REFUSED_NOT);
        MUST(weir_refusal_name(refusal->klass) && weir_refusal_name(refusal->klass)[0]);
        MUST(size > 0 && size < sizeof refusal->reason);
        for (size_t i = 0; i < size; i++)
                MUST(refusal->reason[i] >= 0x20 && refusal->reason[i] < 0x7f);
        MUST(refusal->at <= most);
}

static inline void fuzz_check_text(struct weir_view text)
{
        size_t at;

        MUST(text.ptr[text.size] == '\0');
        MUST(weir_text_check(text.ptr, text.size, &at) == WEIR_TEXT_GOOD);
        MUST(!memchr(text.ptr, '\0', text.size));
}

/* Terminal and log: no control character but tab and newline gets through. */
static inline void fuzz_check_print(const struct weir_event *event)
{
        static char shown[1 << 16];
        FILE *out = fmemopen(shown, sizeof shown, "w");
        long used;

        MUST(out);
        weir_event_print(out, event);
        fflush(out);
        used = ftell(out);
        fclose(out);
        for (long i = 0; i < used; i++)
                MUST((unsigned char)shown[i] >= 0x20 || shown[i] == '\n' || shown[i] == '\t' ||
                     (i + 1 == (long)sizeof shown && shown[i] == '\0'));
}

static inline void fuzz_check_event(const struct weir_event *event, struct weir_arena *arena)
{
        static const struct weir_limits wide = { .json_bytes = UINT32_MAX,
                                                 .depth = 1000,
                                                 .nodes = UINT32_MAX };
        struct weir_refusal refusal;
        struct weir_writer writer;
        struct weir_view text;
        int64_t us;

        MUST(event->specversion.size == 3 && memcmp(event->specversion.ptr, "1.0", 3) == 0);
        MUST(event->id.size && event->source.size && event->type.size);
        for (int core = 0; core < WEIR_CORE_COUNT; core++)
                if (weir_core_view(event, core)->ptr) {
                        MUST(weir_core_view(event, core)->size);
                        fuzz_check_text(*weir_core_view(event, core));
                }
        for (size_t i = 0; i < event->extension_count; i++) {
                struct weir_view name = event->extensions[i].name;

                fuzz_check_text(event->extensions[i].value);
                MUST(name.size && name.ptr[name.size] == '\0');
                MUST(weir_core_of(name.ptr, name.size) == WEIR_CORE_NONE);
                for (size_t k = 0; k < i; k++)
                        MUST(!fuzz_same(name, event->extensions[k].name));
        }
        if (event->time.ptr) {
                MUST(weir_timestamp_parse(event->time.ptr, event->time.size, &us, NULL) == 0);
                MUST(us == event->time_us);
        } else {
                MUST(event->time_us == WEIR_TIME_NONE);
        }
        MUST((event->data.ptr == NULL) == (event->data_kind == WEIR_DATA_NONE));
        if (event->data_kind == WEIR_DATA_TEXT)
                for (const unsigned char *p = (const unsigned char *)event->data.ptr,
                                         *end = p + event->data.size;
                     p < end;) {
                        uint32_t scalar;
                        size_t step = weir_utf8_next(p, end, &scalar);

                        MUST(step);
                        p += step;
                }
        weir_writer_init(&writer, arena, 256);
        weir_event_print_json(&writer, event, true);
        MUST(weir_writer_finish(&writer, &text) == 0);
        MUST(weir_json_check(text, &wide, &refusal) == 0);
        fuzz_check_print(event);
}

/* All but the type of an extension, which is lost in binary mode. There a type that the JSON format implies is said. */
static inline void fuzz_compare(const struct weir_event *a, const struct weir_event *b)
{
        for (int core = 0; core < WEIR_CORE_COUNT; core++) {
                struct weir_view left = *weir_core_view(a, core), right = *weir_core_view(b, core);

                if (core == WEIR_CORE_DATACONTENTTYPE && !left.ptr && right.ptr &&
                    a->data_kind == WEIR_DATA_JSON)
                        left = (struct weir_view){ "application/json", 16 };
                MUST((left.ptr == NULL) == (right.ptr == NULL));
                MUST(fuzz_same(left, right));
        }
        MUST(a->extension_count == b->extension_count);
        for (size_t i = 0; i < a->extension_count; i++) {
                size_t k = 0;

                while (k < b->extension_count &&
                       !fuzz_same(a->extensions[i].name, b->extensions[k].name))
                        k++;
                MUST(k < b->extension_count);
                MUST(fuzz_same(a->extensions[i].value, b->extensions[k].value));
        }
        MUST(a->time_us == b->time_us);
        MUST((a->data.ptr == NULL) == (b->data.ptr == NULL));
        MUST(a->data_kind == WEIR_DATA_JSON /* white space around it is none of it */
                     ? fuzz_same(weir_json_trim(a->data), weir_json_trim(b->data))
                     : fuzz_same(a->data, b->data));
}

typedef int fuzz_decode_fn(const struct weir_decoder *decoder, const struct weir_message *message,
                           weir_event_fn *take, void *context, int *ret_mode,
                           struct weir_refusal *ret_refusal);

static inline void fuzz_read_back(fuzz_decode_fn *decode, struct weir_arena *arena,
                                  const struct weir_encoded *encoded,
                                  const struct weir_event *event)
{
        static const struct weir_limits wide = { .json_bytes = UINT32_MAX,
                                                 .depth = 1000,
                                                 .nodes = UINT32_MAX,
                                                 .attributes = UINT32_MAX,
                                                 .attribute_bytes = UINT32_MAX,
                                                 .headers = UINT32_MAX };
        struct weir_decoder decoder = { .arena = arena, .limits = wide };
        struct weir_message message = { .key = encoded->key,
                                        .value = encoded->value,
                                        .headers = encoded->headers,
                                        .header_count = encoded->header_count };
        struct fuzz_events back = { .count = 0 };
        struct weir_refusal refusal = { 0 };
        int mode;

        MUST(decode(&decoder, &message, fuzz_take, &back, &mode, &refusal) == 0);
        MUST(back.count == 1);
        fuzz_compare(event, &back.list[0]);
}

/* Through all four forms and back. A form may refuse what it cannot carry, in words. */
static inline void fuzz_round_trip(const struct weir_event *event, struct weir_arena *arena)
{
        struct weir_encode_options options = { 0 };
        struct weir_encoded encoded;
        struct weir_refusal refusal = { 0 };

        if (weir_encode_kafka_binary(arena, event, &options, &encoded, &refusal) == 0)
                fuzz_read_back(weir_decode_kafka, arena, &encoded, event);
        else
                fuzz_check_refusal(&refusal, SIZE_MAX);
        if (weir_encode_kafka_structured(arena, event, &options, &encoded, &refusal) == 0)
                fuzz_read_back(weir_decode_kafka, arena, &encoded, event);
        else
                fuzz_check_refusal(&refusal, SIZE_MAX);
        if (weir_encode_http_binary(arena, event, &encoded, &refusal) == 0)
                fuzz_read_back(weir_decode_http, arena, &encoded, event);
        else
                fuzz_check_refusal(&refusal, SIZE_MAX);
        if (weir_encode_http_structured(arena, event, &encoded, &refusal) == 0)
                fuzz_read_back(weir_decode_http, arena, &encoded, event);
        else
                fuzz_check_refusal(&refusal, SIZE_MAX);
}

/* Decode, and judge what comes. Returns what the decoder said. */
static inline int fuzz_decode(fuzz_decode_fn *decode, const struct weir_message *message,
                              bool batches)
{
        struct weir_arena arena;
        struct weir_decoder decoder = { .arena = &arena, .accept_json_batch = batches };
        struct fuzz_events events = { .count = 0 };
        struct weir_refusal refusal = { 0 };
        int mode = -1, r;

        weir_arena_init(&arena, 4096);
        r = decode(&decoder, message, fuzz_take, &events, &mode, &refusal);
        MUST(r == 0 || r == 1);
        if (r == 1) {
                size_t most = message->value.size;

                for (size_t i = 0; i < message->header_count; i++) {
                        if (message->headers[i].size > most)
                                most = message->headers[i].size;
                        if (strlen(message->headers[i].name) > most)
                                most = strlen(message->headers[i].name);
                }
                MUST(events.count == 0); /* whole or not at all */
                fuzz_check_refusal(&refusal, most);
        }
        for (size_t i = 0; r == 0 && i < events.count && i < FUZZ_EVENTS; i++) {
                fuzz_check_event(&events.list[i], &arena);
                fuzz_round_trip(&events.list[i], &arena);
        }
        weir_arena_fini(&arena);
        return r;
}

/* Lines "name: value" up to an empty one; "name" alone is a null header. The rest is the value. */
static inline struct weir_message fuzz_message(struct fuzz *fuzz, struct weir_header *headers,
                                               size_t room)
{
        struct weir_message message = { .headers = headers };

        while (fuzz->next < fuzz->end && message.header_count < room) {
                struct weir_view line = fuzz_line(fuzz), name = line, value = { NULL, 0 };
                const char *colon;

                if (line.size == 0)
                        break;
                colon = memchr(line.ptr, ':', line.size);
                if (colon) {
                        size_t before = (size_t)(colon - line.ptr), skip = before + 1;

                        skip += skip < line.size && line.ptr[skip] == ' ';
                        name = fuzz_keep(fuzz, line.ptr, before);
                        value = fuzz_keep(fuzz, line.ptr + skip, line.size - skip);
                }
                headers[message.header_count++] = (struct weir_header){ name.ptr, value.ptr,
                                                                        value.size };
        }
        if (fuzz->next < fuzz->end)
                message.value = fuzz_rest(fuzz);
        return message;
}

#endif
