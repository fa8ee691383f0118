/* SPDX-License-Identifier: MIT */
/* test_deadletter_filter - words to filters, filters to rows, and the sums that list and stats show */
#include "store/deadletter_list.h"
#include "store_fixture.h"

static struct weir_pg *pg;
static struct weir_deadletter_filter filter;

#define HOUR_US INT64_C(3600000000)
#define NOON_US INT64_C(1769860800000000) /* 2026-01-31T12:00:00Z */

static void insert(const char *columns, const char *values)
{
        char sql[1024];

        snprintf(sql, sizeof sql,
                 "INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\","
                 " header_names, header_values, class, reason, text, attempts, plugin_version,"
                 " first_failed_at, failed_at%s) VALUES (%s)",
                 columns, values);
        OK(weir_pg_run(pg, sql, reterr));
}

static void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter RESTART IDENTITY", reterr));
        insert("",
               "1, 'a', 't', 0, 5, '{}', '{}', 'decode', 'bad-json', 'at byte 3', 1, '1', now(),"
               " '2026-01-31T12:00:00Z'");
        insert(", round",
               "1, 'a', 't', 1, 6, '{}', '{}', 'reject', '23502', 'NOT NULL violated', 1,"
               " '1', now(), '2026-01-31T13:59:59Z', 3");
        insert(", state", "2, 'b', 'u', 0, 5, '{}', '{}', 'reject', 'handler', '50%_off', 2, '1',"
                          " now(), '2026-01-31T14:00:00Z', 'applied'");
        insert("", "0, 'b', '', -1, -1, '{}', '{}', 'deliver', 'http-400', '', 2, '', now(),"
                   " '2026-01-31T14:30:00Z'");
        weir_deadletter_filter_init(&filter);
}

static void tear_down(void)
{
        weir_pg_close(pg);
}

/* The ids that the filter finds, as a number in decimal: 421 = 4, 2 and 1, newest first. */
static int64_t found(void)
{
        struct weir_pg_rows *rows = NULL;
        int64_t digits = 0, count = -1;

        OK(weir_deadletter_list(pg, &filter, 100, &rows, reterr));
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++)
                digits = digits * 10 + weir_pg_rows_int(rows, i, WEIR_LETTER_ID, 0);
        OK(weir_deadletter_count(pg, &filter, &count, reterr));
        ck_assert_int_eq(count, (int64_t)weir_pg_rows_count(rows));
        weir_pg_rows_free(rows);
        return digits;
}

static const struct {
        const char *text;
        size_t count;
        struct weir_deadletter_range ranges[3];
} good_ids[] = {
        { "17", 1, { { 17, 17 } } },
        { "17,20-25", 2, { { 17, 17 }, { 20, 25 } } },
        { "40-", 1, { { 40, INT64_MAX } } },
        { "5-,7,1-1", 3, { { 5, INT64_MAX }, { 7, 7 }, { 1, 1 } } },
        { "9223372036854775807", 1, { { INT64_MAX, INT64_MAX } } },
};

START_TEST(ids_are_read)
{
        ck_assert_ptr_null(weir_deadletter_filter_ids(&filter, good_ids[_i].text));
        ck_assert_uint_eq(filter.id_count, good_ids[_i].count);
        for (size_t i = 0; i < filter.id_count; i++) {
                ck_assert_int_eq(filter.ids[i].first, good_ids[_i].ranges[i].first);
                ck_assert_int_eq(filter.ids[i].last, good_ids[_i].ranges[i].last);
        }
}
END_TEST

static const char *const bad_ids[] = { "",
                                       "0",
                                       "-3",
                                       "a",
                                       "1-2-3",
                                       "3-2",
                                       "1,,2",
                                       "1,",
                                       " 1",
                                       "1 ",
                                       "+1",
                                       "1;2",
                                       "9223372036854775808",
                                       "1-9223372036854775808" };

START_TEST(what_is_no_id_is_refused)
{
        ck_assert_ptr_nonnull(weir_deadletter_filter_ids(&filter, bad_ids[_i]));
}
END_TEST

START_TEST(ids_are_bounded_and_add_up)
{
        for (int i = 0; i < WEIR_DEADLETTER_RANGES_MAX; i++)
                ck_assert_ptr_null(weir_deadletter_filter_ids(&filter, "9223372036854775000-"));
        ck_assert_ptr_nonnull(weir_deadletter_filter_ids(&filter, "1"));
        ck_assert_int_eq(found(), 0); /* the longest WHERE is whole */
        weir_deadletter_filter_init(&filter);
        ck_assert_ptr_null(weir_deadletter_filter_ids(&filter, "1"));
        ck_assert_ptr_null(weir_deadletter_filter_ids(&filter, "3-"));
        ck_assert_int_eq(found(), 431);
}
END_TEST

