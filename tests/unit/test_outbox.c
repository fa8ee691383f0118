/* SPDX-License-Identifier: MIT */
/* test_outbox - rows as relays see them: in order, bounded, removed only when done with */
#include "outbox_fixture.h"

static struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

START_TEST(rows_come_whole_and_in_order)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 10, 7);
        insert_rows(5, 4, 0);
        OK(weir_pg_run(pg, "UPDATE weir.outbox SET key = NULL, body = NULL WHERE id = 11", reterr));
        fetch(0, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 14);
        for (size_t i = 0; i < 14; i++) {
                const struct weir_outbox_row *row = taken.rows[i];

                ck_assert_uint_eq(taken.streams[i], i >= 10);
                ck_assert_int_eq(row->id, (int64_t)i + 1);
                ck_assert_str_eq(row->worker, "w");
                ck_assert_uint_eq(row->header_count, 3);
                ck_assert_str_eq(row->headers[0].name, "ce_id");
                ck_assert_str_eq(row->headers[0].value, row->message_id.ptr);
                ck_assert_str_eq(row->headers[1].value, "/s");
                ck_assert_uint_eq(row->headers[1].size, 2);
                ck_assert_str_eq(row->headers[2].name, "x");
                ck_assert_ptr_null(row->headers[2].value);
                ck_assert_int_eq(row->position, 0);
                ck_assert_int_eq(row->wait_us, 0);
                if (i == 10) {
                        ck_assert_ptr_null(row->key.ptr);
                        ck_assert_ptr_null(row->body.ptr);
                } else {
                        ck_assert_str_eq(row->key.ptr, "k");
                        ck_assert_ptr_nonnull(row->body.ptr);
                        ck_assert_uint_eq(row->body.size, i < 10 ? 7 : 0);
                }
        }
        drop(&taken);
}
END_TEST

START_TEST(a_reading_is_bounded_by_rows_and_bytes_but_brings_one)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 100, 10000);
        insert_rows(5, 100, 200000);
        fetch(0, 30, 100000, &taken);
        ck_assert_uint_eq(taken.count, 10 + 1);
        drop(&taken);
        fetch(0, 3, 1 << 30, &taken);
        ck_assert_uint_eq(taken.count, 6);
        drop(&taken);
}
END_TEST

START_TEST(a_postponed_row_says_how_long)
{
        struct weir_outbox_name name = name_of(1, NULL);
        struct taken taken = { .count = 0 };
        int64_t refused_us;

        insert_rows(3, 2, 1);
        OK(weir_outbox_postpone(pg, &name, 5000000, "5\xc3\xa4 \n down", false, &refused_us,
                                reterr));
        fetch(0, 30, 1000, &taken);
        ck_assert_uint_eq(taken.count, 2);
        ck_assert_int_eq(taken.rows[0]->attempts, 1);
        ck_assert_int_gt(taken.rows[0]->wait_us, 3000000);
        ck_assert_int_le(taken.rows[0]->wait_us, 5000000);
        ck_assert_int_eq(taken.rows[1]->wait_us, 0);
        ck_assert_int_eq(fixture_int(pg,
                                     "SELECT count(*) FROM weir.outbox WHERE error = '5?? ? down'"),
                         1);
        drop(&taken);
}
END_TEST

