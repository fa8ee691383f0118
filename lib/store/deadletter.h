/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DEADLETTER_H
#define WEIR_STORE_DEADLETTER_H
/*
 * deadletter - a record that could not be handled, kept whole, in the transaction that passes its offset
 *
 * And on its way back: rows in the state 'requeue' are marked by an operator and run again by the lane
 * that holds their position (flow/aside).
 */
#include "event/decode.h"
#include "store/kept.h"
#include "store/pg.h"

/* No letter has been through more: then `weir dlq requeue --max-rounds` still can be one more. */
#define WEIR_ROUND_MAX 999999

struct weir_deadletter {
        int32_t position; /* weir.position.id */
        const char *worker, *topic;
        int32_t partition;
        int64_t offset, record_time_ms;
        struct weir_view key, value; /* as they came; ptr NULL = null */
        const struct weir_header *headers;
        size_t header_count;
        const char *klass;  /* "decode", "reject", "attempts", "deliver" */
        const char *reason; /* refusal class, SQLSTATE, or "handler" */
        const char *text;   /* the words */
        int64_t at_byte;    /* -1 = does not apply */
        int32_t attempts;
        const char *plugin_version;
        struct weir_view source, id; /* of the event where it was decoded */
        int64_t first_failed_us;     /* wall clock; 0 = now */
        int32_t item;                /* which event of the record; in the table -1 = all of them */
        int32_t round;               /* 0 = 1 */
        const char
                *epoch; /* of the replay whose claims it failed to make; NULL = the worker's own */
        bool withhold;  /* nothing that it emits leaves, also when it is run again */
        bool unless_kept; /* a replay meets what failed before: it has its letter already */
};

/* Inside the open transaction. Headers are kept as bytes (name, value|null, in order). *ret_id 0: unless_kept, and it is. */
int weir_deadletter_keep(struct weir_pg *pg, const struct weir_deadletter *letter, int64_t *ret_id,
                         struct weir_error *reterr);
static inline int weir_deadletter_insert(struct weir_pg *pg, const struct weir_deadletter *letter,
                                         struct weir_error *reterr)
{
        return weir_deadletter_keep(pg, letter, NULL, reterr);
}

/* ---- marked by an operator: state 'requeue' --------------------------------------------------- */

/* Positions that have marked rows, the lowest ones first, at most @room. */
int weir_deadletter_marked(struct weir_pg *pg, int32_t *positions, size_t room, size_t *ret_count,
                           struct weir_error *reterr);

/* How long a failed one waits: first_ms times factor to the power of its attempts less one. */
struct weir_deadletter_delay {
        int64_t first_ms, max_ms;
        uint32_t factor;
};
struct weir_deadletter_turn {
        int64_t id;
        uint64_t key_hash; /* 0 = no key */
};
/* Marked rows of @position that are due, by age, at most @room. While one waits for its next try, those of its key
 * that died after it are not due (X6). */
int weir_deadletter_due(struct weir_pg *pg, int32_t position,
                        const struct weir_deadletter_delay *delay,
                        struct weir_deadletter_turn *turns, size_t room, size_t *ret_count,
                        struct weir_error *reterr);
/* Read it whole. 0; 1 = it is not marked any more. */
int weir_deadletter_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                         struct weir_kept_event *ret, struct weir_error *reterr);
/* Inside the transaction that runs it: 'applied' or 'duplicate'. DONE, or GONE: an operator was faster. */
int weir_deadletter_settle(struct weir_pg *pg, int64_t id, bool applied, struct weir_error *reterr);
/* It failed again: counted, with its new reason; kept for a person when @last. A statement of its own, by
 * the holder of @position only. */
struct weir_deadletter_failure {
        int64_t id;
        int32_t attempts;
        bool last;
        const char *klass, *reason, *text;
        int64_t at_byte;
        const char *plugin_version;
};
int weir_deadletter_fail(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_deadletter_failure *failure, struct weir_error *reterr);

#endif