static const struct {
        const char *text;
        int64_t us;
        bool ago;
} good_whens[] = {
        { "2026-01-31T12:00:00Z", NOON_US, false },
        { "2026-01-31T13:00:00+01:00", NOON_US, false },
        { "2026-01-31", NOON_US - 12 * HOUR_US, false },
        { "2h", 2 * HOUR_US, true },
        { "90s", 90000000, true },
        { "7d", 7 * 24 * HOUR_US, true },
};
static const char *const bad_whens[] = { "",   "yesterday", "2026-13-01", "2 h",     "-2h",
                                         "2w", "d",         "100000d",    "2026-1-1" };

START_TEST(times_are_read)
{
        int64_t us = -1;
        bool ago = !good_whens[_i].ago;

        ck_assert(weir_deadletter_when_read(good_whens[_i].text, &us, &ago));
        ck_assert_int_eq(us, good_whens[_i].us);
        ck_assert_int_eq(ago, good_whens[_i].ago);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
        int64_t us;
        bool ago;

        ck_assert(!weir_deadletter_when_read(bad_whens[_i], &us, &ago));
}
END_TEST

START_TEST(each_word_leaves_out_what_it_says)
{
        ck_assert_int_eq(found(), 4321);
        filter.state = "kept";
        ck_assert_int_eq(found(), 421);
        filter.worker = "a";
        ck_assert_int_eq(found(), 21);
        filter.partition = 1;
        ck_assert_int_eq(found(), 2);
        filter.rounds_below = 3;
        ck_assert_int_eq(found(), 0);
        weir_deadletter_filter_init(&filter);
        filter.topic = "u";
        ck_assert_int_eq(found(), 3);
        filter.topic = NULL;
        filter.klass = "reject";
        ck_assert_int_eq(found(), 32);
        filter.above_id = 2;
        ck_assert_int_eq(found(), 3);
        filter.above_id = 0;
        filter.upto_id = 2;
        ck_assert_int_eq(found(), 2);
}
END_TEST

START_TEST(reason_is_a_part_of_reason_or_text_and_no_pattern)
{
        filter.reason = "not null";
        ck_assert_int_eq(found(), 2);
        filter.reason = "BAD-";
        ck_assert_int_eq(found(), 1);
        filter.reason = "%_";
        ck_assert_int_eq(found(), 3);
        filter.reason = "' OR true --";
        ck_assert_int_eq(found(), 0);
}
END_TEST

START_TEST(since_is_at_or_after_and_until_before)
{
        filter.since_us = NOON_US;
        filter.until_us = NOON_US + 2 * HOUR_US;
        ck_assert_int_eq(found(), 21);
        filter.since_us = NOON_US + 1;
        ck_assert_int_eq(found(), 2);
        filter.until_us = WEIR_TIME_NONE;
        ck_assert_int_eq(found(), 432);
}
END_TEST

START_TEST(hours_stand_in_a_row_also_empty_ones)
{
        static const int64_t counts[] = { 1, 1, 2 };
        struct weir_pg_rows *rows = NULL;

        OK(weir_deadletter_hours(pg, &filter, 48, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 3);
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(weir_pg_rows_int(rows, i, 1, -1), counts[i]);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 0).ptr, "2026-01-31T12:00Z");
        weir_pg_rows_free(rows);
        filter.ids[0] = (struct weir_deadletter_range){ 1, 1 };
        filter.ids[1] = (struct weir_deadletter_range){ 4, 4 };
        filter.id_count = 2;
        OK(weir_deadletter_hours(pg, &filter, 2, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 2);
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 1, -1), 0);
        ck_assert_str_eq(weir_pg_rows_text(rows, 1, 0).ptr, "2026-01-31T14:00Z");
        weir_pg_rows_free(rows);
}
END_TEST

START_TEST(stats_add_up_by_kind)
{
        struct weir_pg_rows *rows = NULL;

        insert(", round",
               "1, 'a', 't', 1, 9, '{}', '{}', 'reject', '23502', 'later', 1, '1', now(),"
               " '2026-01-31T15:00:00Z', 1");
        OK(weir_deadletter_stats(pg, &filter, 0, false, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 4);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 2).ptr, "23502");
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 3, 0), 2);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 4).ptr, "2026-01-31T13:59:59.000000Z");
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 5).ptr, "2026-01-31T15:00:00.000000Z");
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 6, 0), 1);
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 7, 0), 3);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 8).ptr, "NOT NULL violated");
        weir_pg_rows_free(rows);
}
END_TEST

