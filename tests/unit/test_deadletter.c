/* SPDX-License-Identifier: MIT */
#include "store/deadletter.h"
#include "store_fixture.h"

static struct weir_deadletter letter_at(int64_t offset)
{
        return (struct weir_deadletter){ .position = 4,
                                         .worker = "audit",
                                         .topic = "topic",
                                         .partition = 2,
                                         .offset = offset,
                                         .record_time_ms = -1,
                                         .klass = "decode",
                                         .reason = "bad-json",
                                         .text = "words",
                                         .at_byte = -1,
                                         .attempts = 1 };
}

START_TEST(a_record_is_kept_whole)
{
        static const struct weir_header headers[] = {
                { "ce_id", "a\0b\xff", 4 },
                { "ce_id", NULL, 0 },
                { "\xfe\xff", "", 0 },
        };
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(1);

        letter.key = (struct weir_view){ "\0\xff", 2 };
        letter.value = (struct weir_view){ "{\0", 2 };
        letter.headers = headers;
        letter.header_count = 3;
        letter.record_time_ms = 1732819997474;
        letter.at_byte = 17;
        letter.plugin_version = "1.2";
        letter.source = (struct weir_view){ "/src", 4 };
        letter.id = (struct weir_view){ "id-1", 4 };
        letter.first_failed_us = INT64_C(1732819997474154);
        OK(weir_deadletter_insert(pg, &letter, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 1 AND position = 4"
                        " AND worker = 'audit' AND topic = 'topic' AND partition = 2 AND key = '\\x00ff' AND value = '\\x7b00'"
                        " AND header_names = ARRAY['ce_id', 'ce_id', '\\xfeff']::bytea[]"
                        " AND header_values[1] = '\\x610062ff' AND header_values[2] IS NULL AND header_values[3] = ''"
                        " AND record_time = '2024-11-28 18:53:17.474Z' AND first_failed_at = '2024-11-28 18:53:17.474154Z'"
                        " AND class = 'decode' AND reason = 'bad-json' AND text = 'words' AND at_byte = 17 AND attempts = 1"
                        " AND plugin_version = '1.2' AND source = '/src' AND event_id = 'id-1' AND state = 'kept'"),
                1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(absent_and_empty_stay_different)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(2);

        OK(weir_deadletter_insert(pg, &letter, reterr));
        letter = letter_at(3);
        letter.key = letter.value = letter.source = (struct weir_view){ "", 0 };
        OK(weir_deadletter_insert(pg, &letter, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 2 AND key IS NULL"
                        " AND value IS NULL AND source IS NULL AND record_time IS NULL AND at_byte IS NULL AND header_names = '{}'"
                        " AND first_failed_at = failed_at"),
                1);
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 3 AND key = ''"
                        " AND value = '' AND source = ''"),
                1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(no_text_can_refuse_a_letter)
{
        static const char *const texts[] = {
                "cut \xe2\x82",         "\xff\xfe",     "\xc0\x80",         "\xed\xa0\x80",
                "\xf4\x90\x80\x80",     "\xe0\x80\x80", "\xf0\x80\x80\x80", "\x80",
                "good \xf0\x9f\x98\x80"
        };
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter;
        char *huge = malloc(100000);

        for (size_t i = 0; i < WEIR_COUNT_OF(texts); i++) {
                letter = letter_at(100 + (int64_t)i);
                letter.text = letter.reason = letter.plugin_version = texts[i];
                letter.id = (struct weir_view){ "a\0b", 3 };
                OK(weir_deadletter_insert(pg, &letter, reterr));
        }
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE text = 'cut ?"
                                         "?' OR text = U&'good \\+01F600'"),
                         2);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE event_id = 'a?b'"),
                WEIR_COUNT_OF(texts));
        memset(huge, 'x', 99999);
        huge[99999] = '\0';
        letter = letter_at(200);
        letter.text = huge;
        letter.record_time_ms = INT64_MAX;
        OK(weir_deadletter_insert(pg, &letter, reterr));
        ck_assert_int_eq(
                fixture_int(
                        pg,
                        "SELECT length(text) FROM weir.dead_letter WHERE \"offset\" = 200 AND record_time IS NULL"),
                4096);
        free(huge);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_letter_goes_with_its_transaction)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(300);

        OK(weir_pg_begin(pg, reterr));
        OK(weir_deadletter_insert(pg, &letter, reterr));
        weir_pg_rollback(pg);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE \"offset\" = 300"), 0);
        weir_pg_close(pg);
}
END_TEST

