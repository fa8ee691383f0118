/* SPDX-License-Identifier: MIT */
/* run: how a failed batch is cut, who is condemned, and what stops a partition */
#include "run_fixture.h"

/* ---- fixture ------------------------------------------------------------------------------ */

START_TEST(a_good_batch_is_one_transaction)
{
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 1);
        assert_all_passed_in_order();
}
END_TEST

START_TEST(a_named_culprit_alone_is_condemned)
{
        world.bad_outcome[20] = WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(batch.items[20].dead);
        ck_assert_str_eq(batch.items[20].reason, "handler");
        ck_assert_str_eq(batch.items[20].text, "record 20");
        ck_assert_int_eq(world.transactions, 4); /* all, before it, it, it as dead with the rest */
}
END_TEST

START_TEST(a_nameless_culprit_is_found_by_halving)
{
        world.bad_outcome[37] = WEIR_ESQL;
        world.nameless[37] = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(batch.items[37].dead);
        ck_assert_str_eq(batch.items[37].reason, "22P02");
        ck_assert_int_lt(world.transactions, 24);
}
END_TEST

START_TEST(an_event_for_which_commit_is_refused_is_found_and_condemned)
{
        world.bad_outcome[40] = WEIR_REJECT;
        world.at_commit[40] = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert(batch.items[40].dead);
        ck_assert_int_eq(dead_count(), 1);
        ck_assert(!runner.applier.blame); /* the good path pays nothing for it */
}
END_TEST

START_TEST(culprits_at_both_ends_and_side_by_side_are_all_found)
{
        int bad[] = { 0, 1, 30, 31, 63 };

        for (size_t i = 0; i < 5; i++) {
                world.bad_outcome[bad[i]] = i % 2 ? WEIR_ESQL : WEIR_REJECT;
                world.nameless[bad[i]] = i % 2;
        }
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert(batch.items[bad[i]].dead);
}
END_TEST

START_TEST(infrastructure_never_condemns_and_never_gives_up)
{
        world.infra_left = 5;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(a_batch_that_is_too_much_for_the_server_is_cut_until_it_passes)
{
        world.too_many = 20;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(good_events_before_one_that_waits_for_its_table_are_not_held_up)
{
        world.bad_outcome[20] = WEIR_ESQL;
        world.waits_for_table = true;
        world.stop_after = 6;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 120);
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

/* ---- dead letters that halt ----------------------------------------------------------------- */

START_TEST(on_dead_halt_stops_at_the_event_and_not_before)
{
        runner.share.none = true; /* as weir_share_init() sets it, for on_dead = "halt" */
        world.bad_outcome[30] = WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 30);
        ck_assert_int_eq(position.next_offset, 130);
        ck_assert_int_eq(world.stored, 130);
        ck_assert_str_eq(runner.halt.text, "halt");
}
END_TEST

START_TEST(on_dead_halt_stops_at_a_record_that_is_no_event_too)
{
        static struct weir_refusal refusal;

        runner.share.none = true; /* as weir_share_init() sets it, for on_dead = "halt" */
        batch.records[5].refusal = &refusal;
        batch.records[5].item_count = 0;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 5);
        ck_assert_int_eq(position.next_offset, 105);
}
END_TEST

START_TEST(too_many_dead_letters_halt_instead_of_one_more)
{
        worker.dead_window = 20;
        worker.dead_max_percent = 50;
        start_again();
        for (size_t i = 0; i < RECORDS; i++)
                world.bad_outcome[i] = i % 2 ? WEIR_ESQL : WEIR_REJECT;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_uint_eq(world.halted_at, 10);
        ck_assert_int_eq(position.next_offset, 110);
        world.decided = (struct weir_decided){ .newer = 0, .records = 20, .dead = 10 };
        start_again(); /* E3: the trail knows */
        ck_assert(!weir_share_allows(&runner.share));
        world.decided.dead = 0;
        start_again(); /* an operator's word, another version: the trail says nothing */
        ck_assert(weir_share_allows(&runner.share));
}
END_TEST

START_TEST(a_dead_letter_now_and_then_never_halts)
{
        worker.dead_window = 20;
        worker.dead_max_percent = 50;
        start_again();
        for (size_t i = 0; i < RECORDS; i += 2)
                world.bad_outcome[i] = WEIR_REJECT; /* exactly the share */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), RECORDS / 2);
}
END_TEST

