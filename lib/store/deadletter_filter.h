/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DEADLETTER_FILTER_H
#define WEIR_STORE_DEADLETTER_FILTER_H
/* deadletter_filter - which dead letters an operator means: from words, and into a WHERE */
#include "store/pg.h"

#define WEIR_DEADLETTER_RANGES_MAX 64

struct weir_deadletter_range {
        int64_t first, last;
};

struct weir_deadletter_filter {
        const char *worker, *topic, *klass; /* whole words; NULL = any */
        const char *reason;   /* a part of reason or text, capitals or not; NULL = any */
        const char *state;    /* one of weir_deadletter_is_state(); NULL = any */
        int32_t partition;    /* -1 = any */
        int64_t since_us;     /* last failure in [since, until); WEIR_TIME_NONE = open */
        int64_t until_us;     /* wall clock, the database's */
        int64_t above_id;     /* a cursor: ids beyond it; 0 = from the first */
        int64_t upto_id;      /* 0 = to the last */
        int32_t rounds_below; /* 0 = any */
        struct weir_deadletter_range ids[WEIR_DEADLETTER_RANGES_MAX];
        size_t id_count; /* 0 = any */
};

/* Everything. */
void weir_deadletter_filter_init(struct weir_deadletter_filter *filter);
bool weir_deadletter_is_state(const char *word);
bool weir_deadletter_is_class(const char *word);
/* "17", "17,20-25", "40-": added to what is there. NULL, or what is wrong. */
const char *weir_deadletter_filter_ids(struct weir_deadletter_filter *filter, const char *text);
/* "2026-01-31T08:00:00Z", "2026-01-31" (midnight, UTC), or a time ago: "90s" "2h" "7d". */
bool weir_deadletter_when_read(const char *text, int64_t *ret_us, bool *ret_ago);

/* " WHERE ..." over weir.dead_letter d, and its parameters from $1 on; more may follow as $@count + 1. Borrows the
 * filter's words. */
struct weir_deadletter_where {
        char sql[6144];
        struct weir_value values[10];
        size_t count;
};
void weir_deadletter_where_make(const struct weir_deadletter_filter *filter,
                                struct weir_deadletter_where *ret);
/* One more parameter; its number. */
int weir_deadletter_where_add(struct weir_deadletter_where *where, struct weir_value value);

#endif
