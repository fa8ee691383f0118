/* SPDX-License-Identifier: MIT */
/*
 * fuzz_dead - a record with any headers (weir_* among them) becomes a dead letter's message, round after round
 *
 * Rules      D1, D2, D3 of lib/flow/dead.c: key, value and foreign headers are the record's, byte for byte and in order;
 *            of ours there is each once, and their size has a bound; rounds count up by one, to the most that there are;
 *            what the message decodes to is what the record decoded to.
 */
#include "flow/dead.h"
#include "fuzz_event.h"

#define HEADERS 16
#define OURS 9

static const struct weir_header *find(const struct weir_outbox_message *message, const char *name)
{
        const struct weir_header *found = NULL;

        for (size_t i = 0; i < message->header_count; i++)
                if (strcmp(message->headers[i].name, name) == 0) {
                        MUST(!found);
                        found = &message->headers[i];
                }
        MUST(found);
        return found;
}

static void check_headers(const struct weir_deadletter *letter,
                          const struct weir_outbox_message *message)
{
        static const char *const names[OURS] = {
                "weir_reason",    "weir_class",    "weir_text",  "weir_topic",      "weir_offset",
                "weir_partition", "weir_attempts", "weir_round", "weir_dead_letter"
        };
        size_t k = 0, ours = 0, bytes = 0;

        for (size_t i = 0; i < letter->header_count; i++) {
                const struct weir_header *want = &letter->headers[i];

                if (strncmp(want->name, "weir_", 5) == 0)
                        continue;
                MUST(k < message->header_count);
                MUST(strcmp(want->name, message->headers[k].name) == 0);
                MUST((want->value == NULL) == (message->headers[k].value == NULL));
                MUST(fuzz_same((struct weir_view){ want->value, want->size },
                               (struct weir_view){ message->headers[k].value,
                                                   message->headers[k].size }));
                k++;
        }
        for (size_t i = 0; i < message->header_count; i++)
                if (strncmp(message->headers[i].name, "weir_", 5) == 0) {
                        ours++;
                        bytes += message->headers[i].size;
                }
        MUST(ours == OURS && k + ours == message->header_count);
        MUST(bytes <= WEIR_DEAD_TEXT_BYTES + 249 + 3 * 64 + 5 * 20);
        for (size_t i = 0; i < OURS; i++)
                find(message, names[i]);
        MUST(fuzz_same(letter->key, message->key) && fuzz_same(letter->value, message->body));
}

static int decode(struct weir_message message, struct weir_arena *arena, struct fuzz_events *events)
{
        struct weir_decoder decoder = { .arena = arena };
        struct weir_refusal refusal = { 0 };
        int mode;

        return weir_decode_kafka(&decoder, &message, fuzz_take, events, &mode, &refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_header headers[HEADERS];
        struct fuzz_events before = { .count = 0 }, after = { .count = 0 };
        struct weir_outbox_message message;
        struct weir_message record, sent;
        struct weir_deadletter letter;
        struct weir_arena arena;
        struct fuzz fuzz;
        const char *text;
        int32_t round;
        int r;

        fuzz_begin(&fuzz, data, size);
        text = fuzz_line(&fuzz).ptr;
        record = fuzz_message(&fuzz, headers, HEADERS);
        weir_arena_init(&arena, 4096);
        round = weir_dead_round(record.headers, record.header_count);
        MUST(round >= 1 && round <= WEIR_ROUND_MAX);
        letter = (struct weir_deadletter){ .worker = "audit",
                                           .topic = "orders",
                                           .partition = 3,
                                           .offset = 999999999999999999,
                                           .value = record.value,
                                           .headers = record.headers,
                                           .header_count = record.header_count,
                                           .klass = "reject",
                                           .reason = "handler",
                                           .text = text,
                                           .attempts = 5,
                                           .round = round };
        MUST(weir_dead_message(&letter, 17, "dead", &arena, &message) == 0);
        check_headers(&letter, &message);
        MUST(find(&message, "weir_text")->size <= WEIR_DEAD_TEXT_BYTES);
        MUST(!weir_utf8_is(text) || weir_utf8_is(find(&message, "weir_text")->value));
        MUST(weir_dead_round(message.headers, message.header_count) ==
             (round < WEIR_ROUND_MAX ? round + 1 : WEIR_ROUND_MAX));
        sent = (struct weir_message){ .value = message.body,
                                      .headers = message.headers,
                                      .header_count = message.header_count };
        r = decode(record, &arena, &before);
        MUST(decode(sent, &arena, &after) == r && before.count == after.count);
        if (r == 0 && before.count == 1)
                fuzz_compare(&before.list[0], &after.list[0]);
        weir_arena_fini(&arena);
        fuzz_end(&fuzz);
        return 0;
}
