/* SPDX-License-Identifier: MIT */
/* parked: a record goes in and comes back whole; only the holder of the epoch changes a row */
#include "store/parked.h"
#include "store_fixture.h"

static struct weir_pg *pg;
static struct weir_position position;
static struct weir_arena arena;
static const struct weir_header headers[] = { { "ce_id", "a\0b\xff", 4 },
                                              { "ce_id", NULL, 0 },
                                              { "\xfe\xff", "", 0 } };

static void setup(void)
{
        char topic[32];

        pg = fixture_connect();
        weir_arena_init(&arena, 4096);
        snprintf(topic, sizeof topic, "t-%d", (int)getpid());
        OK(weir_position_take(pg, "w", topic, 0, "host:1", &position, reterr));
}

static void teardown(void)
{
        weir_arena_fini(&arena);
        weir_pg_close(pg);
}

static int64_t insert(int64_t offset, int32_t item, struct weir_view key, int32_t attempts,
                      int64_t wait_ms)
{
        const struct weir_kept_record record = { .record_time_ms = 1732819997474,
                                                 .key = key,
                                                 .value = { "{\0}", 3 },
                                                 .headers = headers,
                                                 .header_count = 3 };
        const struct weir_parked_new parked = { .position = position.id,
                                                .topic = "t",
                                                .partition = 0,
                                                .offset = offset,
                                                .item = item,
                                                .record = &record,
                                                .source = { "/s", 2 },
                                                .event_id = { "e", 1 },
                                                .attempts = attempts,
                                                .reason = "handler",
                                                .text = "cut \xe2\x82",
                                                .wait_ms = wait_ms };
        int64_t id = 0;

        OK(weir_parked_insert(pg, &parked, &id, reterr));
        return id;
}

START_TEST(a_first_failure_of_before_is_kept)
{
        const struct weir_kept_record record = { .record_time_ms = -1 };
        struct weir_parked_new parked = { .position = position.id,
                                          .topic = "t",
                                          .offset = 8,
                                          .record = &record,
                                          .source = { "/s", 2 },
                                          .event_id = { "e", 1 },
                                          .attempts = 3,
                                          .first_failed_us = 1700000000000001,
                                          .reason = "handler",
                                          .text = "x" };
        struct weir_kept_event kept;
        int64_t id = 0;

        OK(weir_parked_insert(pg, &parked, &id, reterr));
        OK(weir_parked_read(pg, id, &arena, &kept, reterr));
        ck_assert_int_eq(kept.first_failed_us, 1700000000000001);
}
END_TEST

START_TEST(a_record_comes_back_as_it_went)
{
        int64_t id = insert(7, 2, (struct weir_view){ "k\0\xff", 3 }, 3, 1000);
        struct weir_kept_event kept;

        OK(weir_parked_read(pg, id, &arena, &kept, reterr));
        ck_assert_int_eq(kept.id, id);
        ck_assert_int_eq(kept.offset, 7);
        ck_assert_int_eq(kept.item, 2);
        ck_assert_int_eq(kept.attempts, 3);
        ck_assert(!kept.whole);
        ck_assert_int_gt(kept.first_failed_us, 1600000000000000);
        ck_assert_int_eq(kept.record.record_time_ms, 1732819997474);
        ck_assert_uint_eq(kept.record.key.size, 3);
        ck_assert_mem_eq(kept.record.key.ptr, "k\0\xff", 4);
        ck_assert_uint_eq(kept.record.value.size, 3);
        ck_assert_mem_eq(kept.record.value.ptr, "{\0}", 4);
        ck_assert_uint_eq(kept.record.header_count, 3);
        ck_assert_str_eq(kept.record.headers[0].name, "ce_id");
        ck_assert_uint_eq(kept.record.headers[0].size, 4);
        ck_assert_mem_eq(kept.record.headers[0].value, "a\0b\xff", 5);
        ck_assert_ptr_null(kept.record.headers[1].value);
        ck_assert_str_eq(kept.record.headers[2].name, "\xfe\xff");
        ck_assert_ptr_nonnull(kept.record.headers[2].value);
        ck_assert_uint_eq(kept.record.headers[2].size, 0);
}
END_TEST

