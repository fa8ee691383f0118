/* SPDX-License-Identifier: MIT */
/*
 * run: how a failed batch is cut, who is condemned, what is waited for
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
        (void)e;
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
        return false;
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

static int fail_at(struct weir_fault *ret, size_t record, bool named, int outcome)
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

static int stopping(void *context)
{
        (void)context;
        return world.stop_after && world.transactions >= world.stop_after ? WEIR_LANE_DRAIN : 0;
}

/* ---- fixture ------------------------------------------------------------------------------ */

static struct weir_position position;
static struct weir_runner runner;

static void setup(void)
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
static void start_again(void)
{
        struct weir_error error;

        weir_runner_fini(&runner);
        ck_assert_int_eq(weir_runner_init(&runner, &env, NULL, &abort_latch, &waker, stopping, NULL,
                                          &error),
                         0);
        ck_assert_int_eq(weir_runner_took(&runner, NULL, &position, &error), 0);
}

static void give_key(size_t record, const char *key)
{
        batch.records[record].record.key = (struct weir_view){ key, strlen(key) };
}

static void teardown(void)
{
        weir_runner_fini(&runner);
        weir_arena_fini(&batch.arena);
        free(batch.records);
        free(batch.items);
        weir_latch_fini(&abort_latch);
        weir_latch_fini(&waker);
}

static int dead_count(void)
{
        int count = 0;

        for (size_t i = 0; i < RECORDS; i++)
                count += batch.items[i].dead;
        return count;
}

/* Every record passed, each once, from front to back. */
static void assert_all_passed_in_order(void)
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

START_TEST(a_good_batch_is_one_transaction)
{
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 1);
        assert_all_passed_in_order();
}
END_TEST

START_TEST(a_named_culprit_alone_is_condemned)
{
        world.bad_outcome[20] = WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(batch.items[20].dead);
        ck_assert_str_eq(batch.items[20].reason, "handler");
        ck_assert_str_eq(batch.items[20].text, "record 20");
        ck_assert_int_eq(world.transactions, 4); /* all, before it, it, it as dead with the rest */
}
END_TEST

START_TEST(a_nameless_culprit_is_found_by_halving)
{
        world.bad_outcome[37] = WEIR_ESQL;
        world.nameless[37] = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(batch.items[37].dead);
        ck_assert_str_eq(batch.items[37].reason, "22P02");
        ck_assert_int_lt(world.transactions, 24);
}
END_TEST

START_TEST(an_event_for_which_commit_is_refused_is_found_and_condemned)
{
        world.bad_outcome[40] = WEIR_REJECT;
        world.at_commit[40] = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert(batch.items[40].dead);
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(!runner.applier.blame); /* the good path pays nothing for it */
}
END_TEST

START_TEST(culprits_at_both_ends_and_side_by_side_are_all_found)
{
        int bad[] = { 0, 1, 30, 31, 63 };

        for (size_t i = 0; i < 5; i++) {
                world.bad_outcome[bad[i]] = i % 2 ? WEIR_ESQL : WEIR_REJECT;
                world.nameless[bad[i]] = i % 2;
        }
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert(batch.items[bad[i]].dead);
}
END_TEST

