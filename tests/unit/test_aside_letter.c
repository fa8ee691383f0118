/* SPDX-License-Identifier: MIT */
/* aside: a dead letter that an operator marked comes into effect once, or is kept with its new reason */
#include "aside_fixture.h"

/* ---- marked dead letters -------------------------------------------------------------------- */

START_TEST(a_marked_letter_comes_into_effect_once)
{
        int64_t id = letter("a", 0, "reject");

        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a");
        ck_assert_int_eq(said.attempt, 1); /* a new round */
        ck_assert_int_eq(
                COUNT("weir.dead_letter WHERE state = 'applied' AND marked_at IS NOT NULL"), 1);
        fixture_int(watch,
                    "UPDATE weir.dead_letter SET state = 'requeue' WHERE id = %lld RETURNING 1",
                    (long long)id);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'duplicate'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_that_fails_is_kept_with_its_new_reason)
{
        letter("a", 0, "attempts");
        said.answer = WEIR_REJECT;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'reject'"
                               " AND reason = 'handler' AND text = 'no a' AND attempts = 1"
                               " AND round = 2"),
                         1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_has_its_attempts_and_waits_between_them)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        for (int call = 1; call <= 3; call++) {
                ck_assert_int_eq(run(), WEIR_RUN_DONE);
                ck_assert_int_eq(said.calls, call);
                ck_assert_int_eq(said.attempt, call);
                ck_assert_int_eq(run(), WEIR_RUN_DONE); /* it waits, or it is over */
                ck_assert_int_eq(said.calls, call);
                fixture_int(watch, "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                                   " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        }
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND attempts = 3"
                               " AND class = 'attempts'"),
                         1);
        books_balance();
}
END_TEST

START_TEST(X6_letters_of_a_key_take_effect_in_the_order_in_which_they_died)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        letter("b", 0, "attempts"); /* of the same key */
        letter("c", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a"); /* also within one turn */
        said.answer = WEIR_DONE;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a"); /* nobody overtakes while it waits */
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                    " interval '1min' WHERE attempts > 0 RETURNING 1) SELECT count(*) FROM u");
        for (int turn = 0; turn < 3; turn++)
                ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "aabc");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 3);
        books_balance();
}
END_TEST

START_TEST(X6_other_keys_and_none_do_not_wait)
{
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        letter("b", 0, "attempts");
        letter("c", 0, "attempts");
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET key = CASE id WHEN (SELECT min(id)"
                    " FROM weir.dead_letter) THEN 'x'::bytea WHEN (SELECT max(id) FROM"
                    " weir.dead_letter) THEN NULL ELSE repeat('y', 10000)::bytea END"
                    " RETURNING 1) SELECT count(*) FROM u");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abc");
        books_balance();
}
END_TEST

START_TEST(a_marked_letter_that_fails_for_good_is_published_again)
{
        worker.on_dead = WEIR_DEAD_PUBLISH;
        worker.dead_letter_topic = "t.dead";
        said.answer = WEIR_RETRY;
        letter("a", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 0); /* it has more attempts */
        fixture_int(watch,
                    "WITH u AS (UPDATE weir.dead_letter SET attempts = 2, failed_at = now() -"
                    " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'attempts'"
                               " AND attempts = 3 AND text = 'later a'"),
                         1);
        ck_assert_int_eq(
                COUNT("weir.outbox o, weir.dead_letter d WHERE o.kind = 't' AND o.destination ="
                      " 't.dead' AND o.body = d.value AND o.key = d.key AND o.message_id ="
                      " 'weir-dead-' || d.id AND o.header_values[array_position(o.header_names,"
                      " 'weir_round'::bytea)] = '2' AND o.header_values[array_position("
                      "o.header_names, 'weir_text'::bytea)] = 'later a'"),
                1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 1);
        books_balance();
}
END_TEST

START_TEST(a_letter_that_is_dropped_before_it_is_published_again_is_not)
{
        worker.on_dead = WEIR_DEAD_PUBLISH;
        worker.dead_letter_topic = "t.dead";
        said.answer = WEIR_REJECT;
        said.other = "UPDATE weir.dead_letter SET state = 'dropped'";
        letter("a", 0, "attempts");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.outbox"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'dropped'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_record_that_was_refused_is_run_whole)
{
        letter("a,b", 0, "decode"); /* JSON batches were not accepted then */
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_record_that_was_refused_stays_whole_whatever_class_it_gets)
{
        letter("a,b", 0, "decode");
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE class = 'attempts' AND attempts = 1"), 1);
        fixture_int(watch, "WITH u AS (UPDATE weir.dead_letter SET failed_at = failed_at -"
                           " interval '1min' RETURNING 1) SELECT count(*) FROM u");
        said.answer = WEIR_DONE;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "aab"); /* b was not left behind */
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        ck_assert_int_eq(COUNT("public.effect"), 2);
        books_balance();
}
END_TEST

START_TEST(a_record_that_still_is_no_event_is_kept_again)
{
        worker.accept_json_batch = false;
        weir_aside_fini(&aside);
        weir_aside_init(&aside);
        letter("a,b", 0, "decode");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND reason = 'unsupported-format'"),
                         1);
}
END_TEST

