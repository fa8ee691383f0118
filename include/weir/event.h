/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H
/*
 * event - one CloudEvent as a handler sees it: read-only views
 *
 * Owner    weir. Everything reachable from an event is valid until the handler returns; copy
 *          what must live longer.
 * Thread   the one that was handed the event.
 * Units    _us microseconds since 1970-01-01T00:00:00Z, _ms milliseconds, size bytes.
 * Source   CloudEvents 1.0.2, sections "Context Attributes" and "Event Data"; Kafka and HTTP
 *          protocol bindings 1.0.2.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stretch of bytes that somebody else owns. @ptr NULL = absent (different from empty).
 * Where a view is an attribute: UTF-8, no NUL inside, and ptr[size] is NUL. */
struct weir_view {
        const char *ptr;
        size_t size;
};

/* One Kafka or HTTP header, as it came. @value NULL = null header. value[size] is NUL. */
struct weir_header {
        const char *name; /* NUL-terminated; Kafka: case-sensitive (binding 3.2.3) */
        const char *value;
        size_t size; /* bytes of @value */
};

/* Type of an extension in the JSON format ("Type System Mapping"); the context attributes have
 * theirs by name. */
enum weir_attribute_type {
        WEIR_ATTRIBUTE_STRING = 0, /* String, Binary (base64), URI, URI-reference, Timestamp */
        WEIR_ATTRIBUTE_BOOLEAN = 1,
        WEIR_ATTRIBUTE_INTEGER = 2
};

/* One extension attribute. In binary mode the type is lost by design: all are STRING. */
struct weir_attribute {
        struct weir_view name;
        struct weir_view value; /* canonical string: true | false, -12, text */
        int type;               /* enum weir_attribute_type */
};

/* What weir knows of the data of an event. */
enum weir_data_kind {
        WEIR_DATA_NONE = 0,   /* the event has no data                                        */
        WEIR_DATA_BINARY = 1, /* bytes of any kind                                            */
        WEIR_DATA_TEXT = 2,   /* UTF-8 text: a JSON-format string under a non-JSON type       */
        WEIR_DATA_JSON = 3    /* JSON text: datacontenttype is JSON, or implied by the format */
};

/* No time: the attribute is absent. */
#define WEIR_TIME_NONE INT64_MIN

/* Required attributes are never absent and never empty: weir has checked the event. */
struct weir_event {
        uint32_t size; /* sizeof(struct weir_event) as compiled into the host; grows at the end */
        int32_t partition;

        struct weir_view specversion; /* "1.0" */
        struct weir_view id;
        struct weir_view source;
        struct weir_view type;
        struct weir_view subject;         /* optional from here: ptr may be NULL */
        struct weir_view time;            /* as written by the producer */
        struct weir_view datacontenttype; /* as written; NULL may still mean JSON, see data_kind */
        struct weir_view dataschema;
        int64_t time_us; /* microseconds since 1970-01-01T00:00:00Z, or WEIR_TIME_NONE */

        const struct weir_attribute *extensions; /* in the order of the record */
        size_t extension_count;

        /* Raw slice: big numbers, spacing and member order survive. JSON of a binary-mode record
         * was not parsed yet and may be no JSON after all: weir_event_json() and jsonb check it. */
        struct weir_view data;
        int data_kind; /* enum weir_data_kind */

        int32_t attempt;        /* 1 = first time that this process hands it to the handler */
        const char *topic;      /* where it came from; NUL-terminated */
        int64_t offset;         /* Kafka offset */
        int64_t record_time_ms; /* Kafka record timestamp, or -1 */
        struct weir_view key;   /* record key; any bytes; ptr NULL = no key */
        const struct weir_header *headers; /* all headers of the record, ours and foreign */
        size_t header_count;
        const char *replay; /* name of the replay epoch, NULL in ordinary consumption */
        /* ABI 1 ends here. Append below. */
};

#ifdef __cplusplus
}
#endif
#endif
