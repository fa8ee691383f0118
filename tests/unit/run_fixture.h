/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_RUN_FIXTURE_H
#define WEIR_TEST_RUN_FIXTURE_H
/*
 * run_fixture - a runner in a world of fakes
 *
 * The transaction is a fake with a script: which record fails, how, and whether its failure has a name. Everything
 * the runner may touch is fake, so each test is the runner alone.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <weir/worker.h>

#include "base/clock.h"
#include "flow/run.h"

#define RECORDS 64

static struct {
        struct weir_decided decided; /* what the trail tells */
        int bad_outcome[RECORDS];    /* what the handler says to record i; 0 = fine */
        bool nameless[RECORDS];      /* the failure shows only when rows are sent */
        bool at_commit[RECORDS];     /* … or only at COMMIT, unless blame is asked for */
        int infra_left;              /* transactions that fail with WEIR_EDB … */
        int infra_after;             /* … behind so many */
        size_t too_many;      /* records that take longer than a statement may; 0 = none do */
        int commit_lost;      /* transactions whose COMMIT gets no answer */
        bool waits_for_table; /* WEIR_ESQL of a record is 42P01 */
        bool commit_happened; /* … and whether it happened */
        int look_found_epoch;
        int transactions;
        size_t ranges[256][2]; /* committed ranges */
        size_t range_count;
        int64_t stored;        /* last offset told to Kafka */
        int64_t database_next; /* the row */
        int stop_after;        /* stop when so many transactions ran; 0 = never */
        int cut_after; /* the connection is gone then, and nobody waits for another; 0 = never */
        /* the table of attempts */
        struct weir_attempt attempts[RECORDS];
        size_t attempt_count;
        int saves, save_fails, save_fenced;
        /* the table of parked events */
        int64_t parked[RECORDS]; /* their offsets, in order */
        size_t parked_count;
        int parked_attempts[RECORDS];
        int asides;      /* calls */
        int aside_halts; /* at this call; 0 = never */
        int aside_frees; /* the park is emptied at this call; 0 = never */
        size_t halted_at;
        int64_t called_us[RECORDS][16]; /* when the handler was called for record i */
        int calls[RECORDS];
} world;

static struct weir_batch batch;
static struct weir_lane_env env;
static const struct weir_conf conf = { .crash_attempts = 3 };
static struct weir_conf_worker worker;
static struct weir_latch abort_latch, waker;

/* ---- fakes -------------------------------------------------------------------------------- */

static struct weir_worker plugin_table;
const char *weir_handler_version(const struct weir_handler *h)
{
        (void)h;
        return "1";
}
const struct weir_worker *weir_handler_worker(const struct weir_handler *h)
{
        (void)h;
        return &plugin_table;
}
struct weir_handler_tx *weir_handler_tx_new(struct weir_handler *h, const struct weir_limits *l)
{
        (void)h;
        (void)l;
        return (void *)&world;
}
void weir_handler_tx_withhold(struct weir_handler_tx *t, bool withhold)
{
        (void)t;
        (void)withhold;
}
void weir_handler_tx_free(struct weir_handler_tx *tx)
{
        (void)tx;
}
int weir_pool_acquire(struct weir_pool *p, struct weir_latch *i, struct weir_pg **ret,
                      struct weir_error *e)
{
        (void)p;
        (void)i;
        if (world.cut_after && world.transactions >= world.cut_after) {
                world.stop_after = 1;
                return weir_fail(e, WEIR_ESTOP, 0, "interrupted");
        }
        *ret = (void *)&world;
        return 0;
}
void weir_pool_release(struct weir_pool *p, struct weir_pg *pg)
{
        (void)p;
        (void)pg;
}
bool weir_pg_broken(const struct weir_pg *pg)
{
        (void)pg;
        return world.cut_after && world.transactions >= world.cut_after;
}
int weir_pg_classify(const struct weir_error *e)
{
        return e->sqlstate[0] == '2' ? WEIR_SQL_DATA : WEIR_SQL_INFRASTRUCTURE;
}
int weir_position_look(struct weir_pg *pg, int32_t id, struct weir_position *ret,
                       struct weir_error *e)
{
        (void)pg;
        (void)e;
        *ret = (struct weir_position){ .id = id,
                                       .epoch = world.look_found_epoch,
                                       .next_offset = world.database_next };
        return 0;
}
int weir_position_skip(struct weir_pg *pg, struct weir_position *p, int64_t next,
                       struct weir_error *e)
{
        (void)pg;
        (void)e;
        p->next_offset = world.database_next = next;
        return 0;
}
int weir_record_headers(struct weir_record *r, struct weir_arena *arena)
{
        (void)r;
        (void)arena;
        return 0;
}
void weir_record_release(struct weir_record *r)
{
        (void)r;
}
static int64_t fake_seen = -1;
int64_t weir_partition_position(struct weir_partition *p)
{
        (void)p;
        return fake_seen;
}
void weir_partition_store(struct weir_partition *p, int64_t next)
{
        (void)p;
        world.stored = next;
}
const char *weir_partition_topic(const struct weir_partition *p)
{
        (void)p;
        return "t";
}
int32_t weir_partition_number(const struct weir_partition *p)
{
        (void)p;
        return 0;
}
void weir_applier_fini(struct weir_applier *a)
{
        (void)a;
}

