/* SPDX-License-Identifier: MIT */
/* decided: what the trail tells about the last records, from the last word of an operator on */
#include "store/decided.h"
#include "store_fixture.h"

static struct weir_pg *pg;
static struct weir_position position;
static struct weir_decided *list;
static size_t count;

static void take(const char *holder)
{
        OK(weir_position_take(pg, "w", "t", 0, holder, &position, reterr));
}

/* An operator's word: from there on, and what was is forgotten. */
static void set(int64_t offset, const char *why)
{
        int64_t before;

        OK(weir_position_set(pg, "w", "t", 0, offset, why, &before, reterr));
        take("host:1");
}

static void setup(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg, "TRUNCATE weir.batch", reterr));
        take("host:1");
        if (position.next_offset < 0)
                OK(weir_position_begin(pg, &position, 0, reterr));
        set(1000, "test");
}

static void teardown(void)
{
        free(list);
        list = NULL;
        weir_pg_close(pg);
}

/* A transaction in the epoch in hand. */
static void passed(int records, int dead, const char *version)
{
        char sql[400];

        snprintf(sql, sizeof sql,
                 "WITH p AS (UPDATE weir.position SET next_offset = next_offset + %d WHERE id = %d)"
                 " INSERT INTO weir.batch (position, first_offset, next_offset, epoch,"
                 " plugin_version, records, events, fresh, dead)"
                 " VALUES (%d, %lld, %lld, %lld, '%s', %d, %d, %d, %d)",
                 records, position.id, position.id, (long long)position.next_offset,
                 (long long)position.next_offset + records, (long long)position.epoch, version,
                 records, records, records - dead, dead);
        OK(weir_pg_run(pg, sql, reterr));
        position.next_offset += records;
}

/* The window is found to hold @wanted spans. */
static void load(const char *version, uint32_t window, size_t wanted)
{
        free(list);
        list = NULL;
        OK(weir_decided_load(pg, &position, version, window, &list, &count, reterr));
        ck_assert_uint_eq(count, wanted);
}

static void is(size_t i, int64_t newer, uint32_t records, uint32_t dead)
{
        ck_assert_uint_lt(i, count);
        ck_assert_int_eq(list[i].newer, newer);
        ck_assert_uint_eq(list[i].records, records);
        ck_assert_uint_eq(list[i].dead, dead);
}

START_TEST(newest_first_as_far_as_the_window_goes)
{
        passed(50, 7, "1");
        passed(10, 2, "1");
        passed(0, 1, "1"); /* a parked one */
        passed(30, 0, "1");
        passed(5, 5, "1");
        passed(0, 0, "1"); /* run again */
        load("1", 1000, 4);
        is(0, 0, 5, 5);
        is(1, 35, 0, 1);
        is(2, 35, 10, 2);
        is(3, 45, 50, 7);
        load("1", 45, 3);
        load("1", 35, 1);
}
END_TEST

START_TEST(what_was_parked_takes_no_place)
{
        passed(10, 3, "1");
        passed(20, 0, "1");
        OK(weir_pg_run(pg, "UPDATE weir.batch SET parked = 15 WHERE records = 20", reterr));
        passed(4, 0, "1");
        OK(weir_pg_run(pg, "UPDATE weir.batch SET parked = 4 WHERE records = 4", reterr));
        load("1", 6, 1);
        is(0, 5, 10, 3);
}
END_TEST

START_TEST(thousands_of_another_version_hide_nothing)
{
        passed(10, 3, "1");
        for (int i = 0; i < 200; i++)
                passed(1, 0, "2");
        load("1", 10, 1);
        is(0, 0, 10, 3);
}
END_TEST

START_TEST(another_version_begins_anew_and_wipes_nothing_out)
{
        passed(10, 3, "1");
        passed(10, 4, "2");
        passed(10, 5, "1");
        load("1", 1000, 2);
        is(0, 0, 10, 5);
        is(1, 10, 10, 3);
        load("2", 1000, 1);
        load("3", 1000, 0);
}
END_TEST

START_TEST(a_move_forgets_nothing_and_an_operators_word_all)
{
        passed(10, 3, "1");
        take("other:2");
        passed(10, 4, "1");
        take("host:1");
        load("1", 1000, 2);
        set(position.next_offset, "again");
        load("1", 1000, 0);
        passed(10, 1, "1");
        load("1", 1000, 1);
        /* back over the trail: what lies there is from before the word */
        set(1000, "anew");
        passed(15, 2, "1");
        load("1", 1000, 1);
        is(0, 0, 15, 2);
}
END_TEST

START_TEST(of_a_long_trail_the_end_is_read)
{
        char sql[500];

        snprintf(
                sql, sizeof sql,
                "INSERT INTO weir.batch (position, first_offset, next_offset, epoch, plugin_version,"
                " records, events, fresh, dead) SELECT %d, 1000 + i, 1001 + i, %lld, '1', 1, 1,"
                " (i %% 2), 1 - (i %% 2) FROM generate_series(0, 99999) i",
                position.id, (long long)position.epoch);
        OK(weir_pg_run(pg, sql, reterr));
        position.next_offset = 101000;
        load("1", 100, 50);
        is(0, 1, 1, 1);
        is(49, 99, 1, 1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("decided");
        TCase *tcase = tcase_create("decided");

        fixture_start("decided", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, newest_first_as_far_as_the_window_goes);
        tcase_add_test(tcase, what_was_parked_takes_no_place);
        tcase_add_test(tcase, thousands_of_another_version_hide_nothing);
        tcase_add_test(tcase, another_version_begins_anew_and_wipes_nothing_out);
        tcase_add_test(tcase, a_move_forgets_nothing_and_an_operators_word_all);
        tcase_add_test(tcase, of_a_long_trail_the_end_is_read);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
