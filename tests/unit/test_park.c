/* SPDX-License-Identifier: MIT */
/* park: who goes to the park, who is tried, and that a key keeps its order whatever happens */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "flow/park.h"

#define RECORDS 12

/* ---- the table ----------------------------------------------------------------------------- */

static struct weir_parked table[4096];
static size_t table_count;
static int64_t next_id = 1;
static int insert_fails;
static int64_t first_failed_us; /* of the last row */

bool weir_parked_key_hash(struct weir_view key, uint64_t *ret)
{
        *ret = key.ptr ? (uint64_t)key.ptr[0] * UINT64_C(0x9e3779b97f4a7c15) : 0;
        return true;
}

int weir_parked_load(struct weir_pg *pg, int32_t position, struct weir_parked **ret,
                     size_t *ret_count, struct weir_error *reterr)
{
        (void)pg;
        (void)position;
        (void)reterr;
        *ret = calloc(table_count + 1, sizeof **ret);
        memcpy(*ret, table, table_count * sizeof *table);
        *ret_count = table_count;
        return 0;
}

int weir_parked_insert(struct weir_pg *pg, const struct weir_parked_new *parked, int64_t *ret_id,
                       struct weir_error *reterr)
{
        struct weir_parked *row = &table[table_count++];

        (void)pg;
        if (insert_fails)
                return weir_fail(reterr, WEIR_EDB, 0, "away");
        for (size_t i = 0; i + 1 < table_count; i++) /* as the table's UNIQUE does */
                ck_assert(table[i].offset != parked->offset || table[i].item != parked->item);
        *ret_id = next_id++;
        first_failed_us = parked->first_failed_us;
        *row = (struct weir_parked){ .id = *ret_id,
                                     .offset = parked->offset,
                                     .item = parked->item,
                                     .attempts = parked->attempts,
                                     .wait_ms = parked->wait_ms };
        weir_parked_key_hash(parked->record->key, &row->key_hash);
        return 0;
}

static void remove_row(int64_t id)
{
        for (size_t i = 0; i < table_count; i++)
                if (table[i].id == id) {
                        memmove(&table[i], &table[i + 1], (table_count - i - 1) * sizeof *table);
                        table_count--;
                        return;
                }
        ck_abort_msg("no row %lld", (long long)id);
}

/* ---- fixture ------------------------------------------------------------------------------- */

static struct weir_park park;
static struct weir_batch batch;
static struct weir_conf_worker worker;
static struct weir_error error;
static const char *const names[] = { "a", "b", "c", "d" };

static void make_batch(int64_t first_offset, const char *keys)
{
        batch.record_count = batch.item_count = strlen(keys);
        for (uint32_t i = 0; i < batch.record_count; i++) {
                batch.records[i] = (struct weir_batch_record){ .first_item = i, .item_count = 1 };
                batch.records[i].record.offset = first_offset + i;
                if (keys[i] != '-')
                        batch.records[i].record.key = (struct weir_view){ names[keys[i] - 'a'], 1 };
                batch.items[i] = (struct weir_item){ .record = i };
                batch.items[i].event.offset = first_offset + i;
        }
}

static void setup(void)
{
        worker = (struct weir_conf_worker){ .retry_order = WEIR_RETRY_PARK,
                                            .retry_park_max_keys = 100,
                                            .retry_park_max_events = 1000 };
        batch.records = calloc(RECORDS, sizeof *batch.records);
        batch.items = calloc(RECORDS, sizeof *batch.items);
        weir_park_init(&park, &worker);
}

static void teardown(void)
{
        weir_park_fini(&park);
        free(batch.records);
        free(batch.items);
}

static size_t mark(size_t first)
{
        size_t stuck;

        ck_assert_int_eq(weir_park_mark(&park, &batch, first, &stuck, &error), 0);
        return stuck;
}

static void commit(size_t first, size_t count)
{
        ck_assert_int_eq(weir_park_keep(&park, NULL, &batch, first, count, 1, &error), 0);
        weir_park_kept(&park, &batch, first, count);
}