START_TEST(an_unknown_commit_that_happened_is_not_repeated)
{
        world.commit_lost = 1;
        world.commit_happened = true;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 1);
        ck_assert_int_eq(world.stored, 100 + RECORDS);
        ck_assert_int_eq(position.next_offset, 100 + RECORDS);
}
END_TEST

START_TEST(an_unknown_commit_that_did_not_happen_is_repeated)
{
        world.commit_lost = 1;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(world.transactions, 2);
        assert_all_passed_in_order();
}
END_TEST

START_TEST(an_unknown_commit_under_another_epoch_is_fenced)
{
        world.commit_lost = 1;
        world.look_found_epoch = 8;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_FENCED);
        ck_assert_int_eq(world.stored, 0); /* I7: nothing told to Kafka */
}
END_TEST

START_TEST(a_stop_leaves_the_rest_of_the_batch_untouched)
{
        world.bad_outcome[20] = WEIR_REJECT;
        world.stop_after = 2;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 120);
        ck_assert_int_eq(world.stored, 120);
}
END_TEST

START_TEST(only_calls_of_a_transaction_that_was_left_are_abandoned)
{
        world.bad_outcome[20] = WEIR_REJECT;
        world.cut_after = 2;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 120);
        ck_assert_uint_eq(runner.counts.abandoned, 0); /* those of the 20 were committed */
}
END_TEST

START_TEST(calls_of_a_transaction_that_a_stop_left_are_abandoned)
{
        world.infra_left = 1;
        world.stop_after = 1;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_uint_eq(runner.counts.abandoned, RECORDS);
}
END_TEST

START_TEST(a_stop_ends_the_waiting_for_the_database)
{
        world.infra_left = 1000;
        world.stop_after = 2;
        weir_latch_set(&waker);
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_STOPPED);
        ck_assert_int_eq(position.next_offset, 100);
}
END_TEST

START_TEST(trailing_markers_move_the_position_without_a_record)
{
        fake_seen = 103;
        ck_assert_int_eq(weir_runner_pass_markers(&runner, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(position.next_offset, 103);
        ck_assert_int_eq(world.stored, 103);
        fake_seen = 50; /* an older position is never believed */
        ck_assert_int_eq(weir_runner_pass_markers(&runner, &position), WEIR_RUN_DONE);
        ck_assert_int_eq(position.next_offset, 103);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("run");
        TCase *tcase = tcase_create("run");
        SRunner *runner_ = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_good_batch_is_one_transaction);
        tcase_add_test(tcase, a_named_culprit_alone_is_condemned);
        tcase_add_test(tcase, a_nameless_culprit_is_found_by_halving);
        tcase_add_test(tcase, an_event_for_which_commit_is_refused_is_found_and_condemned);
        tcase_add_test(tcase, culprits_at_both_ends_and_side_by_side_are_all_found);
        tcase_add_test(tcase, infrastructure_never_condemns_and_never_gives_up);
        tcase_add_test(tcase, a_batch_that_is_too_much_for_the_server_is_cut_until_it_passes);
        tcase_add_test(tcase, good_events_before_one_that_waits_for_its_table_are_not_held_up);
        tcase_add_test(tcase, on_dead_halt_stops_at_the_event_and_not_before);
        tcase_add_test(tcase, on_dead_halt_stops_at_a_record_that_is_no_event_too);
        tcase_add_test(tcase, too_many_dead_letters_halt_instead_of_one_more);
        tcase_add_test(tcase, a_dead_letter_now_and_then_never_halts);
        tcase_add_test(tcase, an_unknown_commit_that_happened_is_not_repeated);
        tcase_add_test(tcase, an_unknown_commit_that_did_not_happen_is_repeated);
        tcase_add_test(tcase, an_unknown_commit_under_another_epoch_is_fenced);
        tcase_add_test(tcase, a_stop_leaves_the_rest_of_the_batch_untouched);
        tcase_add_test(tcase, only_calls_of_a_transaction_that_was_left_are_abandoned);
        tcase_add_test(tcase, calls_of_a_transaction_that_a_stop_left_are_abandoned);
        tcase_add_test(tcase, a_stop_ends_the_waiting_for_the_database);
        tcase_add_test(tcase, trailing_markers_move_the_position_without_a_record);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner_, CK_NORMAL);
        failed = srunner_ntests_failed(runner_);
        srunner_free(runner_);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
