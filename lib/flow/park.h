/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_PARK_H
#define WEIR_FLOW_PARK_H
/*
 * park - which events of a partition wait in weir.parked, and which of a batch go there too
 *
 * Memory of one lane: the parked rows of its position without their contents, bounded by
 * retry.park_max_keys and park_max_events. Lane thread only.
 */
#include "conf/conf.h"
#include "flow/batch.h"
#include "store/parked.h"

struct weir_park_entry {
        int64_t id, offset;
        int32_t item, attempts;
        uint64_t key_hash; /* 0 = no key: a line of its own */
        int64_t due_us;    /* weir_clock_us */
        bool head;         /* the first of its key: only it is tried */
};

struct weir_park_key {
        uint64_t hash;
        uint32_t rows;    /* in the table */
        uint32_t pending; /* in the batch in hand, not committed yet */
};

struct weir_park {
        bool wanted; /* retry.order = "park" */
        uint32_t max_keys, max_events;
        struct weir_park_entry *entries; /* by id */
        size_t count, room;
        struct weir_park_key *keys; /* by hash */
        size_t key_count, key_room;
        uint32_t pending;   /* of the batch in hand, keyless ones included */
        uint32_t reserved;  /* events that failed and stand behind the stuck record */
        bool marked;        /* events of the batch in hand may carry marks */
        int64_t max_offset; /* no entry beyond; -1 = none at all */
};

void weir_park_init(struct weir_park *park, const struct weir_conf_worker *worker);
void weir_park_fini(struct weir_park *park);
/* After the taking of a position, and when what is in the table is not known for certain. */
int weir_park_load(struct weir_park *park, struct weir_pg *pg, int32_t position,
                   struct weir_error *reterr);

/* ---- a batch ------------------------------------------------------------------------------- */

/* Send events of records [first, …) whose key is parked to the park. *ret_stuck: the first record that has to
 * wait until there is room; SIZE_MAX = none. < 0: WEIR_ENOMEM. */
int weir_park_mark(struct weir_park *park, struct weir_batch *batch, size_t first,
                   size_t *ret_stuck, struct weir_error *reterr);
/* Send an event that failed to the park, if there is room (1); mark again afterwards. 0 = no room: block. */
int weir_park_fail(struct weir_park *park, struct weir_batch *batch, uint32_t item, int64_t wait_ms,
                   struct weir_error *reterr);
/* V1: inside the transaction that passes records [first, first + count). */
int weir_park_keep(struct weir_park *park, struct weir_pg *pg, struct weir_batch *batch,
                   size_t first, size_t count, int32_t position, struct weir_error *reterr);
/* That transaction was committed. */
void weir_park_kept(struct weir_park *park, const struct weir_batch *batch, size_t first,
                    size_t count);

/* ---- what waits ---------------------------------------------------------------------------- */

/* The first by age that is head of its key and due; NULL = none. Valid until the park changes. */
struct weir_park_entry *weir_park_due(struct weir_park *park, int64_t now_us);
void weir_park_remove(struct weir_park *park, struct weir_park_entry *entry);

#endif
