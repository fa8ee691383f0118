/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DEADLETTER_H
#define WEIR_STORE_DEADLETTER_H
/* deadletter - a record that could not be handled, kept whole, in the transaction that passes its offset */
#include "event/decode.h"
#include "store/pg.h"

struct weir_deadletter {
        int32_t position; /* weir.position.id */
        const char *worker, *topic;
        int32_t partition;
        int64_t offset, record_time_ms;
        struct weir_view key, value; /* as they came; ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
        const char *klass;  /* "decode", "reject", later "attempts", "crash" */
        const char *reason; /* refusal class, SQLSTATE, or "handler" */
        const char *text;   /* the words */
        int64_t at_byte;    /* -1 = does not apply */
        int32_t attempts;
        const char *plugin_version;
        struct weir_view source, id; /* of the event where it was decoded */
        int64_t first_failed_us;     /* wall clock; 0 = now */
};

/* Inside the open transaction. Headers are kept as bytes (name, value|null, in order). */
int weir_deadletter_insert(struct weir_pg *pg, const struct weir_deadletter *letter,
                           struct weir_error *reterr);

#endif
