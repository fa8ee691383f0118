/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_CLAIMS_FIXTURE_H
#define WEIR_TEST_CLAIMS_FIXTURE_H
/* claims_fixture - a position that claims, generations that age, and letters that need them */
#include "store_fixture.h"

#include "conf/conf.h"
#include "event/key.h"
#include "kafka/cluster.h"
#include "side/janitor.h"
#include "side/keeping.h"
#include "store/apply.h"
#include "store/claims.h"

enum { KEYS = 20, HOUR_MS = 3600000 };

static struct weir_pg *pg;
static struct weir_position position;

static inline void set_up(void)
{
        static int partition;

        pg = fixture_connect();
        OK(weir_position_take(pg, "w", "t", partition++, "me", &position, reterr));
        if (position.next_offset < 0)
                OK(weir_position_begin(pg, &position, 0, reterr));
}

static inline void tear_down(void)
{
        weir_pg_close(pg);
}

static inline struct weir_key key_of(const char *source, const char *id)
{
        const struct weir_event event = { .source = { source, strlen(source) },
                                          .id = { id, strlen(id) } };
        struct weir_key key;

        ck_assert_int_eq(weir_key_of((struct weir_view){ "w", 1 }, &event, &key), 0);
        return key;
}

/* How many of events /s first.. were fresh. */
static inline size_t claim(unsigned first, size_t count)
{
        static struct weir_key keys[KEYS];
        static int64_t offsets[KEYS];
        static bool fresh[KEYS];
        struct weir_apply apply = { .position = &position,
                                    .first_offset = position.next_offset,
                                    .next_offset = position.next_offset + 1,
                                    .record_count = 1,
                                    .event_count = (uint32_t)count,
                                    .keys = keys,
                                    .offsets = offsets,
                                    .key_count = count };
        size_t fresh_count = 0;

        for (size_t i = 0; i < count; i++) {
                char id[24];

                snprintf(id, sizeof id, "e-%zu", first + i);
                keys[i] = key_of("/s", id);
                offsets[i] = position.next_offset;
        }
        OK(weir_apply_begin(pg, &apply, fresh, reterr));
        OK(weir_pg_commit(pg, reterr));
        position.next_offset++;
        for (size_t i = 0; i < count; i++)
                fresh_count += fresh[i];
        return fresh_count;
}

static inline int32_t newest(void)
{
        return (int32_t)fixture_int(pg, "SELECT max(generation) FROM weir.claim_generation");
}

static inline int32_t next(void)
{
        int32_t generation = 0;

        OK(weir_claim_switch(pg, WEIR_CLAIM_PATIENCE_MS, &generation, reterr));
        return generation;
}

static inline struct weir_claim_fate judge(const struct weir_keeping *keeping, int32_t number)
{
        struct weir_claim_generation *list = NULL;
        struct weir_claim_fate fate = { .reason = NULL };
        size_t count = 0;

        OK(weir_claims_list(pg, false, &list, &count, reterr));
        for (size_t i = 0; i < count; i++)
                if (list[i].number == number)
                        OK(weir_keeping_judge(keeping, pg, &list[i], &fate, reterr));
        free(list);
        ck_assert_ptr_nonnull(fate.reason);
        return fate;
}

static inline void is_kept(const struct weir_keeping *keeping, int32_t number, const char *reason,
                           const char *text)
{
        struct weir_claim_fate fate = judge(keeping, number);

        ck_assert_str_eq(fate.reason, reason);
        ck_assert_int_eq(fate.may_go, *reason == '\0');
        ck_assert_msg(strstr(fate.text, text) != NULL, "'%s' in: %s", text, fate.text);
}

/* A generation that was closed so long ago. */
static inline void let_age(int32_t number, int hours)
{
        char sql[160];

        snprintf(sql, sizeof sql,
                 "UPDATE weir.claim_generation SET since = since - interval '%d h'"
                 " WHERE generation <= %d",
                 hours, number + 1);
        OK(weir_pg_run(pg, sql, reterr));
}

static inline int64_t letter(const char *state, const char *source, const char *id)
{
        return fixture_int(
                pg,
                "INSERT INTO weir.dead_letter (position, worker, topic, partition,"
                " \"offset\", header_names, header_values, class, reason, text, attempts,"
                " plugin_version, source, event_id, state, first_failed_at, marked_at)"
                " VALUES (%d, 'w', 't', 0, 0, '{}', '{}', 'reject', 'handler', '', 1, '1',"
                " %s, %s, '%s', now(), now()) RETURNING id",
                position.id, source, id, state);
}

#endif
