/* SPDX-License-Identifier: MIT */
/* test_withheld - what a replay did not do, and did not find, is counted where its position moves */
#include "store/withheld.h"
#include "store_fixture.h"

static struct weir_pg *pg;
static struct weir_position position;
static int32_t live;

static void setup(void)
{
        struct weir_position other = { .id = 0 };

        pg = fixture_connect();
        OK(weir_position_take(pg, "w", "t", 0, "host:1", &other, reterr));
        live = other.id;
        fixture_int(
                pg,
                "WITH i AS (INSERT INTO weir.replay (worker, policy, types, sources, subjects, ids,"
                " effects, if_missing, rate_per_s, asked_from, asked_to, plugin_version, state,"
                " owner, by) VALUES ('w', 'missing', '{}', '{}', '{}', '{}', false, 'skip', 0, '',"
                " '', '1', 'running', 'host:1', 'me') RETURNING 1) SELECT count(*) FROM i");
        OK(weir_position_take(pg, "w@1", "t", 0, "host:1", &position, reterr));
        OK(weir_position_begin(pg, &position, 10, reterr));
        fixture_int(
                pg,
                "WITH i AS (INSERT INTO weir.replay_range (replay, topic, partition, position,"
                " live_position, from_offset, until_offset) SELECT max(id), 't', 0, %d, %d, 10, 90"
                " FROM weir.replay RETURNING 1) SELECT count(*) FROM i",
                position.id, live);
}

static void teardown(void)
{
        fixture_int(pg, "WITH d AS (DELETE FROM weir.replay_range RETURNING 1) SELECT count(*)"
                        " FROM d");
        fixture_int(pg, "WITH d AS (DELETE FROM weir.replay RETURNING 1) SELECT count(*) FROM d");
        fixture_int(pg, "WITH d AS (DELETE FROM weir.position_change RETURNING 1) SELECT count(*)"
                        " FROM d");
        fixture_int(pg, "WITH d AS (DELETE FROM weir.position RETURNING 1) SELECT count(*) FROM d");
        weir_pg_close(pg);
}

static int counted(const char *column)
{
        return (int)fixture_int(pg, "SELECT %s FROM weir.replay_range WHERE position = %d", column,
                                position.id);
}

START_TEST(RP3_it_is_counted_with_the_transaction_that_withheld_it)
{
        OK(weir_pg_begin(pg, reterr));
        OK(weir_withheld_add(pg, position.id, 3, reterr));
        weir_pg_rollback(pg);
        ck_assert_int_eq(counted("withheld"), 0);
        OK(weir_pg_begin(pg, reterr));
        OK(weir_withheld_add(pg, position.id, 3, reterr));
        OK(weir_withheld_add(pg, live, 5, reterr)); /* a letter that the live lane runs again */
        OK(weir_pg_commit(pg, reterr));
        ck_assert_int_eq(counted("withheld"), 3);
}
END_TEST

/* A replay of policy live has the position of the live worker: what happens there afterwards is no part of it. */
START_TEST(what_a_live_lane_does_is_counted_by_no_replay)
{
        static const char sums[] = "SELECT sum(withheld) + sum(missing) FROM weir.replay_range";
        struct weir_position at_live;

        OK(weir_position_take(pg, "w", "t", 0, "host:1", &at_live, reterr));
        ck_assert_int_eq(at_live.id, live);
        OK(weir_position_begin(pg, &at_live, 10, reterr));
        fixture_int(pg,
                    "WITH i AS (INSERT INTO weir.replay_range (replay, topic, partition, position,"
                    " live_position, from_offset, until_offset) SELECT max(id), 'u', 0, %d, %d, 10,"
                    " 90 FROM weir.replay RETURNING 1) SELECT count(*) FROM i",
                    live, live);
        OK(weir_withheld_add(pg, live, 5, reterr));
        OK(weir_withheld_pass(pg, &at_live, 25, reterr));
        ck_assert_int_eq(at_live.next_offset, 25);
        ck_assert_int_eq(fixture_int(pg, sums), 0);
}
END_TEST

START_TEST(what_the_log_has_lost_is_passed_and_counted_once)
{
        struct weir_position before = position;
        struct weir_error error;

        OK(weir_withheld_pass(pg, &position, 25, reterr));
        ck_assert_int_eq(position.next_offset, 25);
        ck_assert_int_eq(counted("missing"), 15);
        ck_assert_int_eq(fixture_int(pg, "SELECT next_offset FROM weir.position WHERE id = %d",
                                     position.id),
                         25);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.batch WHERE position = %d AND"
                                     " first_offset = 10 AND next_offset = 25 AND records = 0",
                                     position.id),
                         1);
        ck_assert_int_eq(weir_withheld_pass(pg, &before, 25, &error), 1); /* fenced */
        ck_assert_int_eq(before.next_offset, 10);
        ck_assert_int_eq(counted("missing"), 15);
        ck_assert(weir_pg_idle(pg));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("withheld");
        TCase *tcase = tcase_create("withheld");

        fixture_start("withheld", true);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, RP3_it_is_counted_with_the_transaction_that_withheld_it);
        tcase_add_test(tcase, what_a_live_lane_does_is_counted_by_no_replay);
        tcase_add_test(tcase, what_the_log_has_lost_is_passed_and_counted_once);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
