/* SPDX-License-Identifier: MIT */
/*
 * fuzz_structured - any bytes as a structured event, and as a batch, over Kafka and HTTP
 *
 * Rules      a verdict, never a crash; Kafka and HTTP agree on the same text; an event in a batch of one is taken where
 *            it is taken alone; what is taken survives all four forms (fuzz_event.h).
 */
#include "fuzz_event.h"

static int decode_as(fuzz_decode_fn *decode, const char *type, struct weir_view value)
{
        struct weir_header header = { "content-type", type, strlen(type) };
        struct weir_message message = { .value = value, .headers = &header, .header_count = 1 };

        return fuzz_decode(decode, &message, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz fuzz;
        struct weir_view value, batch;
        char *wrapped;
        int r;

        fuzz_begin(&fuzz, data, size);
        value = fuzz_rest(&fuzz);
        r = decode_as(weir_decode_kafka, "application/cloudevents+json", value);
        MUST(r == decode_as(weir_decode_http, "application/cloudevents+json", value));
        decode_as(weir_decode_kafka, "application/cloudevents-batch+json", value);
        wrapped = malloc(size + 2);
        MUST(wrapped);
        wrapped[0] = '[';
        if (size)
                memcpy(wrapped + 1, data, size);
        wrapped[size + 1] = ']';
        batch = fuzz_keep(&fuzz, wrapped, size + 2);
        free(wrapped);
        /* but for a mark of the byte order, which stands at the start only, and one more level of nesting */
        if (r == 0 && size < 250 && data[0] != 0xef)
                MUST(decode_as(weir_decode_kafka, "application/cloudevents-batch+json", batch) ==
                     0);
        fuzz_end(&fuzz);
        return 0;
}
