/* SPDX-License-Identifier: MIT */
/* aside: a parked event comes into effect once, in the order of its key, and holds nothing up */
#include "aside_fixture.h"

/* ---- parked -------------------------------------------------------------------------------- */

START_TEST(Z1_a_parked_event_comes_into_effect_and_its_row_goes)
{
        parked(90, 0, "a", "k", 1);
        parked(91, 0, "b", "k", 0);
        parked(92, 0, "c", "l", 0);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abc"); /* b follows a at once: it was only waiting for it */
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.claim WHERE \"offset\" BETWEEN 90 AND 92"), 3);
        ck_assert_uint_eq(park.count, 0);
        ck_assert_uint_eq(counts.fresh, 3);
        books_balance();
}
END_TEST

START_TEST(Z1_a_duplicate_that_was_faster_leaves_nothing_to_do)
{
        parked(90, 0, "a", "k", 1);
        parked(93, 0, "a", NULL, 0); /* the same event once more */
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        books_balance();
}
END_TEST

START_TEST(one_event_of_a_record_of_many_is_run_and_the_others_are_not)
{
        parked(90, 1, "a,b", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "b");
        books_balance();
}
END_TEST

START_TEST(a_parked_event_that_fails_waits_and_its_key_with_it)
{
        parked(90, 0, "a", "k", 1);
        parked(91, 0, "b", "k", 0);
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "a");
        ck_assert_int_eq(said.attempt, 2);
        ck_assert_int_eq(COUNT("weir.parked WHERE attempts = 2 AND text = 'later a'"
                               " AND next_try_at > now()"),
                         1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE); /* not due */
        ck_assert_int_eq(said.calls, 1);
        books_balance();
}
END_TEST

START_TEST(a_parked_event_is_kept_after_the_last_attempt_and_its_key_goes_on)
{
        parked(90, 0, "a", "k", 2);
        parked(91, 0, "b", "k", 0);
        said.answer = WEIR_RETRY;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "ab");
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE event_id = 'a' AND class = 'attempts'"
                               " AND attempts = 3 AND \"offset\" = 90 AND text = 'later a'"
                               " AND first_failed_at < failed_at"),
                         1);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_uint_eq(share.ones, 1);
        books_balance();
}
END_TEST

START_TEST(a_parked_event_that_is_refused_is_kept_at_once)
{
        parked(90, 1, "a,b", "k", 1);
        said.answer = WEIR_REJECT;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE event_id = 'b' AND class = 'reject'"
                               " AND attempts = 2 AND item = 1 AND reason = 'handler'"),
                         1);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 1);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        books_balance();
}
END_TEST

/* Nothing to call the handler for must not look like nothing left to do. */
START_TEST(an_event_that_its_record_does_not_hold_is_kept_and_never_lost)
{
        parked(90, 1, "a", "k", 1);
        letter("b", 2, "reject");
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND \"offset\" = 90 AND text LIKE '%%1 events, not 2'"),
                         1);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE state = 'kept' AND class = 'decode'"
                               " AND \"offset\" = 50 AND text LIKE '%%1 events, not 3'"),
                         1);
        books_balance();
}
END_TEST

