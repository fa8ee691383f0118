/* SPDX-License-Identifier: MIT */
/* test_requeue - kept letters on their way back: chunk by chunk, on one way at most, and by two at once */
#include <pthread.h>

#include "flow/requeue.h"
#include "store_fixture.h"

static struct weir_pg *pg;

static void set_up(void)
{
        pg = fixture_connect();
        OK(weir_pg_run(pg, "TRUNCATE weir.dead_letter, weir.outbox RESTART IDENTITY", reterr));
}

static void tear_down(void)
{
        weir_pg_close(pg);
}

static void insert(int count, const char *klass, int round, const char *state)
{
        char sql[1024];

        snprintf(
                sql, sizeof sql,
                "INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\", key,"
                " value, header_names, header_values, class, reason, text, attempts,"
                " plugin_version, source, event_id, first_failed_at, round, state, destination,"
                " message_id) SELECT 1, 'w', 't', 0, i, 'k', 'v', '{h,weir_round}', '{x,9}', '%s',"
                " 'why', 'words', 5, '1', '/s', 'e-' || i, now(), %d, '%s', %s"
                " FROM generate_series(1, %d) i",
                klass, round, state,
                strcmp(klass, "deliver") == 0 ? "'sink hook', 'm-' || i" : "NULL, NULL", count);
        OK(weir_pg_run(pg, sql, reterr));
}

static struct weir_requeue requeue_of(struct weir_pg *conn, const char *by)
{
        struct weir_requeue requeue = { .pg = conn, .mark = { .by = by } };

        weir_deadletter_filter_init(&requeue.filter);
        requeue.filter.state = "kept";
        requeue.filter.rounds_below = 3;
        return requeue;
}

static void run_all(struct weir_requeue *requeue, size_t chunk)
{
        struct weir_error error = { 0 };
        int r;

        while ((r = weir_requeue_chunk(requeue, chunk, &error)) == 0)
                continue;
        ck_assert_msg(r == 1, "%d: %s", r, error.text);
        weir_requeue_fini(requeue);
}

static int64_t rows(const char *where)
{
        return fixture_int(pg, "SELECT count(*) FROM weir.dead_letter WHERE %s", where);
}

START_TEST(a_letter_of_the_last_round_can_still_be_requeued)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(1, "reject", WEIR_ROUND_MAX, "kept");
        requeue.filter.rounds_below = WEIR_ROUND_MAX;
        run_all(&requeue, 10);
        ck_assert_int_eq(requeue.marked, 0);
        requeue = requeue_of(pg, "me");
        requeue.filter.rounds_below = WEIR_ROUND_MAX + 1; /* the most that --max-rounds takes */
        run_all(&requeue, 10);
        ck_assert_int_eq(requeue.marked, 1);
        ck_assert_int_eq(rows("state = 'requeue' AND round = 999999"), 1);
}
END_TEST

START_TEST(in_place_they_are_marked_for_another_round)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(7, "reject", 1, "kept");
        insert(2, "reject", 3, "kept");
        insert(3, "reject", 1, "applied");
        requeue.mark.note = "because";
        run_all(&requeue, 3);
        ck_assert_int_eq(requeue.marked, 7);
        ck_assert_int_eq(requeue.sent, 0);
        ck_assert_int_eq(requeue.first_id, 1);
        ck_assert_int_eq(requeue.last_id, 7);
        ck_assert_int_eq(
                rows("state = 'requeue' AND round = 2 AND attempts = 0 AND marked_by = 'me'"
                     " AND note = 'because' AND marked_at IS NOT NULL"),
                7);
        ck_assert_int_eq(rows("state = 'kept' AND round = 3 AND marked_by IS NULL"), 2); /* X2 */
        ck_assert_int_eq(rows("state = 'applied'"), 3);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 0);
}
END_TEST

START_TEST(a_chunk_is_no_more_than_was_asked_for)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(5, "reject", 1, "kept");
        OK(weir_requeue_chunk(&requeue, 2, reterr));
        ck_assert_int_eq(requeue.marked, 2);
        ck_assert_int_eq(rows("state = 'requeue' AND id <= 2"), 2);
        ck_assert_int_eq(rows("state = 'requeue'"), 2);
        weir_requeue_fini(&requeue);
}
END_TEST