static void parks(const char *expected)
{
        for (size_t i = 0; i < batch.record_count; i++)
                ck_assert_msg((batch.items[i].parked != WEIR_PARKED_NOT) == (expected[i] == 'x'),
                              "record %zu", i);
}

START_TEST(V3_later_ones_of_a_parked_key_go_there_too)
{
        make_batch(100, "abab-a");
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        parks("......");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 2, 0, &error), 1); /* the second a */
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        parks("..x..x");
        commit(0, 6);
        ck_assert_uint_eq(table_count, 2);
        ck_assert_uint_eq(park.count, 2);
        make_batch(106, "ba");
        mark(0);
        parks(".x");
        commit(0, 2);
        ck_assert_int_eq(weir_park_due(&park, weir_clock_us() + 1)->offset, 102);
}
END_TEST

START_TEST(Z2_only_the_head_of_a_key_is_due)
{
        struct weir_park_entry *entry;
        int64_t now_us = weir_clock_us();

        make_batch(100, "aab");
        weir_park_fail(&park, &batch, 0, 1000, &error);
        mark(0);
        weir_park_fail(&park, &batch, 2, 0, &error);
        commit(0, 3);
        entry = weir_park_due(&park, now_us + 500000);
        ck_assert_int_eq(entry->offset, 102); /* the head of a waits, and 101 waits behind it */
        weir_park_remove(&park, entry);
        ck_assert_ptr_null(weir_park_due(&park, now_us + 500000));
        entry = weir_park_due(&park, now_us + 2000000);
        ck_assert_int_eq(entry->offset, 100);
        weir_park_remove(&park, entry);
        ck_assert_int_eq(weir_park_due(&park, now_us + 500000)->offset, 101);
}
END_TEST

START_TEST(a_key_is_free_again_when_its_last_event_is_gone)
{
        make_batch(100, "aa");
        weir_park_fail(&park, &batch, 0, 0, &error);
        mark(0);
        commit(0, 2);
        make_batch(102, "a");
        weir_park_remove(&park, weir_park_due(&park, weir_clock_us() + 1));
        mark(0);
        parks("x");
        weir_park_remove(&park, weir_park_due(&park, weir_clock_us() + 1));
        mark(0);
        parks(".");
        ck_assert_uint_eq(park.key_count, 0);
}
END_TEST

START_TEST(V4_the_bounds_are_kept_with_what_is_not_committed_yet)
{
        worker.retry_park_max_events = 3;
        worker.retry_park_max_keys = 1;
        weir_park_init(&park, &worker);
        make_batch(100, "aaaabc");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 1);
        ck_assert_uint_eq(mark(0), 3); /* the fourth a has no room: the log keeps it */
        parks("xxx...");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 4, 0, &error), 0);
        commit(0, 3);
        ck_assert_uint_eq(mark(3), 3);
        weir_park_remove(&park, weir_park_due(&park, weir_clock_us() + 1));
        ck_assert_uint_eq(mark(3), SIZE_MAX);
        parks("xxxx..");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 4, 0, &error), 0); /* another key */
}
END_TEST

/* One record of @count events, all of key a. */
static void make_record(uint32_t count)
{
        make_batch(100, "a");
        batch.records[0].item_count = batch.item_count = count;
        for (uint32_t i = 1; i < count; i++)
                batch.items[i] = batch.items[0];
}

START_TEST(V6_a_record_of_many_that_has_no_room_as_a_whole_blocks)
{
        worker.retry_park_max_events = 3;
        weir_park_init(&park, &worker);
        make_record(4);
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 0);
        ck_assert_uint_eq(mark(0), SIZE_MAX); /* it would wait for a row of its own, for ever */
        ck_assert_int_eq(weir_park_fail(&park, &batch, 1, 0, &error), 1);
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        commit(0, 1);
        ck_assert_uint_eq(table_count, 3);
}
END_TEST