/* ---- marked and run again -------------------------------------------------------------------- */

static const struct weir_deadletter_delay delay = { .first_ms = 60000,
                                                    .max_ms = 600000,
                                                    .factor = 2 };

static int64_t mark(struct weir_pg *pg, const struct weir_deadletter *letter)
{
        int64_t id = 0;

        OK(weir_deadletter_keep(pg, letter, &id, reterr));
        ck_assert_int_gt(id, 0);
        fixture_int(
                pg,
                "UPDATE weir.dead_letter SET state = 'requeue', round = round + 1, attempts = 0,"
                " marked_at = now() WHERE id = %lld RETURNING 1",
                (long long)id);
        return id;
}

START_TEST(a_marked_letter_is_found_read_and_settled)
{
        static const struct weir_header headers[] = { { "ce_id", "x", 1 }, { "n", NULL, 0 } };
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(400);
        struct weir_kept_event kept;
        struct weir_arena arena;
        int32_t positions[4] = { 0 };
        struct weir_deadletter_turn turns[4];
        int64_t id;
        size_t count;

        weir_arena_init(&arena, 4096);
        letter.position = 4711;
        letter.klass = "reject";
        letter.item = 3;
        letter.headers = headers;
        letter.header_count = 2;
        letter.value = (struct weir_view){ "v", 1 };
        id = mark(pg, &letter);
        letter.position = 4710;
        mark(pg, &letter);
        mark(pg, &letter);
        OK(weir_deadletter_marked(pg, positions, 4, &count, reterr));
        ck_assert_uint_eq(count, 2);
        ck_assert_int_eq(positions[0], 4710);
        ck_assert_int_eq(positions[1], 4711);
        OK(weir_deadletter_due(pg, 4711, &delay, turns, 4, &count, reterr));
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(turns[0].id, id);
        OK(weir_deadletter_read(pg, id, &arena, &kept, reterr));
        ck_assert_int_eq(kept.item, 3);
        ck_assert_int_eq(kept.round, 2);
        ck_assert_int_eq(kept.attempts, 0);
        ck_assert_int_eq(kept.offset, 400);
        ck_assert(!kept.whole);
        ck_assert_uint_eq(kept.record.header_count, 2);
        ck_assert_str_eq(kept.record.headers[0].value, "x");
        ck_assert_int_eq(weir_deadletter_settle(pg, id, true, NULL), WEIR_KEPT_DONE);
        ck_assert_int_eq(weir_deadletter_settle(pg, id, true, NULL), WEIR_KEPT_GONE);
        ck_assert_int_eq(weir_deadletter_read(pg, id, &arena, &kept, NULL), 1);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.dead_letter WHERE id = %lld"
                                     " AND state = 'applied'",
                                     (long long)id),
                         1);
        fixture_int(pg, "WITH d AS (DELETE FROM weir.dead_letter WHERE position > 4700 RETURNING 1)"
                        " SELECT count(*) FROM d");
        weir_arena_fini(&arena);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_marked_letter_that_fails_waits_and_is_kept_at_last)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(401);
        struct weir_position holder = { 0 }, older;
        struct weir_deadletter_failure failure = { .attempts = 1,
                                                   .klass = "reject",
                                                   .reason = "handler",
                                                   .text = "\xff no",
                                                   .at_byte = -1,
                                                   .plugin_version = "2" };
        struct weir_deadletter_turn turns[4];
        size_t count;

        OK(weir_position_take(pg, "w", "requeue", 0, "host:1", &holder, reterr));
        letter.position = holder.id;
        failure.id = mark(pg, &letter);
        older = holder;
        older.epoch--;
        ck_assert_int_eq(weir_deadletter_fail(pg, &older, &failure, NULL), WEIR_KEPT_FENCED);
        ck_assert_int_eq(weir_deadletter_fail(pg, &holder, &failure, NULL), WEIR_KEPT_DONE);
        OK(weir_deadletter_due(pg, holder.id, &delay, turns, 4, &count, reterr));
        ck_assert_uint_eq(count, 0); /* it waits */
        fixture_int(pg,
                    "UPDATE weir.dead_letter SET failed_at = now() - interval '61s'"
                    " WHERE id = %lld RETURNING 1",
                    (long long)failure.id);
        OK(weir_deadletter_due(pg, holder.id, &delay, turns, 4, &count, reterr));
        ck_assert_uint_eq(count, 1);
        failure.attempts = 9999; /* no overflow, and not longer than the maximum */
        ck_assert_int_eq(weir_deadletter_fail(pg, &holder, &failure, NULL), WEIR_KEPT_DONE);
        fixture_int(pg,
                    "UPDATE weir.dead_letter SET failed_at = now() - interval '601s'"
                    " WHERE id = %lld RETURNING 1",
                    (long long)failure.id);
        OK(weir_deadletter_due(pg, holder.id, &delay, turns, 4, &count, reterr));
        ck_assert_uint_eq(count, 1);
        failure.last = true;
        ck_assert_int_eq(weir_deadletter_fail(pg, &holder, &failure, NULL), WEIR_KEPT_DONE);
        ck_assert_int_eq(weir_deadletter_fail(pg, &holder, &failure, NULL), WEIR_KEPT_GONE);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.dead_letter WHERE id = %lld"
                                     " AND state = 'kept' AND text = '? no' AND attempts = 9999"
                                     " AND plugin_version = '2'",
                                     (long long)failure.id),
                         1);
        weir_pg_close(pg);
}
END_TEST

