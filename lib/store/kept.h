/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_KEPT_H
#define WEIR_STORE_KEPT_H
/* kept - a record as it came, kept in a table until it is run again: weir.parked, weir.dead_letter */
#include "base/arena.h"
#include "store/position.h"

struct weir_kept_record {
        int64_t record_time_ms;      /* -1: none */
        struct weir_view key, value; /* as they came; ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
};

/* What became of a statement that only the holder of the position may run. */
enum weir_kept_done {
        WEIR_KEPT_DONE = 0,
        WEIR_KEPT_FENCED = 1, /* another epoch holds the position */
        WEIR_KEPT_GONE = 2 /* the row is not there (any more), or not in the state that it was in */
};

/* One event to be run again. Views live in the arena that it was read into. */
struct weir_kept_event {
        int64_t id;
        int64_t offset;
        int32_t item;     /* which event of the record */
        int32_t attempts; /* calls of the handler that failed, of this round */
        int32_t round;
        int32_t deaths;         /* of the process, while this ran */
        struct weir_view death; /* the last one; ptr NULL = none */
        struct weir_view
                epoch; /* of the replay in whose claims it is to be run; ptr NULL = the worker's own */
        bool withhold;           /* what it emits does not leave */
        bool whole;              /* the record was refused as a whole: all of its events */
        int64_t first_failed_us; /* wall clock; 0 = never */
        struct weir_kept_record record;
};

#endif