START_TEST(infrastructure_never_condemns_and_never_gives_up)
{
        world.infra_left = 5;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(a_batch_that_is_too_much_for_the_server_is_cut_until_it_passes)
{
        world.too_many = 20;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(good_events_before_one_that_waits_for_its_table_are_not_held_up)
{
        world.bad_outcome[20] = WEIR_ESQL;
        world.waits_for_table = true;
        world.stop_after = 6;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 120);
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(a_retry_is_tried_again_in_its_place)
{
        world.bad_outcome[10] = WEIR_RETRY; /* fine from the fourth try on */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(batch.items[10].attempts, 3);
        ck_assert_int_eq(batch.items[10].event.attempt, 4);
        ck_assert_int_eq(world.calls[10], 4); /* attempts are calls, also that among others */
        ck_assert_int_eq(world.saves, 3);
        ck_assert_int_eq(world.attempts[0].attempts, 3);
        ck_assert_uint_eq(runner.retry.count, 0); /* forgotten when it passed */
}
END_TEST

START_TEST(an_event_that_fails_so_often_is_condemned_with_its_first_failure)
{
        worker.retry_attempts = 3;
        world.bad_outcome[10] = WEIR_RETRY;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert_str_eq(batch.items[10].klass, "attempts");
        ck_assert_str_eq(batch.items[10].text, "record 10");
        ck_assert_int_eq(batch.items[10].attempts, 3);
        ck_assert_int_eq(batch.items[10].first_failed_us, 1234);
        ck_assert_int_eq(world.calls[10], 3);
        ck_assert_int_eq(world.saves, 2); /* after the last there is nothing to wait for */
}
END_TEST

START_TEST(attempts_of_before_go_on_counting_and_the_rest_of_the_wait_is_kept)
{
        int64_t began_us = weir_clock_us();

        worker.retry_attempts = 4;
        worker.retry_first_delay_ms = worker.retry_max_delay_ms = 1;
        world.bad_outcome[20] = WEIR_RETRY;
        world.attempts[0] = (struct weir_attempt){
                .offset = 120, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        }; /* another process left it */
        world.attempt_count = 1;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.ranges[0][1], 20); /* what is before it does not wait */
        ck_assert_int_eq(world.calls[20], 2);      /* the third asks again, the fourth is good */
        ck_assert_int_ge(world.called_us[20][0] - began_us, 60000);
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(batch.items[20].event.attempt, 4);
}
END_TEST

START_TEST(SS1_a_suspect_is_run_alone_and_is_good)
{
        world.attempts[0] = (struct weir_attempt){ .offset = 120,
                                                   .deaths = 1,
                                                   .death = "SIGSEGV\nx" };
        world.attempt_count = 1;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.ranges[0][1], 20);
        ck_assert_uint_eq(world.ranges[1][1], 1);
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(SS2_an_event_that_was_deadly_often_enough_is_not_called_again)
{
        world.attempts[0] = (struct weir_attempt){ .offset = 120,
                                                   .deaths = 3,
                                                   .death = "SIGSEGV\nx" };
        world.attempts[1] = (struct weir_attempt){
                .offset = 121, .item = -1, .deaths = 2, .death = "stuck"
        };
        world.attempt_count = 2;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_uint_eq(world.ranges[0][1], 20);
        ck_assert_uint_eq(world.ranges[1][1], 1); /* its letter is not lost with its neighbour */
        ck_assert_uint_eq(world.ranges[2][1], 1);
        ck_assert_int_eq(dead_count(), 1);
        ck_assert_str_eq(batch.items[20].klass, "crash");
        ck_assert_str_eq(batch.items[20].reason, "SIGSEGV");
        ck_assert_str_eq(batch.items[20].text, "SIGSEGV\nx");
        ck_assert_int_eq(batch.items[20].attempts, 3);
}
END_TEST

START_TEST(attempts_of_an_event_that_its_record_does_not_hold_are_nobodys)
{
        world.attempts[0] = (struct weir_attempt){
                .offset = 120, .item = 1, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        };
        world.attempts[1] = (struct weir_attempt){
                .offset = 130, .item = -1, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        };
        world.attempt_count = 2;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        for (uint32_t i = 0; i < batch.item_count; i++)
                ck_assert_int_eq(batch.items[i].attempts, 0);
        ck_assert_int_eq(world.transactions, 1);
}
END_TEST

START_TEST(J1_an_attempt_that_cannot_be_written_is_not_waited_for_but_written_later)
{
        world.bad_outcome[10] = WEIR_RETRY;
        world.save_fails = 2;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(world.saves, 5);
        ck_assert_int_eq(world.calls[10], 4);
}
END_TEST

START_TEST(J1_a_lane_that_lost_its_epoch_counts_nothing)
{
        world.bad_outcome[10] = WEIR_RETRY;
        world.save_fenced = 1;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_FENCED);
        ck_assert_int_eq(world.calls[10], 1);
}
END_TEST

