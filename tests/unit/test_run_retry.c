/* SPDX-License-Identifier: MIT */
/* run: what is tried again, how often and after how long; suspects; and what is parked meanwhile */
#include "run_fixture.h"

/* ---- fixture ------------------------------------------------------------------------------ */

static void give_key(size_t record, const char *key)
{
        batch.records[record].record.key = (struct weir_view){ key, strlen(key) };
}

START_TEST(a_retry_is_tried_again_in_its_place)
{
        world.bad_outcome[10] = WEIR_RETRY; /* fine from the fourth try on */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(batch.items[10].attempts, 3);
        ck_assert_int_eq(batch.items[10].event.attempt, 4);
        ck_assert_int_eq(world.calls[10], 4); /* attempts are calls, also that among others */
        ck_assert_int_eq(world.saves, 3);
        ck_assert_int_eq(world.attempts[0].attempts, 3);
        ck_assert_uint_eq(runner.retry.count, 0); /* forgotten when it passed */
}
END_TEST

START_TEST(an_event_that_fails_so_often_is_condemned_with_its_first_failure)
{
        worker.retry_attempts = 3;
        world.bad_outcome[10] = WEIR_RETRY;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 1);
        ck_assert_str_eq(batch.items[10].klass, "attempts");
        ck_assert_str_eq(batch.items[10].text, "record 10");
        ck_assert_int_eq(batch.items[10].attempts, 3);
        ck_assert_int_eq(batch.items[10].first_failed_us, 1234);
        ck_assert_int_eq(world.calls[10], 3);
        ck_assert_int_eq(world.saves, 2); /* after the last there is nothing to wait for */
}
END_TEST

START_TEST(attempts_of_before_go_on_counting_and_the_rest_of_the_wait_is_kept)
{
        int64_t began_us = weir_clock_us();

        worker.retry_attempts = 4;
        worker.retry_first_delay_ms = worker.retry_max_delay_ms = 1;
        world.bad_outcome[20] = WEIR_RETRY;
        world.attempts[0] = (struct weir_attempt){
                .offset = 120, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        }; /* another process left it */
        world.attempt_count = 1;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.ranges[0][1], 20); /* what is before it does not wait */
        ck_assert_int_eq(world.calls[20], 2);      /* the third asks again, the fourth is good */
        ck_assert_int_ge(world.called_us[20][0] - began_us, 60000);
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(batch.items[20].event.attempt, 4);
}
END_TEST

START_TEST(SS1_a_suspect_is_run_alone_and_is_good)
{
        world.attempts[0] = (struct weir_attempt){ .offset = 120,
                                                   .deaths = 1,
                                                   .death = "SIGSEGV\nx" };
        world.attempt_count = 1;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.ranges[0][1], 20);
        ck_assert_uint_eq(world.ranges[1][1], 1);
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(SS2_an_event_that_was_deadly_often_enough_is_not_called_again)
{
        world.attempts[0] = (struct weir_attempt){ .offset = 120,
                                                   .deaths = 3,
                                                   .death = "SIGSEGV\nx" };
        world.attempts[1] = (struct weir_attempt){
                .offset = 121, .item = -1, .deaths = 2, .death = "stuck"
        };
        world.attempt_count = 2;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        ck_assert_uint_eq(world.ranges[0][1], 20);
        ck_assert_uint_eq(world.ranges[1][1], 1); /* its letter is not lost with its neighbour */
        ck_assert_uint_eq(world.ranges[2][1], 1);
        ck_assert_int_eq(dead_count(), 1);
        ck_assert_str_eq(batch.items[20].klass, "crash");
        ck_assert_str_eq(batch.items[20].reason, "SIGSEGV");
        ck_assert_str_eq(batch.items[20].text, "SIGSEGV\nx");
        ck_assert_int_eq(batch.items[20].attempts, 3);
}
END_TEST

START_TEST(attempts_of_an_event_that_its_record_does_not_hold_are_nobodys)
{
        world.attempts[0] = (struct weir_attempt){
                .offset = 120, .item = 1, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        };
        world.attempts[1] = (struct weir_attempt){
                .offset = 130, .item = -1, .attempts = 2, .first_failed_us = 99, .wait_ms = 60
        };
        world.attempt_count = 2;
        start_again();
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        for (uint32_t i = 0; i < batch.item_count; i++)
                ck_assert_int_eq(batch.items[i].attempts, 0);
        ck_assert_int_eq(world.transactions, 1);
}
END_TEST

START_TEST(J1_an_attempt_that_cannot_be_written_is_not_waited_for_but_written_later)
{
        world.bad_outcome[10] = WEIR_RETRY;
        world.save_fails = 2;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(world.saves, 5);
        ck_assert_int_eq(world.calls[10], 4);
}
END_TEST

START_TEST(J1_a_lane_that_lost_its_epoch_counts_nothing)
{
        world.bad_outcome[10] = WEIR_RETRY;
        world.save_fenced = 1;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_FENCED);
        ck_assert_int_eq(world.calls[10], 1);
}
END_TEST

