/* SPDX-License-Identifier: MIT */
/* consumer: how a member joins, loses its partitions and closes (lib/kafka/consumer.c and rebalance.c) */
#include "consumer_fixture.h"
#include "kafka/consumer_internal.h"

/* Wait until the rig holds @count partitions, others having been revoked. */
static void await_share(struct rig *rig, unsigned count)
{
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;

        pthread_mutex_lock(&rig->mutex);
        while (rig->assigned_calls - rig->revoked_partitions != count)
                ck_assert(weir_cond_wait_until(&rig->cond, &rig->mutex, deadline_us));
        pthread_mutex_unlock(&rig->mutex);
}

START_TEST(R2_a_revocation_calls_back_once_and_what_comes_late_is_harmless)
{
        struct weir_error error = { 0 };
        struct weir_record record;
        struct rig first, second;
        struct weir_partition *p;

        produce(50);
        rig_start(&first, "g-revoke");
        await_count(&first, &first.assigned_calls, PARTITIONS);
        p = find(&first, 2);
        weir_partition_fetch(p, 0);
        ck_assert_int_eq(next_offset(p), 0);
        rig_start(&second, "g-revoke");
        await_count(&first, &first.revoked_partitions, PARTITIONS);
        ck_assert(weir_partition_revoked(p));
        await_share(&first, PARTITIONS / 2); /* in one rebalance or, when slow, in two */
        ck_assert_uint_eq(first.lost_calls, 0);
        weir_partition_store(p, 40);
        ck_assert_int_eq(weir_partition_read(p, 60000, &record, &error), 0);
        await_count(&second, &second.assigned_calls, PARTITIONS / 2);
        p = second.held[0];
        weir_partition_fetch(p, 7);
        ck_assert_int_eq(next_offset(p), 7);
        rig_end(&second);
        rig_end(&first);
        ck_assert_int_eq(committed("g-revoke", 2), -1);
}
END_TEST

START_TEST(C6_a_fatal_error_ends_the_client_at_once)
{
        struct weir_consumer_state state;
        struct rig rig;
        int64_t began_us;

        rig_start(&rig, "g-fatal");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        weir_partition_fetch(find(&rig, 0), 0);
        weir_devbroker_fail(broker, WEIR_API_HEARTBEAT, 82, 1); /* FENCED_INSTANCE_ID */
        pthread_join(rig.poll, NULL);
        ck_assert_int_eq(rig.served, WEIR_EFATAL);
        ck_assert_ptr_nonnull(strstr(rig.error.text, "FENCED_INSTANCE_ID"));
        ck_assert_int_eq(weir_consumer_serve(rig.consumer, 0, &rig.error), WEIR_EFATAL);
        weir_consumer_state(rig.consumer, &state);
        ck_assert(!state.joined);
        ck_assert_str_ne(state.error, "");
        began_us = weir_clock_us();
        ck_assert_int_eq(weir_consumer_close(rig.consumer, began_us + 5000000), 0);
        ck_assert_int_lt(weir_clock_us() - began_us, 2000000);
        ck_assert_uint_eq(rig.revoked_partitions, PARTITIONS);
        ck_assert_uint_eq(rig.lost_calls, 1);
        rig_free(&rig);
}
END_TEST

START_TEST(M2_close_keeps_its_deadline_with_the_broker_dead)
{
        struct rig rig;
        int64_t began_us, took_us;
        struct weir_partition *p;
        int r;

        produce(10);
        rig_start(&rig, "g-dead");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 0);
        weir_partition_fetch(p, 0);
        ck_assert_int_eq(next_offset(p), 0);
        weir_devbroker_set_down(broker, true);
        weir_partition_store(p, 1); /* stored and not committed: librdkafka waits for it */
        rig_stop_polling(&rig);
        began_us = weir_clock_us();
        r = weir_consumer_close(rig.consumer, began_us + 1000000);
        took_us = weir_clock_us() - began_us;
        ck_assert_int_lt(took_us, 1500000);
        ck_assert(r == 0 || r == 1);
        ck_assert_uint_eq(rig.revoked_partitions, PARTITIONS);
        if (r == 0)
                rig_free(&rig);
        else
                _exit(0); /* as the owner does */
}
END_TEST

START_TEST(M1_close_does_not_hang_on_a_record_in_hand)
{
        struct weir_error error = { 0 };
        struct weir_record record;
        struct rig rig;
        struct weir_partition *p;
        int64_t began_us;

        produce(10);
        rig_start(&rig, "g-held");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 0);
        weir_partition_fetch(p, 0);
        while (weir_partition_read(p, 1000, &record, &error) != 1)
                ;
        rig_stop_polling(&rig);
        began_us = weir_clock_us();
        ck_assert_int_eq(weir_consumer_close(rig.consumer, began_us + 300000), 1);
        ck_assert_int_lt(weir_clock_us() - began_us, 1000000);
        weir_record_release(&record);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 5000000), 0);
        ck_assert_uint_eq(rig.revoked_calls, 1);
        rig_free(&rig);
}
END_TEST

START_TEST(a_member_that_never_polled_closes)
{
        struct rig rig;

        rig_new(&rig, "g-never");
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 10000000), 0);
        rig_free(&rig);
}
END_TEST

