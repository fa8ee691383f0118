/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_PARKED_H
#define WEIR_STORE_PARKED_H
/*
 * parked - events that wait outside of their partition's way, whole, each in a row
 *
 *  V1  a row comes with the transaction that passes its offset and goes with the one that decides it:
 *      applied, found claimed, or kept as a dead letter.
 *  V2  a parked event has no claim: what decides between it and a duplicate is who claims first.
 */
#include "store/kept.h"

struct weir_parked {
        int64_t id;
        int64_t offset;
        int32_t item;
        int32_t attempts;
        int64_t wait_ms;   /* until the next try, by the database's clock */
        uint64_t key_hash; /* see weir_parked_key_hash(); 0 = no key */
};

/* What is parked under one key waits in one line. Different keys of one hash would share a line: slower,
 * never wrong. False = no memory. */
bool weir_parked_key_hash(struct weir_view key, uint64_t *ret);

/* The rows of @position in the order of their ids, into a list to be freed. */
int weir_parked_load(struct weir_pg *pg, int32_t position, struct weir_parked **ret,
                     size_t *ret_count, struct weir_error *reterr);

struct weir_parked_new {
        int32_t position;
        const char *topic;
        int32_t partition;
        int64_t offset;
        int32_t item;
        const struct weir_kept_record *record;
        struct weir_view source, event_id;
        int32_t attempts;        /* 0: has not been tried, waits behind another */
        int64_t first_failed_us; /* wall clock; 0 = now, if it was tried */
        const char *reason, *text;
        int64_t wait_ms;
};
/* Inside the transaction that passes its offset. */
int weir_parked_insert(struct weir_pg *pg, const struct weir_parked_new *parked, int64_t *ret_id,
                       struct weir_error *reterr);
/* 0; 1 = no such row. */
int weir_parked_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                     struct weir_kept_event *ret, struct weir_error *reterr);
/* Inside the transaction that decides it. DONE or GONE, or < 0. */
int weir_parked_remove(struct weir_pg *pg, int64_t id, struct weir_error *reterr);
/* It failed again and waits. Statement of its own, by the holder of @position only. enum weir_kept_done. */
int weir_parked_postpone(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_parked *parked, const char *reason, const char *text,
                         struct weir_error *reterr);

#endif