START_TEST(V6_what_is_dead_or_alone_needs_no_room)
{
        worker.retry_park_max_events = 2;
        weir_park_init(&park, &worker);
        make_record(3);
        batch.items[2].dead = true;
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 1);
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        weir_park_fini(&park);
        weir_park_init(&park, &worker);
        make_record(3);
        batch.records[0].record.key = (struct weir_view){ NULL, 0 };
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 1);
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        ck_assert_int_eq(batch.items[1].parked, WEIR_PARKED_NOT);
}
END_TEST

START_TEST(V4_what_failed_and_is_dead_keeps_no_place)
{
        park.max_events = 1;
        make_batch(100, "ab");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 1);
        batch.items[0].dead = true;
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        ck_assert_uint_eq(park.reserved, 0);
        ck_assert_int_eq(weir_park_fail(&park, &batch, 1, 0, &error), 1);
}
END_TEST

START_TEST(an_offset_that_is_parked_already_waits)
{
        make_batch(100, "ab");
        weir_park_fail(&park, &batch, 0, 0, &error);
        mark(0);
        commit(0, 2);
        make_batch(100, "cb"); /* an operator went back, and the topic had been made anew */
        ck_assert_uint_eq(mark(0), SIZE_MAX);
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 0);
        ck_assert_int_eq(weir_park_fail(&park, &batch, 1, 0, &error), 1);
        make_batch(100, "a");
        ck_assert_uint_eq(mark(0), 0);
}
END_TEST

START_TEST(block_parks_nothing_but_lets_what_is_parked_end)
{
        make_batch(100, "a");
        weir_park_fail(&park, &batch, 0, 0, &error);
        mark(0);
        commit(0, 1);
        worker.retry_order = WEIR_RETRY_BLOCK;
        weir_park_fini(&park);
        weir_park_init(&park, &worker);
        ck_assert_int_eq(weir_park_load(&park, NULL, 1, &error), 0);
        ck_assert_uint_eq(park.count, 1);
        make_batch(101, "ba");
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 0);
        mark(0);
        parks(".x"); /* order of the key, still */
}
END_TEST

START_TEST(marks_do_not_outlive_the_table_that_they_were_made_of)
{
        make_batch(100, "aaa");
        weir_park_fail(&park, &batch, 0, 0, &error);
        mark(0);
        commit(0, 1);
        remove_row(table[0].id); /* an unknown COMMIT had removed it */
        ck_assert_int_eq(weir_park_load(&park, NULL, 1, &error), 0);
        mark(1);
        ck_assert_int_eq(batch.items[1].parked, WEIR_PARKED_NOT);
        ck_assert_int_eq(batch.items[2].parked, WEIR_PARKED_NOT);
}
END_TEST

START_TEST(what_failed_in_its_place_before_keeps_its_first_failure)
{
        make_batch(100, "a");
        batch.items[0].attempts = 3; /* there had been no room for it */
        batch.items[0].first_failed_us = 1234;
        ck_assert_int_eq(weir_park_fail(&park, &batch, 0, 0, &error), 1);
        commit(0, 1);
        ck_assert_int_eq(first_failed_us, 1234);
}
END_TEST

START_TEST(a_failed_insert_is_passed_up)
{
        make_batch(100, "a");
        weir_park_fail(&park, &batch, 0, 0, &error);
        insert_fails = 1;
        ck_assert_int_eq(weir_park_keep(&park, NULL, &batch, 0, 1, 1, &error), WEIR_EDB);
        ck_assert_uint_eq(park.count, 0);
}
END_TEST

/* ---- a thousand random lives ---------------------------------------------------------------- */

static uint32_t random_state;

static uint32_t below(uint32_t bound)
{
        random_state = random_state * 1664525 + 1013904223;
        return (random_state >> 8) % bound;
}

static int64_t last_done[8]; /* per key: what was decided last */
static size_t done_count;

static void decide(uint64_t hash, int64_t offset)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
                uint64_t own;

                weir_parked_key_hash((struct weir_view){ names[i], 1 }, &own);
                if (own != hash)
                        continue;
                ck_assert_msg(offset > last_done[i], "key %s: %lld after %lld", names[i],
                              (long long)offset, (long long)last_done[i]);
                last_done[i] = offset;
        }
        done_count++;
}

