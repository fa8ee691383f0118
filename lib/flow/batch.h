/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_BATCH_H
#define WEIR_FLOW_BATCH_H
/*
 * batch - the records a lane has in hand, and the events they decode into
 *
 * Owner    one lane. Every event view lives until weir_batch_reset().
 *  B1  records are in offset order, each offset greater than the one before.
 *  B2  a record has one outcome: its events (perhaps none), or a refusal.
 */
#include "event/decode.h"
#include "event/filter.h"
#include "event/key.h"
#include "kafka/consumer.h"

enum weir_parking {
        WEIR_PARKED_NOT,
        WEIR_PARKED_BEHIND, /* another of its key is parked: it goes there too, untried */
        WEIR_PARKED_FAILED  /* it was tried, and waits there for its next try */
};

/* One event of a record, with what the flow needs to know of it. */
struct weir_item {
        struct weir_event event;
        struct weir_key key;
        uint32_t record;         /* index into records */
        int32_t attempts;        /* calls of the handler that asked for a retry */
        int32_t deaths;          /* of the process, with this event inside the handler */
        const char *death;       /* the last one; owned by flow/retry */
        int64_t first_failed_us; /* wall clock; 0 = it did not */
        int64_t try_at_us;       /* weir_clock_us: not before; 0 = now */
        bool left_out;           /* not meant by the filter: as if the record did not hold it */
        bool dead;               /* condemned: goes to the dead letters, not to the handler */
        int parked;              /* enum weir_parking */
        int64_t parked_id;       /* row of weir.parked, once it is written */
        const char *klass;       /* of the dead letter */
        char reason[8];          /* SQLSTATE, "handler", or a signal */
        char *text;              /* the handler's words; in the arena */
};

struct weir_batch_record {
        struct weir_record record; /* .headers in the arena */
        uint32_t first_item, item_count;
        struct weir_refusal *refusal; /* in the arena; NULL = decoded, or passed by the rules */
        bool refused;                 /* it could not be decoded */
        uint64_t key_hash;            /* see flow/park; 0 = no key, or not asked for yet */
};

/* What a replay makes of records; nothing of it is copied. */
struct weir_batch_rules {
        const char *space;  /* goes into every key, instead of the worker's name */
        const char *replay; /* weir_event.replay */
        const struct weir_filter *
                filter; /* NULL = all events. With one, a record that cannot be decoded is passed */
};

struct weir_batch {
        struct weir_arena arena;
        struct weir_decoder decoder;
        struct weir_view worker; /* goes into every key */
        const char *replay;      /* NULL in ordinary consumption */
        const struct weir_filter *filter;
        struct weir_batch_record *records;
        size_t record_count, record_room;
        struct weir_item *items;
        size_t item_count, item_room;
        uint64_t bytes;
        uint64_t largest_bytes; /* the largest record since the reset, by weir_batch_cost() */
};

void weir_batch_init(struct weir_batch *batch, const char *worker, const struct weir_limits *limits,
                     bool accept_json_batch);
/* Of an empty batch; NULL: ordinary consumption again, by @worker. */
void weir_batch_set_rules(struct weir_batch *batch, const char *worker,
                          const struct weir_batch_rules *rules);
void weir_batch_fini(struct weir_batch *batch);
/* Take the record (ownership from a return of 0 on) and decode it. < 0: WEIR_ENOMEM. */
int weir_batch_add(struct weir_batch *batch, struct weir_record *record, struct weir_error *reterr);
/* Release the records; keep the memory. */
void weir_batch_reset(struct weir_batch *batch);
/* What the batch holds, and what a handler that writes everything down buffers of it, in bytes. */
uint64_t weir_batch_cost(const struct weir_batch *batch);
/* Which event of its record @item is. */
static inline int32_t weir_batch_item_index(const struct weir_batch *batch, uint32_t item)
{
        return (int32_t)(item - batch->records[batch->items[item].record].first_item);
}
/* The words of its last failure, in the same place each time: a thousand attempts take no more memory than one. */
void weir_batch_describe(struct weir_batch *batch, struct weir_item *item, const char *reason,
                         const char *text);
/* From here on it goes to the dead letters. @klass static. */
void weir_batch_condemn(struct weir_item *item, const char *klass);
enum weir_fate { WEIR_FATE_GOOD, WEIR_FATE_PARKED, WEIR_FATE_DEAD };
/* What the next transaction does with a record, as far as is known: the worst of its events. */
enum weir_fate weir_batch_fate(const struct weir_batch *batch, size_t record);

/* Distinct keys of the live events of records [first, first + count), in order. */
struct weir_claims {
        struct weir_key *keys;
        int64_t *offsets;
        uint32_t *items; /* index of the first item with that key */
        bool *fresh;     /* filled by weir_apply_begin() */
        size_t count, room;
        uint32_t *slots; /* hash of keys: index + 1 */
        size_t slot_count;
        uint32_t event_count;  /* live events, duplicates included */
        uint32_t dead_count;   /* refused records and condemned events */
        uint32_t parked_count; /* events that go to weir.parked */
};
int weir_claims_collect(struct weir_claims *claims, const struct weir_batch *batch, size_t first,
                        size_t count, struct weir_error *reterr);
void weir_claims_fini(struct weir_claims *claims);

#endif
