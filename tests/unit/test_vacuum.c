/* SPDX-License-Identifier: MIT */
/* test_vacuum - the outbox is vacuumed beside other work, by who may */
#include "store_fixture.h"

#include <poll.h>

#include "store/vacuum.h"

static struct weir_pg *pg;
static struct weir_vacuum *vacuum;

static void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "TRUNCATE weir.outbox RESTART IDENTITY; ALTER TABLE weir.outbox"
                       " SET (autovacuum_enabled = off)",
                       reterr));
        OK(weir_vacuum_new(&vacuum, reterr));
}

static void tear_down(void)
{
        weir_vacuum_free(vacuum);
        weir_pg_close(pg);
}

static void fill(void)
{
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.outbox (kind, destination, shard, header_names,"
                       " header_values, body, message_id, worker) SELECT 't', 't', 1, '{}', '{}',"
                       " repeat('x', 100)::bytea, 'e-' || i, 'w' FROM generate_series(1, 5000) i",
                       reterr));
}

static int64_t pages(void)
{
        return fixture_int(pg, "SELECT pg_relation_size('weir.outbox') / 8192");
}

static int begin(const char *url, bool shrink, struct weir_error *ret_error)
{
        struct weir_pg_conf conf = { .url = url };

        return weir_vacuum_begin(vacuum, &conf, NULL, shrink, ret_error);
}

static int finish(struct weir_error *ret_error)
{
        int r;

        while ((r = weir_vacuum_poll(vacuum, ret_error)) > 0) {
                struct pollfd wait = { .fd = weir_vacuum_socket(vacuum), .events = POLLIN };

                ck_assert_int_ge(wait.fd, 0);
                ck_assert_int_eq(poll(&wait, 1, 10000), 1);
        }
        ck_assert_int_eq(weir_vacuum_socket(vacuum), -1);
        return r;
}

START_TEST(what_was_removed_makes_room)
{
        struct weir_error error = { 0 };
        int64_t before;

        fill();
        before = pages();
        for (int round = 0; round < 3; round++) {
                OK(weir_pg_run(pg, "DELETE FROM weir.outbox", reterr));
                ck_assert_msg(begin(fixture.url, false, &error) == 0, "%s", error.text);
                ck_assert_msg(finish(&error) == 0, "%s", error.text);
                fill();
        }
        ck_assert_int_le(pages(), before + 2);
}
END_TEST

START_TEST(the_end_is_given_back_when_it_is_asked_for)
{
        struct weir_error error = { 0 };

        fill();
        OK(weir_pg_run(pg, "DELETE FROM weir.outbox", reterr));
        ck_assert_int_eq(begin(fixture.url, false, &error), 0);
        ck_assert_int_eq(finish(&error), 0);
        ck_assert_int_gt(pages(), 10);
        ck_assert_int_eq(begin(fixture.url, true, &error), 0);
        ck_assert_int_eq(finish(&error), 0);
        ck_assert_int_eq(pages(), 0);
}
END_TEST

START_TEST(who_may_not_is_told_so_and_leaves_no_connection)
{
        struct weir_error error = { 0 };
        char url[2200];

        OK(weir_pg_run(pg,
                       "DROP ROLE IF EXISTS weir_test_stranger; CREATE ROLE weir_test_stranger;"
                       " GRANT USAGE ON SCHEMA weir TO weir_test_stranger",
                       reterr));
        snprintf(url, sizeof url, "%s options='-c role=weir_test_stranger'", fixture.url);
        ck_assert_msg(begin(url, false, &error) == 1, "%s", error.text);
        ck_assert_int_eq(weir_vacuum_poll(vacuum, &error), 0);
        ck_assert_int_eq(weir_vacuum_socket(vacuum), -1);
        OK(weir_pg_run(pg, "DROP OWNED BY weir_test_stranger; DROP ROLE weir_test_stranger",
                       reterr));
}
END_TEST

START_TEST(a_connection_that_was_lost_fails_once)
{
        struct weir_error error = { 0 };
        int r;

        ck_assert_int_eq(begin(fixture.url, false, &error), 0);
        ck_assert_int_eq(finish(&error), 0);
        fixture_int(pg, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
                        " application_name = 'weir' AND pid <> pg_backend_pid() AND datname ="
                        " current_database()");
        fixture_until(pg, "(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir'"
                          " AND datname = current_database()) <= 1");
        r = begin(fixture.url, false, &error);
        ck_assert_int_lt(r < 0 ? r : finish(&error), 0);
        ck_assert_msg(begin(fixture.url, false, &error) == 0, "%s", error.text);
        ck_assert_msg(finish(&error) == 0, "%s", error.text);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("vacuum");
        TCase *tcase = tcase_create("vacuum");

        fixture_start("vacuum", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, what_was_removed_makes_room);
        tcase_add_test(tcase, the_end_is_given_back_when_it_is_asked_for);
        tcase_add_test(tcase, who_may_not_is_told_so_and_leaves_no_connection);
        tcase_add_test(tcase, a_connection_that_was_lost_fails_once);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