static void run_asides(uint32_t most)
{
        while (most--) {
                struct weir_park_entry *entry = weir_park_due(&park, INT64_MAX);

                if (!entry)
                        return;
                if (below(3) == 0) { /* it fails again */
                        entry->attempts++;
                        continue;
                }
                decide(entry->key_hash, entry->offset);
                remove_row(entry->id);
                weir_park_remove(&park, entry);
        }
}

/* As run.c does it: the batch in pieces, some events fail, the park goes on in between. */
static void run_batch(void)
{
        size_t done = 0;

        while (done < batch.record_count) {
                size_t stuck = mark(done);
                size_t count = 1 + below((uint32_t)(batch.record_count - done));
                size_t failed = SIZE_MAX;

                if (stuck == done) {
                        run_asides(3);
                        continue;
                }
                if (done + count > stuck)
                        count = stuck - done;
                for (size_t i = done; i < done + count && failed == SIZE_MAX; i++)
                        if (!batch.items[i].parked && below(5) == 0)
                                failed = i;
                if (failed != SIZE_MAX) { /* rolled back */
                        if (!weir_park_fail(&park, &batch, (uint32_t)failed, below(50), &error))
                                run_asides(5);
                        continue;
                }
                for (size_t i = done; i < done + count; i++)
                        if (!batch.items[i].parked) {
                                uint64_t hash;

                                weir_parked_key_hash(batch.records[i].record.key, &hash);
                                decide(hash, batch.items[i].event.offset);
                        }
                commit(done, count);
                done += count;
                if (below(10) == 0) /* an answer was lost: everything is read anew */
                        ck_assert_int_eq(weir_park_load(&park, NULL, 1, &error), 0);
                ck_assert_uint_le(park.count, worker.retry_park_max_events);
                ck_assert_uint_le(park.key_count, worker.retry_park_max_keys);
                ck_assert_uint_eq(park.count, table_count);
        }
}

START_TEST(the_order_of_a_key_holds_whatever_happens)
{
        int64_t offset = 0;

        random_state = (uint32_t)_i;
        worker.retry_park_max_events = 1 + below(20);
        worker.retry_park_max_keys = 1 + below(4);
        weir_park_init(&park, &worker);
        memset(last_done, 0xff, sizeof last_done);
        for (int round = 0; round < 30; round++) {
                char keys[RECORDS + 1] = "";
                size_t count = 1 + below(RECORDS);

                for (size_t i = 0; i < count; i++)
                        keys[i] = "abcd-"[below(5)];
                make_batch(offset, keys);
                offset += (int64_t)count;
                run_batch();
                run_asides(below(6));
        }
        while (park.count)
                run_asides(100);
        ck_assert_uint_eq(done_count, (size_t)offset); /* each once */
        ck_assert_uint_eq(table_count, 0);
        ck_assert_uint_eq(park.key_count, 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("park");
        TCase *tcase = tcase_create("park");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, V3_later_ones_of_a_parked_key_go_there_too);
        tcase_add_test(tcase, Z2_only_the_head_of_a_key_is_due);
        tcase_add_test(tcase, a_key_is_free_again_when_its_last_event_is_gone);
        tcase_add_test(tcase, V4_the_bounds_are_kept_with_what_is_not_committed_yet);
        tcase_add_test(tcase, V6_a_record_of_many_that_has_no_room_as_a_whole_blocks);
        tcase_add_test(tcase, V6_what_is_dead_or_alone_needs_no_room);
        tcase_add_test(tcase, an_offset_that_is_parked_already_waits);
        tcase_add_test(tcase, V4_what_failed_and_is_dead_keeps_no_place);
        tcase_add_test(tcase, block_parks_nothing_but_lets_what_is_parked_end);
        tcase_add_test(tcase, marks_do_not_outlive_the_table_that_they_were_made_of);
        tcase_add_test(tcase, what_failed_in_its_place_before_keeps_its_first_failure);
        tcase_add_test(tcase, a_failed_insert_is_passed_up);
        tcase_add_loop_test(tcase, the_order_of_a_key_holds_whatever_happens, 0, 300);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
