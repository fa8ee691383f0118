/* SPDX-License-Identifier: MIT */
/* test_placed - a consumer whose partitions were given to it: it joins no group and tells Kafka nothing */
#include "consumer_fixture.h"

static void place(struct rig *rig, const struct weir_consumer_place *places, size_t count)
{
        struct weir_consumer_conf conf = {
                .brokers = weir_devbroker_address(broker),
                .group = "g",
                .client_id = "test",
                .properties = quick,
                .property_count = WEIR_COUNT_OF(quick),
                .places = places,
                .place_count = count,
                .queue_bytes = 1 << 20,
                .fetch_bytes = 8 << 20,
                .drain_ms = 2000,
                .events = &events,
                .context = rig,
        };
        struct weir_error error = { 0 };

        *rig = (struct rig){ 0 };
        pthread_mutex_init(&rig->mutex, NULL);
        weir_cond_init(&rig->cond);
        ck_assert_msg(weir_consumer_new(&conf, &rig->consumer, &error) == 0, "%s", error.text);
        ck_assert_int_eq(weir_thread_start(&rig->poll, WEIR_ROLE_POLL, "poll", run_poll, rig), 0);
}

START_TEST(RP4_it_reads_what_it_was_given_and_commits_nothing)
{
        static const struct weir_consumer_place places[] = { { "t", 2 }, { "t", 0 } };
        struct weir_consumer_state state;
        struct weir_partition *partition;
        struct rig rig;

        produce(20);
        place(&rig, places, 2);
        await_count(&rig, &rig.assigned_calls, 2);
        weir_consumer_state(rig.consumer, &state);
        ck_assert_uint_eq(state.assigned_count, 2);
        partition = find(&rig, 2);
        weir_partition_fetch(partition, 5);
        weir_partition_fetch(find(&rig, 0), 0);
        ck_assert_int_eq(next_offset(find(&rig, 0)), 0);
        for (int64_t offset = 5; offset < 20; offset++)
                ck_assert_int_eq(next_offset(partition), offset);
        weir_partition_store(partition, 20);
        weir_partition_fetch(partition, 3); /* once more, in the middle of it */
        ck_assert_int_eq(next_offset(partition), 3);
        weir_partition_store(partition, 20);
        rig_end(&rig);
        ck_assert_uint_eq(rig.revoked_partitions, 2);
        ck_assert_uint_eq(rig.lost_calls, 0);
        ck_assert_int_eq(committed("g", 2), -1);
}
END_TEST

START_TEST(members_of_the_group_do_not_notice_it)
{
        static const struct weir_consumer_place places[] = { { "t", 1 } };
        struct weir_consumer_state state;
        struct rig member, placed;

        produce(3);
        rig_start(&member, "g");
        await_count(&member, &member.assigned_calls, PARTITIONS);
        place(&placed, places, 1);
        await_count(&placed, &placed.assigned_calls, 1);
        weir_partition_fetch(find(&placed, 1), 0);
        ck_assert_int_eq(next_offset(find(&placed, 1)), 0);
        rig_end(&placed);
        weir_consumer_state(member.consumer, &state);
        ck_assert_uint_eq(state.rebalances, 1);
        ck_assert_uint_eq(member.revoked_calls, 0);
        rig_end(&member);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("placed");
        TCase *tcase = tcase_create("placed");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 90);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, RP4_it_reads_what_it_was_given_and_commits_nothing);
        tcase_add_test(tcase, members_of_the_group_do_not_notice_it);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