START_TEST(X3_what_fails_again_meanwhile_is_met_once)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(4, "reject", 1, "kept");
        OK(weir_requeue_chunk(&requeue, 2, reterr));
        OK(weir_pg_run(pg, "UPDATE weir.dead_letter SET state = 'kept' WHERE state = 'requeue'",
                       reterr));
        run_all(&requeue, 2);
        ck_assert_int_eq(requeue.marked, 4);
        ck_assert_int_eq(rows("round = 2"), 4);
        ck_assert_int_eq(rows("state = 'kept'"), 2);
}
END_TEST

START_TEST(what_was_to_be_delivered_goes_back_with_its_name)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(5, "deliver", 2, "kept");
        insert(2, "reject", 1, "kept");
        run_all(&requeue, 2);
        ck_assert_int_eq(requeue.marked, 2);
        ck_assert_int_eq(requeue.sent, 5);
        ck_assert_int_eq(rows("class = 'deliver' AND state = 'sent' AND marked_by = 'me'"), 5);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(*) FROM weir.outbox o JOIN weir.dead_letter d ON"
                                " d.message_id = o.message_id WHERE o.kind = 's' AND"
                                " o.destination = 'hook' AND o.key = 'k' AND o.body = 'v' AND"
                                " o.header_names = '{h,weir_round}' AND o.header_values = '{x,9}'"
                                " AND o.worker = 'w' AND o.position = 1 AND o.\"offset\" ="
                                " d.\"offset\" AND o.round = 3 AND o.attempts = 0"),
                5);
}
END_TEST

START_TEST(to_a_topic_they_go_as_they_came)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(5, "attempts", 2, "kept");
        insert(2, "deliver", 1, "kept");
        requeue.topic = "again";
        requeue.mark.note = "to topic again";
        run_all(&requeue, 2);
        ck_assert_int_eq(requeue.marked, 0);
        ck_assert_int_eq(requeue.sent, 5);
        ck_assert_int_eq(rows("class = 'deliver' AND state = 'kept'"), 2);
        ck_assert_int_eq(rows("state = 'sent' AND round = 2 AND note = 'to topic again'"), 5);
        ck_assert_int_eq(
                fixture_int(pg,
                            "SELECT count(*) FROM weir.outbox WHERE kind = 't' AND destination ="
                            " 'again' AND key = 'k' AND body = 'v' AND header_names[1] = 'h' AND"
                            " header_values[1] = 'x' AND cardinality(header_names) = 10 AND"
                            " header_names[10] = 'weir_round' AND header_values[10] = '2'"),
                5);
}
END_TEST

START_TEST(X1_a_chunk_that_fails_has_not_happened)
{
        struct weir_requeue requeue = requeue_of(pg, "me");
        struct weir_error error = { 0 };

        insert(3, "deliver", 1, "kept");
        OK(weir_pg_run(pg, "UPDATE weir.dead_letter SET destination = NULL WHERE id = 3", reterr));
        requeue.marking_over = requeue.begun = true;
        ck_assert_int_eq(weir_requeue_chunk(&requeue, 10, &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "dead letter 3"));
        ck_assert(weir_pg_idle(pg));
        ck_assert_int_eq(rows("state = 'kept'"), 3);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), 0);
        weir_requeue_fini(&requeue);
}
END_TEST

START_TEST(large_values_make_small_chunks)
{
        struct weir_requeue requeue = requeue_of(pg, "me");

        insert(5, "deliver", 1, "kept");
        OK(weir_pg_run(pg,
                       "UPDATE weir.dead_letter SET value = convert_to(repeat('x', 5000000),"
                       " 'UTF8')",
                       reterr));
        requeue.marking_over = requeue.begun = true;
        OK(weir_requeue_chunk(&requeue, 100, reterr));
        ck_assert_int_eq(requeue.sent, 2); /* beyond 8 MiB nothing more is read */
        run_all(&requeue, 100);
        ck_assert_int_eq(requeue.sent, 5);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox WHERE"
                                         " octet_length(body) = 5000000"),
                         5);
}
END_TEST

static void *requeue_main(void *context)
{
        struct weir_requeue *requeue = context;

        run_all(requeue, 7);
        return NULL;
}

