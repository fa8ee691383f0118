/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_POSITION_FIXTURE_H
#define WEIR_TEST_POSITION_FIXTURE_H
/* position_fixture - for each test a partition of its own, held by it and at offset 10 */
#include "base/arena.h"
#include "store/position.h"
#include "store_fixture.h"

static struct weir_pg *pg;
static struct weir_position position;
static struct weir_arena arena;
static char topic[32];

static inline void setup(void)
{
        static int count;

        pg = fixture_connect();
        snprintf(topic, sizeof topic, "t-%d-%d", (int)getpid(), count++);
        OK(weir_position_take(pg, "w", topic, 0, "host:1", &position, reterr));
        OK(weir_position_begin(pg, &position, 10, reterr));
        weir_arena_init(&arena, 4096);
}

static inline void teardown(void)
{
        weir_arena_fini(&arena);
        weir_pg_close(pg);
}

#endif
