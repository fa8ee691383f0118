/* SPDX-License-Identifier: MIT */
/* batch: records decode on arrival; the keys sent to the database are distinct */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/batch.h"

/* ---- fakes: records of our own making ------------------------------------------------------- */

static struct weir_header given[200];
static size_t given_count;
static int released_count;

int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        record->headers = weir_arena_alloc(arena, given_count * sizeof *given);
        if (!record->headers)
                return WEIR_ENOMEM;
        memcpy(record->headers, given, given_count * sizeof *given);
        record->header_count = given_count;
        return 0;
}

void weir_record_release(struct weir_record *record)
{
        (void)record;
        released_count++;
}

static struct weir_batch batch;
static struct weir_claims claims;
static char ids[4096][24];
static size_t id_count;

static void header(const char *name, const char *value)
{
        given[given_count++] = (struct weir_header){ .name = name,
                                                     .value = value,
                                                     .size = strlen(value) };
}

static void add(int64_t offset, const char *id)
{
        struct weir_record record = {
                .topic = "t", .partition = 3, .offset = offset, .time_ms = 1000
        };
        struct weir_error error;

        given_count = 0;
        header("ce_specversion", "1.0");
        header("ce_type", "x");
        header("ce_source", "/s");
        snprintf(ids[id_count], sizeof ids[0], "%s", id);
        header("ce_id", ids[id_count++]);
        ck_assert_int_eq(weir_batch_add(&batch, &record, &error), 0);
}

static void setup(void)
{
        released_count = 0;
        id_count = 0;
        weir_batch_init(&batch, "w", NULL, true);
        memset(&claims, 0, sizeof claims);
}

static void teardown(void)
{
        weir_batch_fini(&batch);
        weir_claims_fini(&claims);
}

START_TEST(an_event_knows_where_it_came_from)
{
        add(17, "a");
        ck_assert_uint_eq(batch.item_count, 1);
        ck_assert_int_eq(batch.items[0].event.offset, 17);
        ck_assert_int_eq(batch.items[0].event.partition, 3);
        ck_assert_str_eq(batch.items[0].event.topic, "t");
        ck_assert_str_eq(batch.items[0].event.id.ptr, "a");
        ck_assert_uint_eq(batch.items[0].event.header_count, 4);
        ck_assert_int_eq(batch.items[0].event.attempt, 1);
}
END_TEST

START_TEST(a_record_that_is_no_event_is_kept_with_its_refusal)
{
        struct weir_record record = { .topic = "t", .offset = 5 };
        struct weir_error error;

        given_count = 0;
        ck_assert_int_eq(weir_batch_add(&batch, &record, &error), 0);
        ck_assert_uint_eq(batch.record_count, 1);
        ck_assert_uint_eq(batch.item_count, 0);
        ck_assert_ptr_nonnull(batch.records[0].refusal);
        ck_assert_str_eq(weir_refusal_name(batch.records[0].refusal->klass), "not-a-cloudevent");
        ck_assert_int_eq(weir_claims_collect(&claims, &batch, 0, 1, &error), 0);
        ck_assert_uint_eq(claims.count, 0);
        ck_assert_uint_eq(claims.dead_count, 1);
}
END_TEST

START_TEST(duplicates_inside_a_batch_are_claimed_once_by_the_first)
{
        struct weir_error error;

        for (int i = 0; i < 3000; i++) {
                char id[24];

                snprintf(id, sizeof id, "e%d", i % 700);
                add(i, id);
        }
        ck_assert_int_eq(weir_claims_collect(&claims, &batch, 0, 3000, &error), 0);
        ck_assert_uint_eq(claims.count, 700);
        ck_assert_uint_eq(claims.event_count, 3000);
        for (uint32_t i = 0; i < 700; i++) {
                ck_assert_uint_eq(claims.items[i], i);
                ck_assert_int_eq(claims.offsets[i], i);
        }
}
END_TEST

START_TEST(a_range_claims_its_own_records_only)
{
        struct weir_error error;

        for (int i = 0; i < 10; i++) {
                char id[24];

                snprintf(id, sizeof id, "e%d", i);
                add(i, id);
        }
        batch.items[4].dead = true;
        ck_assert_int_eq(weir_claims_collect(&claims, &batch, 3, 4, &error), 0);
        ck_assert_uint_eq(claims.count, 3);
        ck_assert_uint_eq(claims.dead_count, 1);
        ck_assert_uint_eq(claims.items[0], 3);
        ck_assert_uint_eq(claims.items[1], 5);
}
END_TEST