START_TEST(infrastructure_failures_between_attempts_use_up_none)
{
        worker.retry_attempts = 4;
        world.bad_outcome[0] = WEIR_RETRY;
        world.infra_after = 2;
        world.infra_left = 5;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
}
END_TEST

START_TEST(what_stands_aside_goes_on_while_the_partition_waits)
{
        worker.retry_first_delay_ms = worker.retry_max_delay_ms = 300;
        worker.retry_jitter_percent = 0;
        world.bad_outcome[0] = WEIR_RETRY;
        world.aside_halts = 4;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_HALTED);
        ck_assert_str_eq(runner.halt.text, "from aside");
        ck_assert_int_eq(world.calls[0], 2);
}
END_TEST

/* ---- park ---------------------------------------------------------------------------------- */

START_TEST(a_parked_event_lets_the_partition_flow_and_holds_its_key)
{
        worker.retry_order = WEIR_RETRY_PARK;
        start_again();
        world.bad_outcome[10] = WEIR_RETRY;
        give_key(9, "k"); /* before it: not held */
        give_key(10, "k");
        give_key(11, "other");
        give_key(40, "k");
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_int_eq(dead_count(), 0);
        ck_assert_int_eq(world.saves, 0);
        ck_assert_int_eq(world.transactions, 2);
        ck_assert_uint_eq(world.parked_count, 2);
        ck_assert_int_eq(world.parked[0], 110);
        ck_assert_int_eq(world.parked_attempts[0], 1);
        ck_assert_int_eq(world.parked[1], 140);
        ck_assert_int_eq(world.parked_attempts[1], 0);
        ck_assert_uint_eq(runner.park.count, 2);
        ck_assert(runner.park.entries[0].head && !runner.park.entries[1].head);
}
END_TEST

START_TEST(a_record_without_a_key_is_parked_alone)
{
        worker.retry_order = WEIR_RETRY_PARK;
        start_again();
        world.bad_outcome[10] = world.bad_outcome[12] = WEIR_RETRY;
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 2);
        ck_assert(runner.park.entries[0].head && runner.park.entries[1].head);
}
END_TEST

START_TEST(V4_at_the_bound_of_keys_the_event_blocks)
{
        worker.retry_order = WEIR_RETRY_PARK;
        worker.retry_park_max_keys = 1;
        start_again();
        world.bad_outcome[10] = world.bad_outcome[12] = WEIR_RETRY;
        give_key(10, "k");
        give_key(12, "l");
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 1);
        ck_assert_int_eq(world.saves, 3); /* as "block" does */
        ck_assert_int_eq(batch.items[12].attempts, 3);
}
END_TEST

START_TEST(V4_at_the_bound_of_events_the_key_waits_in_the_log_until_there_is_room)
{
        worker.retry_order = WEIR_RETRY_PARK;
        worker.retry_park_max_events = 2;
        start_again();
        world.bad_outcome[10] = WEIR_RETRY;
        for (size_t i = 10; i < 14; i++)
                give_key(i, "k");
        world.aside_frees = 3; /* what was parked is done by then */
        ck_assert_int_eq(weir_runner_run(&runner, &batch, &position), WEIR_RUN_DONE);
        assert_all_passed_in_order();
        ck_assert_uint_eq(world.parked_count, 2); /* 10 and 11; 12 and 13 were handled in the end */
        ck_assert_int_ge(world.asides, 3);
        ck_assert(!batch.items[12].parked && !batch.items[13].parked);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("run_retry");
        TCase *tcase = tcase_create("run");
        SRunner *runner_ = srunner_create(suite);
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_retry_is_tried_again_in_its_place);
        tcase_add_test(tcase, an_event_that_fails_so_often_is_condemned_with_its_first_failure);
        tcase_add_test(tcase, attempts_of_before_go_on_counting_and_the_rest_of_the_wait_is_kept);
        tcase_add_test(tcase, attempts_of_an_event_that_its_record_does_not_hold_are_nobodys);
        tcase_add_test(tcase,
                       J1_an_attempt_that_cannot_be_written_is_not_waited_for_but_written_later);
        tcase_add_test(tcase, J1_a_lane_that_lost_its_epoch_counts_nothing);
        tcase_add_test(tcase, infrastructure_failures_between_attempts_use_up_none);
        tcase_add_test(tcase, what_stands_aside_goes_on_while_the_partition_waits);
        tcase_add_test(tcase, a_parked_event_lets_the_partition_flow_and_holds_its_key);
        tcase_add_test(tcase, a_record_without_a_key_is_parked_alone);
        tcase_add_test(tcase, V4_at_the_bound_of_keys_the_event_blocks);
        tcase_add_test(tcase,
                       V4_at_the_bound_of_events_the_key_waits_in_the_log_until_there_is_room);
        tcase_add_test(tcase, SS1_a_suspect_is_run_alone_and_is_good);
        tcase_add_test(tcase, SS2_an_event_that_was_deadly_often_enough_is_not_called_again);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner_, CK_NORMAL);
        failed = srunner_ntests_failed(runner_);
        srunner_free(runner_);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