START_TEST(foreign_words_are_kept_up_to_a_thousand_bytes)
{
        struct weir_outbox_name name = name_of(1, NULL);
        int64_t refused_us;
        char words[3000];

        memset(words, 'w', sizeof words);
        words[sizeof words - 1] = '\0';
        insert_rows(3, 1, 1);
        OK(weir_outbox_postpone(pg, &name, 1000, words, false, &refused_us, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT length(error) FROM weir.outbox"), 1000);
}
END_TEST

START_TEST(a_reading_begins_behind_what_is_known)
{
        struct taken taken = { .count = 0 };

        insert_rows(3, 10, 1);
        insert_rows(5, 10, 1);
        fetch(7, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 3 + 10);
        ck_assert_int_eq(taken.rows[0]->id, 8);
        drop(&taken);
        fetch(20, 100, 1 << 20, &taken);
        ck_assert_uint_eq(taken.count, 0);
}
END_TEST

START_TEST(a_reading_tells_which_transactions_were_over)
{
        struct weir_pg *writer = fixture_connect();
        struct taken taken = { .count = 0 };
        struct weir_outbox_sight before, during;

        insert_rows(3, 1, 1);
        OK(weir_pg_begin(writer, reterr));
        OK(weir_pg_run(writer, "INSERT INTO weir.destination (kind, name) VALUES ('t', 'x')",
                       reterr));
        before = fetch(0, 10, 1000, &taken);
        during = fetch(0, 10, 1000, &taken);
        ck_assert_int_gt(before.drawn, 0);
        ck_assert_int_gt(during.drawn, before.drawn);
        ck_assert_int_lt(during.oldest, before.drawn); /* the writer may have drawn a lower id */
        OK(weir_pg_commit(writer, reterr));
        /* other tests have transactions in this server, too, seconds long */
        WAIT_UNTIL((drop(&taken), fetch(0, 10, 1000, &taken)).oldest >= before.drawn);
        drop(&taken);
        weir_pg_close(writer);
}
END_TEST

static void remove_rows(const struct weir_outbox_name *names, size_t count, int left)
{
        int64_t before = fixture_int(pg, "SELECT count(*) FROM weir.outbox");
        struct weir_error error = { 0 };
        int r = weir_outbox_remove(pg, names, count, &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        ck_assert_int_eq(r, before - (int64_t)count != left); /* some were not there */
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), left);
}

START_TEST(removed_is_what_was_named)
{
        struct taken taken = { .count = 0 };
        struct weir_outbox_name names[3];

        insert_rows(3, 5, 1);
        fetch(0, 10, 1000, &taken);
        names[0] = name_of(2, &taken);
        names[1] = name_of(4, &taken);
        names[2] = name_of(4711, NULL);
        remove_rows(names, 2, 3);
        remove_rows(names, 3, 3);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(id) FROM weir.outbox"), 1 + 3 + 5);
        drop(&taken);
}
END_TEST

START_TEST(a_row_that_has_moved_is_removed_and_its_old_place_is_not)
{
        struct taken taken = { .count = 0 };
        struct weir_outbox_name names[3];
        int64_t refused_us;

        insert_rows(3, 5, 1);
        fetch(0, 10, 1000, &taken);
        for (int i = 0; i < 3; i++)
                names[i] = name_of(i + 3, &taken);
        drop(&taken);
        /* 3 lies elsewhere for its update; then all lie elsewhere: where 4 was, now 3 is, which stays */
        OK(weir_outbox_postpone(pg, &names[0], 1, "", false, &refused_us, reterr));
        OK(weir_pg_run(pg, "DELETE FROM weir.outbox WHERE id = 2", reterr));
        OK(weir_pg_run(pg, "VACUUM FULL weir.outbox", reterr));
        remove_rows(names + 1, 2, 2);
        ck_assert_int_eq(fixture_int(pg, "SELECT sum(id) FROM weir.outbox"), 1 + 3);
}
END_TEST

START_TEST(the_clock_of_a_message_runs_from_answer_to_answer)
{
        struct weir_outbox_name name = name_of(1, NULL);
        int64_t refused_us;

        insert_rows(3, 1, 1);
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_eq(refused_us, 0);
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET refused_at = refused_at - interval '30 s',"
                       " next_try_at = next_try_at - interval '30 s'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_ge(refused_us, 30000000);
        ck_assert_int_lt(refused_us, 60000000);
        /* no answer: what lies before and behind it does not count */
        OK(weir_outbox_postpone(pg, &name, 5000000, "down", false, &refused_us, reterr));
        OK(weir_pg_run(pg, "UPDATE weir.outbox SET next_try_at = next_try_at - interval '3 days'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_lt(refused_us, 60000000);
        /* nobody was there to try for three days: the wait that was meant, and a minute */
        OK(weir_pg_run(pg,
                       "UPDATE weir.outbox SET refused_us = 0, refused_at = refused_at - interval"
                       " '3 days', next_try_at = next_try_at - interval '3 days'",
                       reterr));
        OK(weir_outbox_postpone(pg, &name, 5000000, "500", true, &refused_us, reterr));
        ck_assert_int_eq(refused_us, 65000000);
        ck_assert_int_eq(fixture_int(pg, "SELECT attempts FROM weir.outbox"), 5);
}
END_TEST

START_TEST(buried_is_whole_and_gone)
{
        const struct weir_outbox_refused refused[] = {
                { name_of(1, NULL), view("/s"), view("e-1") },
                { name_of(2, NULL), { NULL, 0 }, { NULL, 0 } }
        };

        const struct weir_outbox_refused untried = { name_of(3, NULL), { NULL, 0 }, { NULL, 0 } };

        insert_rows(3, 3, 4);
        OK(weir_pg_run(pg,
                       "INSERT INTO weir.position (worker, topic, partition, epoch, owner)"
                       " VALUES ('w', 'origin', 7, 1, 'o')",
                       reterr));
        OK(weir_pg_run(
                pg,
                "UPDATE weir.outbox SET attempts = 2, position = (SELECT id FROM weir.position"
                " WHERE topic = 'origin'), \"offset\" = 88, round = 2 WHERE id = 1",
                reterr));
        OK(weir_outbox_bury(pg, refused, 2, "http-400", "no\xff", true, reterr));
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 1);
        OK(weir_outbox_bury(pg, &untried, 1, "retired", "", false, reterr));
        ck_assert_int_eq(
                fixture_int(pg, "SELECT attempts FROM weir.dead_letter WHERE reason = 'retired'"),
                0);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT count(*) FROM weir.dead_letter WHERE class = 'deliver' AND"
                            " reason = 'http-400' AND text = 'no?' AND destination = 'topic t' AND"
                            " topic = 'origin' AND partition = 7 AND \"offset\" = 88 AND attempts ="
                            " 3 AND source = '/s' AND event_id = 'e-1' AND value = 'xxxx' AND"
                            " header_names[1] = 'ce_id' AND header_values[3] IS NULL AND"
                            " state = 'kept' AND worker = 'w' AND key = 'k' AND round = 2 AND"
                            " message_id = 'e-1'"),
                1);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE source IS NULL AND"
                                " topic = '' AND partition = -1 AND \"offset\" = -1"
                                " AND position = 0 AND attempts = 1"),
                1);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("outbox");
        TCase *tcase = tcase_create("outbox");

        fixture_start("outbox", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, rows_come_whole_and_in_order);
        tcase_add_test(tcase, a_reading_is_bounded_by_rows_and_bytes_but_brings_one);
        tcase_add_test(tcase, a_reading_begins_behind_what_is_known);
        tcase_add_test(tcase, a_reading_tells_which_transactions_were_over);
        tcase_add_test(tcase, a_postponed_row_says_how_long);
        tcase_add_test(tcase, foreign_words_are_kept_up_to_a_thousand_bytes);
        tcase_add_test(tcase, a_row_that_has_moved_is_removed_and_its_old_place_is_not);
        tcase_add_test(tcase, the_clock_of_a_message_runs_from_answer_to_answer);
        tcase_add_test(tcase, removed_is_what_was_named);
        tcase_add_test(tcase, buried_is_whole_and_gone);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