START_TEST(a_batch_of_json_is_one_record_of_several_events)
{
        static const char text[] =
                "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\"},"
                "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"x\"}]";
        struct weir_record record = { .topic = "t",
                                      .offset = 1,
                                      .value = { text, sizeof text - 1 } };
        struct weir_error error;

        given_count = 0;
        header("content-type", "application/cloudevents-batch+json");
        ck_assert_int_eq(weir_batch_add(&batch, &record, &error), 0);
        ck_assert_uint_eq(batch.item_count, 2);
        ck_assert_int_eq(batch.items[1].event.offset, 1);
        ck_assert_uint_eq(batch.records[0].item_count, 2);
}
END_TEST

START_TEST(reset_releases_every_record_once)
{
        add(1, "a");
        add(2, "b");
        weir_batch_reset(&batch);
        ck_assert_int_eq(released_count, 2);
        ck_assert_uint_eq(batch.record_count, 0);
        weir_batch_reset(&batch);
        ck_assert_int_eq(released_count, 2);
}
END_TEST

START_TEST(a_record_with_very_many_headers_keeps_them_for_the_dead_letter)
{
        struct weir_record record = { .topic = "t", .offset = 5 };
        struct weir_error error;

        given_count = 0;
        for (int i = 0; i < 200; i++)
                header("x", "y");
        ck_assert_int_eq(weir_batch_add(&batch, &record, &error), 0);
        ck_assert_ptr_nonnull(batch.records[0].refusal);
        ck_assert_uint_eq(batch.records[0].record.header_count, 200);
        ck_assert_str_eq(batch.records[0].record.headers[199].name, "x");
}
END_TEST

START_TEST(a_replay_claims_in_its_own_space_and_says_so)
{
        const struct weir_batch_rules rules = { "w@fix", "fix", NULL };
        struct weir_key live;

        add(1, "a");
        live = batch.items[0].key;
        ck_assert_ptr_null(batch.items[0].event.replay);
        weir_batch_reset(&batch);
        weir_batch_set_rules(&batch, "w", &rules);
        add(1, "a");
        ck_assert_int_ne(memcmp(&live, &batch.items[0].key, sizeof live), 0);
        ck_assert_str_eq(batch.items[0].event.replay, "fix");
        weir_batch_reset(&batch);
        weir_batch_set_rules(&batch, "w", NULL);
        add(1, "a");
        ck_assert_mem_eq(&live, &batch.items[0].key, sizeof live);
        ck_assert_ptr_null(batch.items[0].event.replay);
}
END_TEST

START_TEST(what_a_filter_leaves_out_is_neither_claimed_nor_dead)
{
        static const char *const meant[] = { "b" };
        const struct weir_filter filter = { .ids = { meant, 1 } };
        const struct weir_batch_rules rules = { "w", "missing", &filter };
        struct weir_record refused = { .topic = "t", .offset = 4 };
        struct weir_error error;

        weir_batch_set_rules(&batch, "w", &rules);
        add(1, "a");
        add(2, "b");
        add(3, "c");
        given_count = 0; /* no event at all */
        ck_assert_int_eq(weir_batch_add(&batch, &refused, &error), 0);
        ck_assert_uint_eq(batch.record_count, 4);
        ck_assert_ptr_null(batch.records[3].refusal);
        ck_assert_int_eq(weir_claims_collect(&claims, &batch, 0, 4, &error), 0);
        ck_assert_uint_eq(claims.count, 1);
        ck_assert_uint_eq(claims.event_count, 1);
        ck_assert_uint_eq(claims.dead_count, 0);
        ck_assert_int_eq(claims.offsets[0], 2);
        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(weir_batch_fate(&batch, i), WEIR_FATE_GOOD);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("batch");
        TCase *tcase = tcase_create("batch");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_replay_claims_in_its_own_space_and_says_so);
        tcase_add_test(tcase, what_a_filter_leaves_out_is_neither_claimed_nor_dead);
        tcase_add_test(tcase, an_event_knows_where_it_came_from);
        tcase_add_test(tcase, a_record_that_is_no_event_is_kept_with_its_refusal);
        tcase_add_test(tcase, duplicates_inside_a_batch_are_claimed_once_by_the_first);
        tcase_add_test(tcase, a_range_claims_its_own_records_only);
        tcase_add_test(tcase, a_batch_of_json_is_one_record_of_several_events);
        tcase_add_test(tcase, reset_releases_every_record_once);
        tcase_add_test(tcase, a_record_with_very_many_headers_keeps_them_for_the_dead_letter);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