START_TEST(a_member_without_a_broker_says_so_and_closes)
{
        struct weir_consumer_state state = { 0 };
        struct rig rig;

        weir_devbroker_set_down(broker, true);
        rig_start(&rig, "g-none");
        WAIT_UNTIL((weir_consumer_state(rig.consumer, &state), state.error[0]));
        ck_assert(!state.joined);
        rig_stop_polling(&rig);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 3000000), 0);
        rig_free(&rig);
}
END_TEST

/* A broker lost the join of a member (4.1.0 does, see consumer.c): the member asks again, and not after five minutes. */
START_TEST(a_join_that_nobody_answers_is_asked_again)
{
        struct weir_consumer_state state = { 0 };
        struct rig rig;

        weir_devbroker_forget(broker, WEIR_API_JOIN_GROUP, 3600000);
        rig_rejoin_ms = "3500"; /* a session: the library takes no less */
        rig_start(&rig, "g-forgotten");
        rig_rejoin_ms = NULL;
        WAIT_UNTIL((weir_consumer_state(rig.consumer, &state), state.joined));
        rig_stop_polling(&rig);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 5000000), 0);
        rig_free(&rig);
}
END_TEST

static int64_t rejoin_ms_of(int64_t drain_ms, const char *session_ms)
{
        static const char *const topics[] = { "t" };
        const struct weir_conf_property property = { .name = "session.timeout.ms",
                                                     .value = session_ms };
        struct weir_consumer_conf conf = { .brokers = weir_devbroker_address(broker),
                                           .group = "g",
                                           .properties = &property,
                                           .property_count = session_ms != NULL,
                                           .topics = topics,
                                           .topic_count = 1,
                                           .drain_ms = drain_ms,
                                           .events = &events };
        struct weir_consumer *consumer = NULL;
        struct weir_error error = { 0 };
        char value[32] = "";
        size_t size = sizeof value;

        ck_assert_msg(weir_consumer_new(&conf, &consumer, &error) == 0, "%s", error.text);
        rd_kafka_conf_get(rd_kafka_conf(consumer->rk), "max.poll.interval.ms", value, &size);
        weir_consumer_close(consumer, weir_clock_us() + 5000000);
        weir_consumer_free(consumer);
        return strtoll(value, NULL, 10);
}

START_TEST(a_join_is_waited_for_as_long_as_a_drain_takes_and_no_five_minutes)
{
        ck_assert_int_eq(rejoin_ms_of(3000, NULL), 33000);
        ck_assert_int_eq(rejoin_ms_of(120000, NULL), 150000);
        ck_assert_int_eq(rejoin_ms_of(3000, "60000"), 60000);
        ck_assert_int_eq(rejoin_ms_of(3000, "6000"), 33000);
}
END_TEST

static int new_with(const struct weir_conf_property *property, struct weir_error *error)
{
        static const char *const topics[] = { "t" };
        struct weir_consumer_conf conf = { .brokers = weir_devbroker_address(broker),
                                           .group = "g",
                                           .properties = property,
                                           .property_count = 1,
                                           .topics = topics,
                                           .topic_count = 1,
                                           .events = &events };
        struct weir_consumer *consumer = NULL;
        int r = weir_consumer_new(&conf, &consumer, error);

        if (r == 0) {
                weir_consumer_close(consumer, weir_clock_us() + 5000000);
                weir_consumer_free(consumer);
        }
        return r;
}

START_TEST(a_bad_property_is_named_and_a_secret_is_not_shown)
{
        struct weir_error error = { 0 };

        ck_assert_int_eq(new_with(&(struct weir_conf_property){ .name = "no.such", .value = "1" },
                                  &error),
                         WEIR_ECONF);
        ck_assert_ptr_nonnull(strstr(error.text, "no.such"));
        ck_assert_int_eq(new_with(&(struct weir_conf_property){ .name = "session.timeout.ms",
                                                                .value = "soon" },
                                  &error),
                         WEIR_ECONF);
        ck_assert_ptr_nonnull(strstr(error.text, "session.timeout.ms"));
        ck_assert_int_eq(new_with(&(struct weir_conf_property){ .name = "security.protocol",
                                                                .value = "hunter2",
                                                                .secret = true },
                                  &error),
                         WEIR_ECONF);
        ck_assert_ptr_null(strstr(error.text, "hunter2"));
        /* What weir depends on is not overridden by what slipped through. */
        ck_assert_int_eq(new_with(&(struct weir_conf_property){ .name = "enable.auto.offset.store",
                                                                .value = "true" },
                                  &error),
                         0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("consumer");
        TCase *tcase = tcase_create("consumer");
        SRunner *runner;
        int failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_bad_property_is_named_and_a_secret_is_not_shown);
        tcase_add_test(tcase, a_join_is_waited_for_as_long_as_a_drain_takes_and_no_five_minutes);
        tcase_add_test(tcase, a_join_that_nobody_answers_is_asked_again);
        tcase_add_test(tcase, a_member_that_never_polled_closes);
        tcase_add_test(tcase, a_member_without_a_broker_says_so_and_closes);
        tcase_add_test(tcase, R2_a_revocation_calls_back_once_and_what_comes_late_is_harmless);
        tcase_add_test(tcase, C6_a_fatal_error_ends_the_client_at_once);
        tcase_add_test(tcase, M1_close_does_not_hang_on_a_record_in_hand);
        tcase_add_test(tcase, M2_close_keeps_its_deadline_with_the_broker_dead);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