START_TEST(a_letter_that_an_operator_drops_meanwhile_does_not_come_into_effect)
{
        letter("a", 0, "reject");
        said.other = "UPDATE weir.dead_letter SET state = 'dropped'";
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("public.effect"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'dropped'"), 1);
        books_balance();
}
END_TEST

START_TEST(letters_of_the_relay_are_left_to_it)
{
        letter("a", 0, "deliver");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'requeue'"), 1);
}
END_TEST

START_TEST(who_has_more_to_do_wants_another_turn_at_once_and_no_more_after_that)
{
        char id[16];

        for (int i = 0; i < 65; i++) { /* one more than a look finds */
                snprintf(id, sizeof id, "%d", i);
                letter(id, 0, "reject");
        }
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_gt(COUNT("weir.dead_letter WHERE state = 'requeue'"), 0);
        ck_assert(weir_aside_hungry(&aside));
        aside.not_before_us = INT64_MAX; /* the database is away: waiting is no hunger */
        ck_assert(!weir_aside_hungry(&aside));
        aside.not_before_us = 0;
        for (int i = 0; i < 65 && weir_aside_hungry(&aside); i++)
                ck_assert_int_eq(weir_aside_run(&aside, &position, 5000000), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 65);
        ck_assert(!weir_aside_hungry(&aside));
        books_balance();
}
END_TEST

/* The look for marks takes a connection too: with one in hand already, a pool of one would wait for itself. */
START_TEST(one_connection_is_enough)
{
        const struct weir_pg_conf conf = { .url = fixture.url, .application_name = "weir test" };

        weir_pool_free(env.pool);
        OK(weir_pool_new(&conf, 1, &env.pool, reterr));
        parked(90, 0, "a", "k", 1);
        letter("b", 0, "reject");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'applied'"), 1);
        books_balance();
}
END_TEST

START_TEST(a_quiet_lane_learns_that_its_position_was_moved)
{
        struct weir_position other = { .id = position.id + 1, .epoch = -1 };
        int64_t before = 0;

        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert(!weir_marks_moved(&marks, &position));
        OK(weir_position_set(watch, "w", "t", 0, 40, "again", &before, reterr));
        marks.look_at_us = aside.look_at_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_FENCED);
        ck_assert(weir_marks_moved(&marks, &position));
        ck_assert(!weir_marks_moved(&marks, &other)); /* nothing is known of it */
        OK(weir_position_take(watch, "w", "t", 0, "host:1", &position, reterr));
        ck_assert(!weir_marks_moved(&marks, &position)); /* what was seen is older */
        aside.look_at_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        OK(weir_position_set(watch, "w", "t", 0, before, "back", &before, reterr));
        OK(weir_position_take(watch, "w", "t", 0, "host:1", &position, reterr));
}
END_TEST

START_TEST(lanes_share_one_look_a_second)
{
        struct weir_marks shared;

        letter("a", 0, "reject");
        weir_marks_init(&shared);
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id));
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id + 1));
        fixture_int(watch, "WITH d AS (DELETE FROM weir.dead_letter RETURNING 1)"
                           " SELECT count(*) FROM d");
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id)); /* as of the last look */
        shared.look_at_us = 0;
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id));
        weir_marks_fini(&shared);
}
END_TEST

/* Letters of workers that nobody runs stay marked: they must not hide those of the others. */
START_TEST(marks_beyond_the_bound_of_a_look_are_seen_all_the_same)
{
        struct weir_marks shared;
        int32_t last = position.id + WEIR_MARKS_MAX;

        letter("a", 0, "reject");
        fixture_int(
                watch,
                "WITH i AS (INSERT INTO weir.dead_letter (position, worker, topic, partition,"
                " \"offset\", header_names, header_values, class, reason, text, attempts,"
                " plugin_version, source, event_id, first_failed_at, state) SELECT n, 'gone', 't', 0, 1, '{}',"
                " '{}', 'reject', '', '', 0, '', '', '', now(), 'requeue' FROM"
                " generate_series(%d + 1, %d) n RETURNING 1) SELECT count(*) FROM i",
                position.id, last);
        weir_marks_init(&shared);
        ck_assert(weir_marks_has(&shared, &env, NULL, position.id));
        ck_assert_uint_eq(shared.count, WEIR_MARKS_MAX);
        ck_assert(weir_marks_has(&shared, &env, NULL, last - 1));
        ck_assert(weir_marks_has(&shared, &env, NULL, last));
        ck_assert(!weir_marks_has(&shared, &env, NULL, position.id - 1));
        weir_marks_fini(&shared);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("aside_letter");
        TCase *tcase = tcase_create("aside");

        fixture_start("aside_letter", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_marked_letter_comes_into_effect_once);
        tcase_add_test(tcase, a_marked_letter_that_fails_is_kept_with_its_new_reason);
        tcase_add_test(tcase, a_marked_letter_has_its_attempts_and_waits_between_them);
        tcase_add_test(tcase, X6_letters_of_a_key_take_effect_in_the_order_in_which_they_died);
        tcase_add_test(tcase, X6_other_keys_and_none_do_not_wait);
        tcase_add_test(tcase, a_marked_letter_that_fails_for_good_is_published_again);
        tcase_add_test(tcase, a_letter_that_is_dropped_before_it_is_published_again_is_not);
        tcase_add_test(tcase, a_record_that_was_refused_is_run_whole);
        tcase_add_test(tcase, a_record_that_was_refused_stays_whole_whatever_class_it_gets);
        tcase_add_test(tcase, a_record_that_still_is_no_event_is_kept_again);
        tcase_add_test(tcase, a_letter_that_an_operator_drops_meanwhile_does_not_come_into_effect);
        tcase_add_test(tcase, letters_of_the_relay_are_left_to_it);
        tcase_add_test(tcase, who_has_more_to_do_wants_another_turn_at_once_and_no_more_after_that);
        tcase_add_test(tcase, one_connection_is_enough);
        tcase_add_test(tcase, a_quiet_lane_learns_that_its_position_was_moved);
        tcase_add_test(tcase, lanes_share_one_look_a_second);
        tcase_add_test(tcase, marks_beyond_the_bound_of_a_look_are_seen_all_the_same);
        suite_add_tcase(suite, tcase);
        (void)error;
        return fixture_end(suite);
}
