/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_OUTBOX_FIXTURE_H
#define WEIR_TEST_OUTBOX_FIXTURE_H
/*
 * outbox_fixture - an empty outbox for each test, and rows of two streams in it
 */
#include "store_fixture.h"

#include "store/destination.h"
#include "store/stream.h"

static struct weir_pg *pg;

static inline void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "TRUNCATE weir.outbox, weir.outbox_stream, weir.destination,"
                       " weir.dead_letter RESTART IDENTITY",
                       reterr));
}

static inline void tear_down(void)
{
        weir_pg_close(pg);
}

/* @count rows of @bytes each in one stream of topic "t". */
static inline void insert_rows(int shard, int count, int bytes)
{
        char sql[512];

        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.outbox (kind, destination, shard, key, header_names,"
                 " header_values, body, message_id, worker) SELECT 't', 't', %d, 'k',"
                 " array['ce_id', 'ce_source', 'x']::bytea[],"
                 " array[('e-' || i)::bytea, '/s'::bytea, NULL], repeat('x', %d)::bytea, 'e-' || i,"
                 " 'w' FROM generate_series(1, %d) i",
                 shard, bytes, count);
        OK(weir_pg_run(pg, sql, reterr));
}

struct taken {
        struct weir_outbox_row *rows[2048];
        size_t streams[2048], count;
};

static inline int take(void *context, size_t stream, struct weir_outbox_row *row)
{
        struct taken *taken = context;

        ck_assert_uint_lt(taken->count, 2048);
        taken->streams[taken->count] = stream;
        taken->rows[taken->count++] = row;
        return 0;
}

static inline void drop(struct taken *taken)
{
        while (taken->count)
                free(taken->rows[--taken->count]);
}

static const struct weir_stream both[] = { { "t", 't', 3 }, { "t", 't', 5 } };

static inline struct weir_outbox_sight fetch(int64_t after, uint32_t rows, uint64_t bytes,
                                             struct taken *taken)
{
        const struct weir_outbox_window windows[] = { { both[0], after, rows },
                                                      { both[1], after, rows } };
        struct weir_outbox_sight sight = { .draw = true };

        OK(weir_outbox_fetch(pg, windows, 2, bytes, take, taken, &sight, reterr));
        return sight;
}

/* A row of stream 3 that lies where the reading has found it, or anywhere. */
static inline struct weir_outbox_name name_of(int64_t id, const struct taken *taken)
{
        struct weir_outbox_name name = { .stream = both[0], .id = id };

        for (size_t i = 0; taken && i < taken->count; i++)
                if (taken->rows[i]->id == id)
                        memcpy(name.place, taken->rows[i]->place, sizeof name.place);
        return name;
}

#endif