START_TEST(of_two_at_once_one_takes_it)
{
        enum { MANY = 1000 };
        struct weir_requeue one = requeue_of(pg, "one"), two = requeue_of(fixture_connect(), "two");
        pthread_t thread;

        insert(MANY, "reject", 1, "kept");
        insert(MANY, "deliver", 1, "kept");
        ck_assert_int_eq(pthread_create(&thread, NULL, requeue_main, &two), 0);
        run_all(&one, 7);
        pthread_join(thread, NULL);
        ck_assert_int_eq(one.marked + two.marked, MANY);
        ck_assert_int_eq(one.sent + two.sent, MANY);
        ck_assert_int_eq(rows("round = 2 AND state = 'requeue' AND marked_by = 'one'"), one.marked);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(DISTINCT message_id) FROM weir.outbox"),
                         MANY);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox"), MANY);
        weir_pg_close(two.pg);
}
END_TEST

START_TEST(X4_who_waits_for_a_lock_goes_on_behind_it)
{
        struct weir_requeue one = requeue_of(pg, "one"), two = requeue_of(fixture_connect(), "two");
        struct weir_pg *watch = fixture_connect();
        int64_t backend = fixture_backend(two.pg);
        struct weir_deadletter_chunk chunk;
        pthread_t thread;

        insert(20, "reject", 1, "kept");
        OK(weir_pg_begin(pg, reterr));
        OK(weir_deadletter_requeue(pg, &one.filter, 10, &one.mark, &chunk, reterr));
        ck_assert_int_eq(chunk.count, 10);
        ck_assert_int_eq(pthread_create(&thread, NULL, requeue_main, &two), 0);
        fixture_until_waiting(watch, backend);
        OK(weir_pg_commit(pg, reterr));
        pthread_join(thread, NULL);
        ck_assert_int_eq(two.marked, 10);
        ck_assert_int_eq(rows("round = 2 AND marked_by = 'two' AND id > 10"), 10);
        weir_pg_close(watch);
        weir_pg_close(two.pg);
}
END_TEST

START_TEST(a_drop_marks_and_a_mark_can_be_taken_back)
{
        struct weir_requeue requeue = requeue_of(pg, "me");
        const struct weir_deadletter_mark mark = { .by = "you", .note = "test data" };
        struct weir_deadletter_chunk chunk;
        struct weir_pg_rows *outcome = NULL;
        int64_t waiting = -1;

        insert(4, "reject", 1, "kept");
        requeue.filter.upto_id = 3;
        run_all(&requeue, 10);
        OK(weir_deadletter_waiting(pg, "me", &waiting, reterr));
        ck_assert_int_eq(waiting, 3);
        requeue.filter.above_id = 0;
        requeue.filter.state = "requeue";
        requeue.filter.upto_id = 2;
        OK(weir_deadletter_drop(pg, &requeue.filter, 10, &mark, &chunk, reterr));
        ck_assert_int_eq(chunk.count, 2);
        ck_assert_int_eq(rows("state = 'dropped' AND note = 'test data' AND marked_by = 'you'"), 2);
        ck_assert_int_eq(rows("true"), 4);
        OK(weir_deadletter_outcome(pg, "me", 1, 3, &outcome, reterr));
        ck_assert_uint_eq(weir_pg_rows_count(outcome), 1);
        ck_assert_str_eq(weir_pg_rows_text(outcome, 0, 0).ptr, "requeue");
        ck_assert_int_eq(weir_pg_rows_int(outcome, 0, 1, 0), 1);
        weir_pg_rows_free(outcome);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("requeue");
        TCase *tcase = tcase_create("requeue");

        fixture_start("requeue", true);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_letter_of_the_last_round_can_still_be_requeued);
        tcase_add_test(tcase, in_place_they_are_marked_for_another_round);
        tcase_add_test(tcase, a_chunk_is_no_more_than_was_asked_for);
        tcase_add_test(tcase, X3_what_fails_again_meanwhile_is_met_once);
        tcase_add_test(tcase, what_was_to_be_delivered_goes_back_with_its_name);
        tcase_add_test(tcase, to_a_topic_they_go_as_they_came);
        tcase_add_test(tcase, X1_a_chunk_that_fails_has_not_happened);
        tcase_add_test(tcase, large_values_make_small_chunks);
        tcase_add_test(tcase, of_two_at_once_one_takes_it);
        tcase_add_test(tcase, X4_who_waits_for_a_lock_goes_on_behind_it);
        tcase_add_test(tcase, a_drop_marks_and_a_mark_can_be_taken_back);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