START_TEST(infrastructure_failures_between_attempts_use_up_none)
{
        worker.retry_attempts = 4;
        world.bad_outcome[0] = WEIR_RETRY;
        world.infra_after = 2;
        world.infra_left = 5;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(what_stands_aside_goes_on_while_the_partition_waits)
{
        worker.retry_first_delay_ms = worker.retry_max_delay_ms = 300;
        worker.retry_jitter_percent = 0;
        world.bad_outcome[0] = WEIR_RETRY;
        world.aside_halts = 4;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_str_eq(runner.halt.text, "from aside");
        ck_assert_int_eq(world.calls[0], 2);
}
END_TEST

/* ---- park ---------------------------------------------------------------------------------- */

START_TEST(a_parked_event_lets_the_partition_flow_and_holds_its_key)
{
        worker.retry_order = WEIR_RETRY_PARK;
        start_again();
        world.bad_outcome[10] = WEIR_RETRY;
        give_key(9, "k"); /* before it: not held */
        give_key(10, "k");
        give_key(11, "other");
        give_key(40, "k");
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(world.saves, 0);
        ck_assert_int_eq(world.transactions, 2);
        ck_assert_uint_eq(world.parked_count, 2);
        ck_assert_int_eq(world.parked[0], 110);
        ck_assert_int_eq(world.parked_attempts[0], 1);
        ck_assert_int_eq(world.parked[1], 140);
        ck_assert_int_eq(world.parked_attempts[1], 0);
        ck_assert_uint_eq(runner.park.count, 2);
        ck_assert(runner.park.entries[0].head && !runner.park.entries[1].head);
}
END_TEST

START_TEST(a_record_without_a_key_is_parked_alone)
{
        worker.retry_order = WEIR_RETRY_PARK;
        start_again();
        world.bad_outcome[10] = world.bad_outcome[12] = WEIR_RETRY;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 2);
        ck_assert(runner.park.entries[0].head && runner.park.entries[1].head);
}
END_TEST

START_TEST(V4_at_the_bound_of_keys_the_event_blocks)
{
        worker.retry_order = WEIR_RETRY_PARK;
        worker.retry_park_max_keys = 1;
        start_again();
        world.bad_outcome[10] = world.bad_outcome[12] = WEIR_RETRY;
        give_key(10, "k");
        give_key(12, "l");
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 1);
        ck_assert_int_eq(world.saves, 3); /* as "block" does */
        ck_assert_int_eq(batch.items[12].attempts, 3);
}
END_TEST

START_TEST(V4_at_the_bound_of_events_the_key_waits_in_the_log_until_there_is_room)
{
        worker.retry_order = WEIR_RETRY_PARK;
        worker.retry_park_max_events = 2;
        start_again();
        world.bad_outcome[10] = WEIR_RETRY;
        for (size_t i = 10; i < 14; i++)
                give_key(i, "k");
        world.aside_frees = 3; /* what was parked is done by then */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 2); /* 10 and 11; 12 and 13 were handled in the end */
        ck_assert_int_ge(world.asides, 3);
        ck_assert(!batch.items[12].parked && !batch.items[13].parked);
}
END_TEST

/* ---- dead letters that halt ----------------------------------------------------------------- */

START_TEST(on_dead_halt_stops_at_the_event_and_not_before)
{
        runner.share.none = true; /* as weir_share_init() sets it, for on_dead = "halt" */
        world.bad_outcome[30] = WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 30);
        ck_assert_int_eq(position.next_offset, 130);
        ck_assert_int_eq(world.stored, 130);
        ck_assert_str_eq(runner.halt.text, "halt");
}
END_TEST

START_TEST(on_dead_halt_stops_at_a_record_that_is_no_event_too)
{
        static struct weir_refusal refusal;

        runner.share.none = true; /* as weir_share_init() sets it, for on_dead = "halt" */
        batch.records[5].refusal = &refusal;
        batch.records[5].item_count = 0;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 5);
        ck_assert_int_eq(position.next_offset, 105);
}
END_TEST

START_TEST(too_many_dead_letters_halt_instead_of_one_more)
{
        worker.dead_window = 20;
        worker.dead_max_percent = 50;
        start_again();
        for (size_t i = 0; i < RECORDS; i++)
                world.bad_outcome[i] = i % 2 ? WEIR_ESQL : WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 10);
        ck_assert_int_eq(position.next_offset, 110);
        world.decided = (struct weir_decided){ .newer = 0, .records = 20, .dead = 10 };
        start_again(); /* E3: the trail knows */
        ck_assert(!weir_share_allows(&runner.share));
        world.decided.dead = 0;
        start_again(); /* an operator's word, another version: the trail says nothing */
        ck_assert(weir_share_allows(&runner.share));
}
END_TEST

START_TEST(a_dead_letter_now_and_then_never_halts)
{
        worker.dead_window = 20;
        worker.dead_max_percent = 50;
        start_again();
        for (size_t i = 0; i < RECORDS; i += 2)
                world.bad_outcome[i] = WEIR_REJECT; /* exactly the share */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), RECORDS / 2);
}
END_TEST

START_TEST(an_unknown_commit_that_happened_is_not_repeated)
{
        world.commit_lost = 1;
        world.commit_happened = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 1);
        ck_assert_int_eq(world.stored, 100 + RECORDS);
        ck_assert_int_eq(position.next_offset, 100 + RECORDS);
}
END_TEST

