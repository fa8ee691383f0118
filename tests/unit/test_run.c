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
        int bad_outcome[RECORDS]; /* what the handler says to record i; 0 = fine */
        bool nameless[RECORDS];   /* the failure shows only when rows are sent */
        bool at_commit[RECORDS];  /* … or only at COMMIT, unless blame is asked for */
        int infra_left;           /* transactions that fail with WEIR_EDB first */
        size_t too_many;          /* records that take longer than a statement may; 0 = none do */
        int commit_lost;          /* transactions whose COMMIT gets no answer */
        bool waits_for_table;     /* WEIR_ESQL of a record is 42P01 */
        bool commit_happened;     /* … and whether it happened */
        int look_found_epoch;
        int transactions;
        size_t ranges[256][2]; /* committed ranges */
        size_t range_count;
        int64_t stored;        /* last offset told to Kafka */
        int64_t database_next; /* the row */
        int stop_after;        /* stop when so many transactions ran; 0 = never */
        int condemned_calls;
} world;

static struct weir_batch batch;
static struct weir_lane_env env;
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

int weir_applier_run(struct weir_applier *a, struct weir_pg *pg, struct weir_batch *b, size_t first,
                     size_t count, struct weir_position *position,
                     struct weir_applied_counts *counts, struct weir_fault *ret)
{
        (void)pg;
        memset(ret, 0, sizeof *ret);
        ret->item = WEIR_NO_ITEM;
        ret->next_offset = b->records[first + count - 1].record.offset + 1;
        world.transactions++;
        if (world.infra_left > 0) {
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
        for (size_t i = first; i < first + count; i++)
                if (world.bad_outcome[i] && !b->items[i].dead) {
                        if (world.bad_outcome[i] == WEIR_RETRY && b->items[i].attempts >= 3)
                                continue;
                        return fail_at(ret, i,
                                       world.at_commit[i] ? a->blame && count == 1
                                                          : !world.nameless[i] || count == 1,
                                       world.bad_outcome[i]);
                }
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
                                            .retry_first_delay_ms = 1,
                                            .retry_max_delay_ms = 2 };
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
        ck_assert_int_eq(world.transactions, 5); /* all, before it, it, it as dead, the rest */
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
        tcase_add_test(tcase, an_unknown_commit_that_happened_is_not_repeated);
        tcase_add_test(tcase, an_unknown_commit_that_did_not_happen_is_repeated);
        tcase_add_test(tcase, an_unknown_commit_under_another_epoch_is_fenced);
        tcase_add_test(tcase, a_stop_leaves_the_rest_of_the_batch_untouched);
        tcase_add_test(tcase, a_stop_ends_the_waiting_for_the_database);
        tcase_add_test(tcase, trailing_markers_move_the_position_without_a_record);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner_, CK_NORMAL);
        failed = srunner_ntests_failed(runner_);
        srunner_free(runner_);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