START_TEST(a_replay_meets_what_failed_before_and_writes_no_second_letter)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(7100);
        int64_t id = 0, other = 0;

        letter.item = 2;
        OK(weir_deadletter_keep(pg, &letter, &id, reterr));
        letter.unless_kept = true;
        OK(weir_deadletter_keep(pg, &letter, &other, reterr));
        ck_assert_int_eq(other, 0);
        letter.item = 1; /* another event of it */
        OK(weir_deadletter_keep(pg, &letter, &other, reterr));
        ck_assert_int_gt(other, id);
        letter.epoch = "fix"; /* another run */
        letter.withhold = true;
        OK(weir_deadletter_keep(pg, &letter, &other, reterr));
        ck_assert_int_gt(other, id);
        OK(weir_deadletter_keep(pg, &letter, &other, reterr));
        ck_assert_int_eq(other, 0);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE \"offset\""
                                         " = 7100 AND epoch = 'fix' AND withhold"),
                         1);
        fixture_int(pg,
                    "WITH u AS (UPDATE weir.dead_letter SET state = 'dropped' WHERE id = %d"
                    " RETURNING 1) SELECT count(*) FROM u",
                    (int)id);
        letter = letter_at(7100);
        letter.item = 2;
        letter.unless_kept = true;
        OK(weir_deadletter_keep(pg, &letter, &other, reterr)); /* that one was done with */
        ck_assert_int_gt(other, id);
        weir_pg_close(pg);
}
END_TEST