void weir_applier_advance(const struct weir_batch *b, size_t first, size_t count,
                          struct weir_position *p)
{
        p->next_offset = b->records[first + count - 1].record.offset + 1;
}

static inline int fail_at(struct weir_fault *ret, size_t record, bool named, int outcome)
{
        ret->outcome = outcome;
        ret->item = named ? (uint32_t)record : WEIR_NO_ITEM;
        snprintf(ret->error.text, sizeof ret->error.text, "record %zu", record);
        ret->error.sqlstate[0] = '\0';
        if (outcome == WEIR_ESQL)
                memcpy(ret->error.sqlstate, world.waits_for_table ? "42P01" : "22P02", 6);
        return WEIR_FAULT;
}

int weir_decided_load(struct weir_pg *pg, const struct weir_position *p, const char *version,
                      uint32_t window, struct weir_decided **ret, size_t *ret_count,
                      struct weir_error *e)
{
        (void)pg;
        (void)p;
        (void)version;
        (void)window;
        (void)e;
        *ret = calloc(1, sizeof **ret);
        **ret = world.decided;
        *ret_count = world.decided.dead > 0;
        return 0;
}
int weir_attempt_load(struct weir_pg *pg, const struct weir_position *p, struct weir_arena *arena,
                      struct weir_attempt **ret, size_t *ret_count, struct weir_error *e)
{
        (void)pg;
        (void)arena;
        (void)p;
        (void)e;
        *ret = calloc(RECORDS, sizeof **ret);
        memcpy(*ret, world.attempts, world.attempt_count * sizeof **ret);
        *ret_count = world.attempt_count;
        return 0;
}
int weir_attempt_save(struct weir_pg *pg, const struct weir_position *p,
                      struct weir_attempt *attempt, const char *reason, const char *text,
                      struct weir_error *e)
{
        size_t i = 0;

        (void)pg;
        (void)p;
        ck_assert_str_eq(reason, "handler");
        ck_assert(*text);
        world.saves++;
        if (world.save_fenced)
                return WEIR_KEPT_FENCED;
        if (world.save_fails > 0) {
                world.save_fails--;
                return weir_fail(e, WEIR_EDB, 0, "away");
        }
        while (i < world.attempt_count && world.attempts[i].offset != attempt->offset)
                i++;
        if (i == world.attempt_count)
                world.attempt_count++;
        attempt->first_failed_us = 1234;
        world.attempts[i] = *attempt;
        return WEIR_KEPT_DONE;
}
int weir_attempt_pass(struct weir_pg *pg, int32_t p, int64_t next_offset, struct weir_error *e)
{
        (void)pg;
        (void)p;
        (void)next_offset;
        (void)e;
        return 0;
}
bool weir_parked_key_hash(struct weir_view key, uint64_t *ret)
{
        *ret = key.ptr ? (uint64_t)key.ptr[0] : 0;
        return true;
}
int weir_parked_load(struct weir_pg *pg, int32_t p, struct weir_parked **ret, size_t *ret_count,
                     struct weir_error *e)
{
        (void)pg;
        (void)p;
        (void)e;
        *ret = calloc(1, sizeof **ret);
        *ret_count = 0;
        return 0;
}
int weir_parked_insert(struct weir_pg *pg, const struct weir_parked_new *parked, int64_t *ret_id,
                       struct weir_error *e)
{
        (void)pg;
        (void)e;
        world.parked_attempts[world.parked_count] = parked->attempts;
        world.parked[world.parked_count++] = parked->offset;
        *ret_id = (int64_t)world.parked_count;
        return 0;
}
void weir_aside_init(struct weir_aside *aside)
{
        (void)aside;
}
void weir_aside_fini(struct weir_aside *aside)
{
        (void)aside;
}
enum weir_run weir_aside_run(struct weir_aside *aside, const struct weir_position *p,
                             int64_t most_us)
{
        (void)p;
        ck_assert_int_gt(most_us, 0);
        world.asides++;
        if (world.aside_frees && world.asides >= world.aside_frees)
                while (aside->applier->park->count)
                        weir_park_remove(aside->applier->park, aside->applier->park->entries);
        if (world.asides == world.aside_halts) {
                snprintf(aside->halt.text, sizeof aside->halt.text, "from aside");
                return WEIR_RUN_HALTED;
        }
        return WEIR_RUN_DONE;
}
void weir_dead_fini(struct weir_dead *dead)
{
        (void)dead;
}
void weir_dead_halt(const struct weir_dead *dead, const struct weir_batch *b, size_t record,
                    struct weir_error *ret)
{
        (void)dead;
        (void)b;
        world.halted_at = record;
        snprintf(ret->text, sizeof ret->text, "halt");
}