START_TEST(what_only_COMMIT_would_refuse_is_the_events_fault_too)
{
        said.sql = "INSERT INTO public.effect (late) VALUES (1), (1)";
        parked(90, 0, "a", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.dead_letter WHERE reason = '23505'"), 1);
        books_balance();
}
END_TEST

START_TEST(Z3_a_lost_connection_uses_up_no_attempt)
{
        said.sql = "SELECT pg_terminate_backend(pg_backend_pid())";
        parked(90, 0, "a", "k", 1);
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        ck_assert_int_eq(COUNT("weir.parked WHERE attempts = 1"), 1);
        ck_assert_uint_eq(aside.failures, 1);
        ck_assert_int_gt(aside.not_before_us, weir_clock_us() - 1000000);
        said.sql = NULL;
        aside.not_before_us = 0;
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(COUNT("weir.parked"), 0);
        ck_assert_uint_eq(aside.failures, 0);
        books_balance();
}
END_TEST

START_TEST(another_epoch_runs_nothing)
{
        struct weir_position other;

        parked(90, 0, "a", "k", 1);
        OK(weir_position_take(watch, "w", "t", 0, "host:2", &other, reterr));
        ck_assert_int_eq(run(), WEIR_RUN_FENCED);
        ck_assert_int_eq(said.calls, 0);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
}
END_TEST

START_TEST(a_row_that_somebody_removed_meanwhile_takes_its_effects_with_it)
{
        parked(90, 0, "a", "k", 1);
        said.other = "DELETE FROM weir.parked";
        ck_assert_int_eq(run(), WEIR_RUN_DONE);
        ck_assert_int_eq(said.calls, 1);
        said.other = NULL;
        ck_assert_int_eq(run(), WEIR_RUN_DONE); /* reads anew what there is */
        ck_assert_uint_eq(park.count, 0);
        ck_assert_int_eq(COUNT("public.effect"), 0);
        books_balance();
}
END_TEST

START_TEST(too_many_dead_parked_events_halt_and_stay_parked)
{
        said.answer = WEIR_REJECT;
        for (int i = 0; i < 6; i++)
                parked(80 + i, 0, "a", NULL, 1);
        ck_assert_int_eq(run(), WEIR_RUN_HALTED);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 5);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "t/0 offset 85, parked: no a"));
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "weir position set w t/0 "));
        books_balance();
}
END_TEST

START_TEST(what_was_parked_before_halt_was_configured_halts_and_says_so)
{
        worker.on_dead = WEIR_DEAD_HALT;
        weir_share_fini(&share);
        OK(weir_share_init(&share, &worker, reterr));
        said.answer = WEIR_REJECT;
        parked(80, 0, "a", NULL, 1);
        ck_assert_int_eq(run(), WEIR_RUN_HALTED);
        ck_assert_int_eq(COUNT("weir.dead_letter"), 0);
        ck_assert_int_eq(COUNT("weir.parked"), 1);
        ck_assert_ptr_nonnull(strstr(aside.halt.text, "on_dead is \"halt\""));
        ck_assert_ptr_null(strstr(aside.halt.text, "max_share"));
        books_balance();
}
END_TEST

START_TEST(Z4_a_turn_is_bounded)
{
        said.sql = "SELECT pg_sleep(0.05)";
        for (int i = 0; i < 4; i++)
                parked(80 + i, 0, (const char *[]){ "a", "b", "c", "d" }[i], NULL, 1);
        ck_assert_int_eq(weir_aside_run(&aside, &position, 60000), WEIR_RUN_DONE);
        ck_assert_int_ge(said.calls, 1);
        ck_assert_int_le(said.calls, 2);
        ck_assert_uint_eq(park.count, (size_t)(4 - said.calls));
        ck_assert_int_eq(weir_aside_run(&aside, &position, 5000000), WEIR_RUN_DONE);
        ck_assert_str_eq(said.ids, "abcd");
        books_balance();
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("aside");
        TCase *tcase = tcase_create("aside");

        fixture_start("aside", true);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, Z1_a_parked_event_comes_into_effect_and_its_row_goes);
        tcase_add_test(tcase, Z1_a_duplicate_that_was_faster_leaves_nothing_to_do);
        tcase_add_test(tcase, one_event_of_a_record_of_many_is_run_and_the_others_are_not);
        tcase_add_test(tcase, a_parked_event_that_fails_waits_and_its_key_with_it);
        tcase_add_test(tcase, a_parked_event_is_kept_after_the_last_attempt_and_its_key_goes_on);
        tcase_add_test(tcase, a_parked_event_that_is_refused_is_kept_at_once);
        tcase_add_test(tcase, an_event_that_its_record_does_not_hold_is_kept_and_never_lost);
        tcase_add_test(tcase, what_only_COMMIT_would_refuse_is_the_events_fault_too);
        tcase_add_test(tcase, Z3_a_lost_connection_uses_up_no_attempt);
        tcase_add_test(tcase, another_epoch_runs_nothing);
        tcase_add_test(tcase, a_row_that_somebody_removed_meanwhile_takes_its_effects_with_it);
        tcase_add_test(tcase, too_many_dead_parked_events_halt_and_stay_parked);
        tcase_add_test(tcase, what_was_parked_before_halt_was_configured_halts_and_says_so);
        tcase_add_test(tcase, Z4_a_turn_is_bounded);
        suite_add_tcase(suite, tcase);
        (void)error;
        return fixture_end(suite);
}