START_TEST(of_two_replays_that_meet_it_at_once_one_writes_the_letter)
{
        struct weir_pg *one = fixture_connect(), *other = fixture_connect();
        struct weir_deadletter letter = letter_at(7300);
        struct weir_error error = { .code = 0 };
        int64_t id = 0, second = -1;

        letter.unless_kept = true;
        OK(weir_pg_begin(one, reterr));
        OK(weir_deadletter_keep(one, &letter, &id, reterr));
        OK(weir_pg_begin(other, reterr));
        OK(weir_pg_run(other, "SET LOCAL lock_timeout = '50ms'", reterr));
        ck_assert_int_lt(weir_deadletter_keep(other, &letter, &second, &error), 0);
        ck_assert_str_eq(error.sqlstate, "55P03"); /* it waits for the first one's end */
        weir_pg_rollback(other);
        letter.position = 5; /* nobody else waits */
        OK(weir_pg_begin(other, reterr));
        OK(weir_pg_run(other, "SET LOCAL lock_timeout = '50ms'", reterr));
        OK(weir_deadletter_keep(other, &letter, &second, reterr));
        ck_assert_int_gt(second, 0);
        OK(weir_pg_commit(other, reterr));
        letter.position = 4;
        letter.unless_kept = false; /* the live worker */
        letter.offset = 7301;
        OK(weir_deadletter_keep(other, &letter, &second, reterr));
        ck_assert_int_gt(second, 0);
        letter.unless_kept = true;
        letter.offset = 7300;
        OK(weir_pg_commit(one, reterr));
        OK(weir_pg_begin(other, reterr));
        OK(weir_deadletter_keep(other, &letter, &second, reterr));
        ck_assert_int_eq(second, 0);
        OK(weir_pg_commit(other, reterr));
        weir_pg_close(one);
        weir_pg_close(other);
}
END_TEST

START_TEST(a_letter_is_run_again_in_its_epoch)
{
        struct weir_pg *pg = fixture_connect();
        struct weir_deadletter letter = letter_at(7200);
        struct weir_kept_event kept;
        struct weir_arena arena;
        int64_t id = 0;

        weir_arena_init(&arena, 4096);
        for (int i = 0; i < 2; i++) {
                letter.epoch = i ? "fix" : NULL;
                letter.withhold = i;
                OK(weir_deadletter_keep(pg, &letter, &id, reterr));
                fixture_int(pg,
                            "WITH u AS (UPDATE weir.dead_letter SET state = 'requeue' WHERE id"
                            " = %d RETURNING 1) SELECT count(*) FROM u",
                            (int)id);
                OK(weir_deadletter_read(pg, id, &arena, &kept, reterr));
                ck_assert_int_eq(kept.withhold, i);
                if (i)
                        ck_assert_str_eq(kept.epoch.ptr, "fix");
                else
                        ck_assert_ptr_null(kept.epoch.ptr);
        }
        fixture_int(pg,
                    "WITH d AS (DELETE FROM weir.dead_letter WHERE \"offset\" = 7200 RETURNING 1)"
                    " SELECT count(*) FROM d");
        weir_arena_fini(&arena);
        weir_pg_close(pg);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("deadletter");
        TCase *tcase = tcase_create("deadletter");

        fixture_start("deadletter", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_replay_meets_what_failed_before_and_writes_no_second_letter);
        tcase_add_test(tcase, of_two_replays_that_meet_it_at_once_one_writes_the_letter);
        tcase_add_test(tcase, a_letter_is_run_again_in_its_epoch);
        tcase_add_test(tcase, a_record_is_kept_whole);
        tcase_add_test(tcase, absent_and_empty_stay_different);
        tcase_add_test(tcase, no_text_can_refuse_a_letter);
        tcase_add_test(tcase, a_letter_goes_with_its_transaction);
        tcase_add_test(tcase, a_marked_letter_is_found_read_and_settled);
        tcase_add_test(tcase, a_marked_letter_that_fails_waits_and_is_kept_at_last);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