START_TEST(stats_of_some_are_of_the_ones_that_would_be_taken)
{
        const char *kinds[] = { "deliver", "reject", "deliver", "reject", "decode" };
        struct weir_pg_rows *rows = NULL;
        char values[200];

        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter", reterr));
        for (size_t i = 0; i < 5; i++) { /* in this order of ids */
                snprintf(values, sizeof values,
                         "1, 'a', 't', 1, %zu, '{}', '{}', '%s', 'x', 'y', 1, '1', now(), now(), 1",
                         i, kinds[i]);
                insert(", round", values);
        }
        weir_deadletter_filter_init(&filter);
        OK(weir_deadletter_stats(pg, &filter, 2, false, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 2);
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 3, 0), 1);
        ck_assert_int_eq(weir_pg_rows_int(rows, 1, 3, 0), 1);
        weir_pg_rows_free(rows);
        OK(weir_deadletter_stats(pg, &filter, 2, true, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 1);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 1).ptr, "reject");
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 3, 0), 2);
        weir_pg_rows_free(rows);
        OK(weir_deadletter_stats(pg, &filter, 4, true, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 3);
        weir_pg_rows_free(rows);
}
END_TEST

START_TEST(lonely_is_what_no_session_holds)
{
        const struct weir_pg_conf conf = { .url = fixture.url,
                                           .application_name = "weir 4711 a.host" };
        struct weir_pg_rows *rows = NULL;
        struct weir_pg *holder = NULL;

        OK(weir_pg_run(pg,
                       "INSERT INTO weir.position (id, worker, topic, partition, epoch, owner)"
                       " OVERRIDING SYSTEM VALUE VALUES (1, 'a', 't', 0, 1, 'a.host:4711'),"
                       " (2, 'b', 'u', 0, 1, 'a.host:471')",
                       reterr));
        OK(weir_deadletter_lonely(pg, &filter, 10, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 3); /* t/0, t/1, u/0; nobody runs a delivery */
        weir_pg_rows_free(rows);
        OK(weir_pg_open(&conf, NULL, &holder, reterr));
        OK(weir_deadletter_lonely(pg, &filter, 10, &rows, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(rows), 1);
        ck_assert_str_eq(weir_pg_rows_text(rows, 0, 0).ptr, "b");
        ck_assert_int_eq(weir_pg_rows_int(rows, 0, 3, 0), 1);
        weir_pg_rows_free(rows);
        weir_pg_close(holder);
}
END_TEST

START_TEST(shown_is_the_row_and_its_record)
{
        struct weir_pg_rows *row = NULL;
        struct weir_kept_record record;
        struct weir_arena arena;
        struct weir_error error;

        insert(", key, value",
               "1, 'a', 't', 0, 7, '{ce_id,\"\\\\xff\"}', '{e,NULL}', 'decode', 'r', 't', 1, '1', now(),"
               " now(), '\\x00', '\\x7b00ff'");
        weir_arena_init(&arena, 4096);
        ck_assert_int_eq(weir_deadletter_show(pg, 99, &arena, &row, &record, &error), 1);
        OK(weir_deadletter_show(pg, 5, &arena, &row, &record, reterr));
        ck_assert_int_eq(weir_pg_rows_int(row, 0, WEIR_LETTER_OFFSET, 0), 7);
        ck_assert_int_eq(weir_pg_rows_int(row, 0, WEIR_LETTER_VALUE_BYTES, 0), 3);
        ck_assert_uint_eq(record.value.size, 3);
        ck_assert_mem_eq(record.value.ptr, "{\0\xff", 3);
        ck_assert_uint_eq(record.key.size, 1);
        ck_assert_uint_eq(record.header_count, 2);
        ck_assert_str_eq(record.headers[0].value, "e");
        ck_assert_str_eq(record.headers[1].name, "\xff");
        ck_assert_ptr_null(record.headers[1].value);
        weir_pg_rows_free(row);
        weir_arena_fini(&arena);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("deadletter_filter");
        TCase *tcase = tcase_create("filter");

        fixture_start("deadletter_filter", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, ids_are_read, 0, WEIR_COUNT_OF(good_ids));
        tcase_add_loop_test(tcase, what_is_no_id_is_refused, 0, WEIR_COUNT_OF(bad_ids));
        tcase_add_test(tcase, ids_are_bounded_and_add_up);
        tcase_add_loop_test(tcase, times_are_read, 0, WEIR_COUNT_OF(good_whens));
        tcase_add_loop_test(tcase, what_is_no_time_is_refused, 0, WEIR_COUNT_OF(bad_whens));
        tcase_add_test(tcase, each_word_leaves_out_what_it_says);
        tcase_add_test(tcase, reason_is_a_part_of_reason_or_text_and_no_pattern);
        tcase_add_test(tcase, since_is_at_or_after_and_until_before);
        tcase_add_test(tcase, hours_stand_in_a_row_also_empty_ones);
        tcase_add_test(tcase, stats_add_up_by_kind);
        tcase_add_test(tcase, stats_of_some_are_of_the_ones_that_would_be_taken);
        tcase_add_test(tcase, lonely_is_what_no_session_holds);
        tcase_add_test(tcase, shown_is_the_row_and_its_record);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
