/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_PRINT_H
#define WEIR_EVENT_PRINT_H
/* print - an event for people (the CloudEvents Go SDK's form) and for programs (one JSON object) */
#include <stdbool.h>
#include <stdio.h>
#include <weir/event.h>

#include "event/writer.h"

/**
 * Print "Context Attributes," … "Extensions," … "Data," … with a newline at the end.
 *
 * JSON data is indented from its own text: numbers, member order and repeats stay as written.
 * Control characters are escaped, so that an event cannot drive the terminal it is shown on.
 * Errors   none of its own: ask ferror(@out).
 */
void weir_event_print(FILE *out, const struct weir_event *event);

/* Write one JSON object: the attributes, then "data_base64" (null = no data); with @record also
 * "record": where it came from (topic, partition, offset, time_ms, key_base64). */
void weir_event_print_json(struct weir_writer *out, const struct weir_event *event, bool record);

/* The members of "record" alone, as an object; for records that are no event. */
void weir_record_print_json(struct weir_writer *out, const char *topic, int32_t partition,
                            int64_t offset, int64_t time_ms, struct weir_view key);

/* Print @text, control characters escaped as \xNN; newline and tab pass when @lines. */
void weir_text_print(FILE *out, struct weir_view text, bool lines);

#endif
