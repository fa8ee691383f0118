/* SPDX-License-Identifier: MIT */
/*
 * fuzz_encode - an event as a plugin may fill it in: any bytes in any place, of any type, into all forms and back
 *
 * First line: the kind of data (n b t j), then types of extensions (s b i); then "name: value" lines as in
 * fuzz_binary, where names of the specification go to their members. Rules: those of fuzz_event.h.
 */
#include "fuzz_event.h"

#define LINES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct weir_header lines[LINES];
        struct weir_attribute extensions[LINES];
        struct weir_event event = { .size = sizeof event,
                                    .time_us = WEIR_TIME_NONE,
                                    .extensions = extensions };
        struct weir_message message;
        struct weir_arena arena;
        struct fuzz fuzz;
        struct weir_view types;

        fuzz_begin(&fuzz, data, size);
        types = fuzz_line(&fuzz);
        message = fuzz_message(&fuzz, lines, LINES);
        for (size_t i = 0; i < message.header_count; i++) {
                struct weir_view value = { lines[i].value, lines[i].size };
                int core = weir_core_of(lines[i].name, strlen(lines[i].name));
                char type = 1 + i < types.size ? types.ptr[1 + i] : 's';

                if (core != WEIR_CORE_NONE) {
                        *(struct weir_view *)(uintptr_t)weir_core_view(&event, core) = value;
                        continue;
                }
                extensions[event.extension_count++] = (struct weir_attribute){
                        { lines[i].name, strlen(lines[i].name) },
                        value,
                        type == 'b'   ? WEIR_ATTRIBUTE_BOOLEAN
                        : type == 'i' ? WEIR_ATTRIBUTE_INTEGER
                                      : WEIR_ATTRIBUTE_STRING
                };
        }
        if (event.time.ptr &&
            weir_timestamp_parse(event.time.ptr, event.time.size, &event.time_us, NULL))
                event.time_us = WEIR_TIME_NONE;
        event.data = message.value;
        if (event.data.ptr)
                event.data_kind = types.ptr[0] == 'j'   ? WEIR_DATA_JSON
                                  : types.ptr[0] == 't' ? WEIR_DATA_TEXT
                                                        : WEIR_DATA_BINARY;
        weir_arena_init(&arena, 4096);
        fuzz_round_trip(&event, &arena);
        weir_arena_fini(&arena);
        fuzz_end(&fuzz);
        return 0;
}
