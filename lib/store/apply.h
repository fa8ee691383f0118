/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_APPLY_H
#define WEIR_STORE_APPLY_H
/*
 * apply - fence, claim and trail in one round trip; the start of every transaction that moves a position
 *
 * Pipeline: BEGIN; shared advisory lock of the claim generations; fence (compare-and-set on weir.position,
 * returning the generation state); claim + trail row in one statement. The three steps have three names
 * in SQL and in the code, so that a lane with concurrency inside the partition can order them anew.
 *
 *  A1  a claim is unique over all live generations: inside one by its primary key, across them by an
 *      anti-join, and the switch of generations excludes claimers by an advisory lock.
 *  A2  the caller never sends one key twice in a call (duplicates in the batch are dropped before).
 *  A3  fresh keys are matched by value, never by the order of rows.
 */
#include "event/key.h"
#include "store/position.h"

struct weir_apply {
        const struct weir_position *position; /* expected state: id, epoch, next_offset */
        int64_t first_offset, next_offset;    /* of the batch */
        int64_t last_offset, last_time_ms, last_fingerprint;
        uint32_t record_count, event_count; /* as read, duplicates in the batch included */
        uint32_t dead_count;   /* records that go to the dead letters in this transaction */
        uint32_t parked_count; /* records that go to the park */
        const char *plugin_version;
        const struct weir_key *keys; /* distinct */
        const int64_t *offsets;      /* of the same index */
        size_t key_count;
};

/* Returns 0: transaction open, ret_fresh[i] says whether keys[i] was claimed by us just now
 *         1: fenced: zero rows; rolled back
 *         < 0: rolled back or broken */
int weir_apply_begin(struct weir_pg *pg, const struct weir_apply *apply, bool *ret_fresh,
                     struct weir_error *reterr);

/* Inside that transaction: @keys were claimed in it, and shall not be. Their events count as dead in the trail row. For
 * a role that may DELETE claims and UPDATE weir.batch; WEIR_ESCHEMA where the rows are not there. */
int weir_apply_unclaim(struct weir_pg *pg, const struct weir_key *keys, size_t count,
                       struct weir_error *reterr);

#endif