START_TEST(absent_and_empty_stay_different)
{
        struct weir_kept_event kept;

        OK(weir_parked_read(pg, insert(1, 0, (struct weir_view){ NULL, 0 }, 0, 0), &arena, &kept,
                            reterr));
        ck_assert_ptr_null(kept.record.key.ptr);
        ck_assert_int_eq(kept.first_failed_us, 0); /* was not tried */
        OK(weir_parked_read(pg, insert(2, 0, (struct weir_view){ "", 0 }, 0, 0), &arena, &kept,
                            reterr));
        ck_assert_ptr_nonnull(kept.record.key.ptr);
        ck_assert_int_eq(weir_parked_read(pg, -1, &arena, &kept, NULL), 1);
}
END_TEST

START_TEST(what_is_parked_is_listed_in_its_order_with_its_keys)
{
        struct weir_parked *list;
        size_t count;
        uint64_t hash;

        insert(5, 0, (struct weir_view){ "k", 1 }, 1, 60000);
        insert(5, 1, (struct weir_view){ "k", 1 }, 0, 0);
        insert(9, 0, (struct weir_view){ NULL, 0 }, 2, -1);
        OK(weir_parked_load(pg, position.id, &list, &count, reterr));
        ck_assert_uint_eq(count, 3);
        ck_assert(list[0].id < list[1].id && list[1].id < list[2].id);
        ck_assert(weir_parked_key_hash((struct weir_view){ "k", 1 }, &hash));
        ck_assert(list[0].key_hash == hash && list[1].key_hash == hash);
        ck_assert_uint_eq(list[2].key_hash, 0);
        ck_assert_int_eq(list[0].attempts, 1);
        ck_assert_int_gt(list[0].wait_ms, 40000);
        ck_assert_int_eq(list[1].item, 1);
        ck_assert_int_eq(list[2].wait_ms, 0);
        free(list);
}
END_TEST

START_TEST(only_the_holder_of_the_epoch_postpones)
{
        struct weir_parked parked = { .attempts = 2, .wait_ms = 1000 };
        struct weir_position older = position;

        parked.id = insert(3, 0, (struct weir_view){ "k", 1 }, 0, 0);
        older.epoch--;
        ck_assert_int_eq(weir_parked_postpone(pg, &older, &parked, "handler", "x", NULL),
                         WEIR_KEPT_FENCED);
        ck_assert_int_eq(weir_parked_postpone(pg, &position, &parked, "handler", "x", NULL),
                         WEIR_KEPT_DONE);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT attempts FROM weir.parked WHERE id = %lld AND text = 'x'"
                            " AND first_failed_at IS NOT NULL AND next_try_at > now()",
                            (long long)parked.id),
                2);
        ck_assert_int_eq(weir_parked_remove(pg, parked.id, NULL), WEIR_KEPT_DONE);
        ck_assert_int_eq(weir_parked_remove(pg, parked.id, NULL), WEIR_KEPT_GONE);
        ck_assert_int_eq(weir_parked_postpone(pg, &position, &parked, "handler", "x", NULL),
                         WEIR_KEPT_GONE);
}
END_TEST

START_TEST(keys_differ_by_their_bytes)
{
        uint64_t none, empty, a, b;

        ck_assert(weir_parked_key_hash((struct weir_view){ NULL, 0 }, &none));
        ck_assert(weir_parked_key_hash((struct weir_view){ "", 0 }, &empty));
        ck_assert(weir_parked_key_hash((struct weir_view){ "k\0", 2 }, &a));
        ck_assert(weir_parked_key_hash((struct weir_view){ "k", 1 }, &b));
        ck_assert(none == 0 && empty != 0 && a != b && a != empty && b != empty);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("parked");
        TCase *tcase = tcase_create("parked");

        fixture_start("parked", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_record_comes_back_as_it_went);
        tcase_add_test(tcase, a_first_failure_of_before_is_kept);
        tcase_add_test(tcase, absent_and_empty_stay_different);
        tcase_add_test(tcase, what_is_parked_is_listed_in_its_order_with_its_keys);
        tcase_add_test(tcase, only_the_holder_of_the_epoch_postpones);
        tcase_add_test(tcase, keys_differ_by_their_bytes);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
