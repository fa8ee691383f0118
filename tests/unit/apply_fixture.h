/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_APPLY_FIXTURE_H
#define WEIR_TEST_APPLY_FIXTURE_H
/*
 * apply_fixture - batches of claims to put into the trail
 *
 * A batch begins at offset 100 of a partition that no other test of the program has; its keys are numbered, so that a
 * test can say which of two batches overlap.
 */
#include <pthread.h>

#include "store/apply.h"
#include "store/wire.h"
#include "store_fixture.h"

enum { KEYS = 8 };

/* Keys named by a number, so that a test can say which overlap. */
static inline struct weir_key key_of(unsigned number)
{
        struct weir_key key = { .bytes = { 0 } };

        for (size_t i = 0; i < sizeof key.bytes; i++) /* scattered: input order is not key order */
                key.bytes[i] = (uint8_t)((number * 2654435761u) >> (i % 4 * 8));
        key.bytes[15] = (uint8_t)number;
        key.bytes[14] = (uint8_t)(number >> 8);
        return key;
}

struct batch {
        struct weir_position position;
        struct weir_key keys[2000];
        int64_t offsets[2000];
        bool fresh[2000];
        struct weir_apply apply;
};

static inline struct batch *batch_of(struct weir_pg *pg, int32_t partition, unsigned first_key,
                                     size_t count)
{
        struct batch *batch = calloc(1, sizeof *batch);

        OK(weir_position_take(pg, "audit", "topic", partition, "host:1", &batch->position, reterr));
        if (batch->position.next_offset < 0)
                OK(weir_position_begin(pg, &batch->position, 100, reterr));
        for (size_t i = 0; i < count; i++) {
                batch->keys[i] = key_of(first_key + (unsigned)i);
                batch->offsets[i] = 100 + (int64_t)i;
        }
        batch->apply = (struct weir_apply){ .position = &batch->position,
                                            .first_offset = batch->position.next_offset,
                                            .next_offset = batch->position.next_offset + 10,
                                            .last_offset = batch->position.next_offset + 9,
                                            .last_time_ms = 1234,
                                            .last_fingerprint = -77,
                                            .record_count = 10,
                                            .event_count = (uint32_t)count,
                                            .plugin_version = "1.0",
                                            .keys = batch->keys,
                                            .offsets = batch->offsets,
                                            .key_count = count };
        return batch;
}

static inline void advance(struct batch *batch)
{
        batch->position.next_offset = batch->apply.next_offset;
        batch->apply.first_offset = batch->apply.next_offset;
        batch->apply.next_offset += 10;
}

static inline size_t fresh_count(const struct batch *batch)
{
        size_t count = 0;

        for (size_t i = 0; i < batch->apply.key_count; i++)
                count += batch->fresh[i];
        return count;
}

static inline int apply(struct weir_pg *pg, struct batch *batch)
{
        struct weir_error error = { 0 };
        int r = weir_apply_begin(pg, &batch->apply, batch->fresh, &error);

        ck_assert_msg(r >= 0, "%s %s", error.sqlstate, error.text);
        return r;
}

struct claimer {
        pthread_t thread;
        struct weir_pg *pg;
        struct batch *batch;
        int result;
        struct weir_error error;
};

static inline void *claim(void *arg)
{
        struct claimer *claimer = arg;

        claimer->result = weir_apply_begin(claimer->pg, &claimer->batch->apply,
                                           claimer->batch->fresh, &claimer->error);
        if (claimer->result == 0)
                claimer->result = weir_pg_commit(claimer->pg, &claimer->error);
        return NULL;
}

#endif
