/* SPDX-License-Identifier: MIT */
/*
 * fuzz_binary - header lines, an empty line, a value: as a Kafka record and as an HTTP message
 *
 * Rules      those of fuzz_event.h; and a header that is no part of the event (of another name) changes no verdict.
 */
#include "fuzz_event.h"

#define HEADERS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_header headers[HEADERS + 1];
        struct weir_message message;
        struct fuzz fuzz;
        int r;

        fuzz_begin(&fuzz, data, size);
        message = fuzz_message(&fuzz, headers, HEADERS);
        r = fuzz_decode(weir_decode_kafka, &message, false);
        fuzz_decode(weir_decode_http, &message, false);
        headers[message.header_count++] = (struct weir_header){ "traceid", "\xff\x00", 2 };
        MUST(fuzz_decode(weir_decode_kafka, &message, false) == r);
        fuzz_end(&fuzz);
        return 0;
}