START_TEST(an_unknown_commit_that_did_not_happen_is_repeated)
{
        world.commit_lost = 1;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 2);
        assert_all_passed_in_order();
}
END_TEST

START_TEST(an_unknown_commit_under_another_epoch_is_fenced)
{
        world.commit_lost = 1;
        world.look_found_epoch = 8;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_FENCED);
        ck_assert_int_eq(world.stored, 0); /* I7: nothing told to Kafka */
}
END_TEST

START_TEST(a_stop_leaves_the_rest_of_the_batch_untouched)
{
        world.bad_outcome[20] = WEIR_REJECT;
        world.stop_after = 2;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 120);
        ck_assert_int_eq(world.stored, 120);
}
END_TEST

START_TEST(a_stop_ends_the_waiting_for_the_database)
{
        world.infra_left = 1000;
        world.stop_after = 2;
        weir_latch_set(&waker);
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 100);
}
END_TEST

START_TEST(trailing_markers_move_the_position_without_a_record)
{
        fake_seen = 103;
        ck_assert_int_eq(weir_runner_pass_markers(&runner, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(position.next_offset, 103);
        ck_assert_int_eq(world.stored, 103);
        fake_seen = 50; /* an older position is never believed */
        ck_assert_int_eq(weir_runner_pass_markers(&runner, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(position.next_offset, 103);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("run");
        TCase *tcase = tcase_create("run");
        SRunner *runner_ = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_good_batch_is_one_transaction);
        tcase_add_test(tcase, a_named_culprit_alone_is_condemned);
        tcase_add_test(tcase, a_nameless_culprit_is_found_by_halving);
        tcase_add_test(tcase, an_event_for_which_commit_is_refused_is_found_and_condemned);
        tcase_add_test(tcase, culprits_at_both_ends_and_side_by_side_are_all_found);
        tcase_add_test(tcase, infrastructure_never_condemns_and_never_gives_up);
        tcase_add_test(tcase, a_batch_that_is_too_much_for_the_server_is_cut_until_it_passes);
        tcase_add_test(tcase, good_events_before_one_that_waits_for_its_table_are_not_held_up);
        tcase_add_test(tcase, a_retry_is_tried_again_in_its_place);
        tcase_add_test(tcase, an_event_that_fails_so_often_is_condemned_with_its_first_failure);
        tcase_add_test(tcase, attempts_of_before_go_on_counting_and_the_rest_of_the_wait_is_kept);
        tcase_add_test(tcase, attempts_of_an_event_that_its_record_does_not_hold_are_nobodys);
        tcase_add_test(tcase,
                       J1_an_attempt_that_cannot_be_written_is_not_waited_for_but_written_later);
        tcase_add_test(tcase, J1_a_lane_that_lost_its_epoch_counts_nothing);
        tcase_add_test(tcase, infrastructure_failures_between_attempts_use_up_none);
        tcase_add_test(tcase, what_stands_aside_goes_on_while_the_partition_waits);
        tcase_add_test(tcase, a_parked_event_lets_the_partition_flow_and_holds_its_key);
        tcase_add_test(tcase, a_record_without_a_key_is_parked_alone);
        tcase_add_test(tcase, V4_at_the_bound_of_keys_the_event_blocks);
        tcase_add_test(tcase,
                       V4_at_the_bound_of_events_the_key_waits_in_the_log_until_there_is_room);
        tcase_add_test(tcase, on_dead_halt_stops_at_the_event_and_not_before);
        tcase_add_test(tcase, on_dead_halt_stops_at_a_record_that_is_no_event_too);
        tcase_add_test(tcase, too_many_dead_letters_halt_instead_of_one_more);
        tcase_add_test(tcase, a_dead_letter_now_and_then_never_halts);
        tcase_add_test(tcase, an_unknown_commit_that_happened_is_not_repeated);
        tcase_add_test(tcase, an_unknown_commit_that_did_not_happen_is_repeated);
        tcase_add_test(tcase, an_unknown_commit_under_another_epoch_is_fenced);
        tcase_add_test(tcase, a_stop_leaves_the_rest_of_the_batch_untouched);
        tcase_add_test(tcase, a_stop_ends_the_waiting_for_the_database);
        tcase_add_test(tcase, trailing_markers_move_the_position_without_a_record);
        tcase_add_test(tcase, SS1_a_suspect_is_run_alone_and_is_good);
        tcase_add_test(tcase, SS2_an_event_that_was_deadly_often_enough_is_not_called_again);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner_, CK_NORMAL);
        failed = srunner_ntests_failed(runner_);
        srunner_free(runner_);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