int weir_applier_run(struct weir_applier *a, struct weir_pg *pg, struct weir_batch *b, size_t first,
                     size_t count, struct weir_position *position,
                     struct weir_applied_counts *counts, struct weir_fault *ret)
{
        (void)pg;
        memset(ret, 0, sizeof *ret);
        ret->item = WEIR_NO_ITEM;
        ret->next_offset = b->records[first + count - 1].record.offset + 1;
        world.transactions++;
        a->calls = (uint32_t)count;
        if (world.infra_left > 0 && world.transactions > world.infra_after) {
                world.infra_left--;
                return fail_at(ret, first, false, WEIR_EDB);
        }
        if (world.too_many && count >= world.too_many) {
                fail_at(ret, first, false, WEIR_ESQL);
                memcpy(ret->error.sqlstate, "57014", 6);
                return WEIR_FAULT;
        }
        ck_assert_int_eq(position->next_offset,
                         b->records[first].record.offset); /* always from the front */
        for (size_t i = first; i < first + count; i++) {
                if (b->items[i].parked || b->items[i].dead)
                        continue;
                if (world.bad_outcome[i] && !world.nameless[i])
                        world.called_us[i][world.calls[i]++ % 16] = weir_clock_us();
                if (world.bad_outcome[i]) {
                        if (world.bad_outcome[i] == WEIR_RETRY && b->items[i].attempts >= 3)
                                continue;
                        return fail_at(ret, i,
                                       world.at_commit[i] ? a->blame && count == 1
                                                          : !world.nameless[i] || count == 1,
                                       world.bad_outcome[i]);
                }
        }
        if (a->park->marked)
                ck_assert_int_eq(weir_park_keep(a->park, pg, b, first, count, 1, NULL), 0);
        if (world.commit_lost > 0) {
                world.commit_lost--;
                if (world.commit_happened)
                        world.database_next = ret->next_offset;
                return fail_at(ret, first, false, WEIR_ECOMMIT);
        }
        world.ranges[world.range_count][0] = first;
        world.ranges[world.range_count++][1] = count;
        weir_applier_advance(b, first, count, position);
        world.database_next = position->next_offset;
        counts->events += count;
        return WEIR_APPLIED;
}

static inline int stopping(void *context)
{
        (void)context;
        return world.stop_after && world.transactions >= world.stop_after ? WEIR_LANE_DRAIN : 0;
}

/* ---- fixture ------------------------------------------------------------------------------ */

static struct weir_position position;
static struct weir_runner runner;

static inline void setup(void)
{
        struct weir_error error;

        memset(&world, 0, sizeof world);
        world.look_found_epoch = 7;
        worker = (struct weir_conf_worker){ .name = "w",
                                            .retry_attempts = 5,
                                            .retry_factor = 2,
                                            .retry_first_delay_ms = 1,
                                            .retry_max_delay_ms = 2,
                                            .retry_park_max_keys = 10,
                                            .retry_park_max_events = 10,
                                            .dead_max_percent = 100,
                                            .dead_window = 100 };
        worker.conf = &conf;
        env = (struct weir_lane_env){ .worker = &worker };
        weir_arena_init(&batch.arena, 4096);
        batch.records = calloc(RECORDS, sizeof *batch.records);
        batch.items = calloc(RECORDS, sizeof *batch.items);
        batch.record_count = batch.item_count = RECORDS;
        for (uint32_t i = 0; i < RECORDS; i++) {
                batch.records[i].record.offset = 100 + i;
                batch.records[i].first_item = i;
                batch.records[i].item_count = 1;
                batch.items[i].record = i;
                batch.items[i].event.offset = 100 + i;
        }
        position = (struct weir_position){ .id = 1, .epoch = 7, .next_offset = 100 };
        world.database_next = 100;
        weir_latch_init(&abort_latch);
        weir_latch_init(&waker);
        ck_assert_int_eq(weir_runner_init(&runner, &env, NULL, &abort_latch, &waker, stopping, NULL,
                                          &error),
                         0);
}

/* As setup() did, with what the worker is configured to now; takes the position. */
static inline void start_again(void)
{
        struct weir_error error;

        weir_runner_fini(&runner);
        ck_assert_int_eq(weir_runner_init(&runner, &env, NULL, &abort_latch, &waker, stopping, NULL,
                                          &error),
                         0);
        ck_assert_int_eq(weir_runner_took(&runner, NULL, &position, &error), 0);
}

static inline void teardown(void)
{
        weir_runner_fini(&runner);
        weir_arena_fini(&batch.arena);
        free(batch.records);
        free(batch.items);
        weir_latch_fini(&abort_latch);
        weir_latch_fini(&waker);
}

static inline int dead_count(void)
{
        int count = 0;

        for (size_t i = 0; i < RECORDS; i++)
                count += batch.items[i].dead;
        return count;
}

/* Every record passed, each once, from front to back. */
static inline void assert_all_passed_in_order(void)
{
        size_t next = 0;

        for (size_t i = 0; i < world.range_count; i++) {
                ck_assert_uint_eq(world.ranges[i][0], next);
                next += world.ranges[i][1];
        }
        ck_assert_uint_eq(next, RECORDS);
        ck_assert_int_eq(position.next_offset, 100 + RECORDS);
        ck_assert_int_eq(world.stored, 100 + RECORDS);
}

#endif
