/* SPDX-License-Identifier: MIT */
/* kafka/cluster: a question to a coordinator that starts or moves is asked again, within its time */
#include <check.h>
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/cluster.h"
#include "kafka/devbroker.h"

/* Kafka's numbers of errors. */
enum {
        LOAD_IN_PROGRESS = 14,
        NOT_COORDINATOR = 16,
        UNKNOWN_MEMBER_ID = 25,
        GROUP_AUTHORIZATION_FAILED = 30
};

static struct weir_devbroker *broker;

static void setup(void)
{
        static const char *const topics[] = { "t" };
        struct weir_error error = { 0 };

        ck_assert_msg(weir_devbroker_start(topics, 1, 1, &broker, &error) == 0, "%s", error.text);
}

static void teardown(void)
{
        weir_devbroker_stop(broker);
}

/* A client whose wait is begun as the answer has come: it sleeps through it. */
static bool sleeps;

char *rd_kafka_clusterid(rd_kafka_t *rk, int timeout_ms)
{
        static __typeof__(&rd_kafka_clusterid) real;

        if (!real)
                *(void **)&real = dlsym(RTLD_NEXT, "rd_kafka_clusterid");
        if (sleeps && timeout_ms > 0) {
                usleep((useconds_t)timeout_ms * 1000);
                return NULL;
        }
        return real(rk, timeout_ms);
}

START_TEST(an_answer_that_the_client_sleeps_through_is_seen)
{
        struct weir_error error = { 0 };
        struct weir_cluster_conf conf = { .brokers = weir_devbroker_address(broker),
                                          .timeout_ms = 10000 };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;

        sleeps = true;
        ck_assert_msg(weir_cluster_open(&conf, &cluster, &error) == 0, "%s", error.text);
        ck_assert_msg(weir_cluster_partitions(cluster, "t", &error) == 1, "%s", error.text);
        sleeps = false;
}
END_TEST

static int ask(int timeout_ms, int64_t *ret_offset, struct weir_error *reterr)
{
        struct weir_cluster_conf conf = { .brokers = weir_devbroker_address(broker),
                                          .timeout_ms = timeout_ms };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;

        ck_assert_msg(weir_cluster_open(&conf, &cluster, reterr) == 0, "%s", reterr->text);
        return weir_cluster_committed(cluster, "g", "t", 0, ret_offset, reterr);
}

START_TEST(a_coordinator_that_loads_is_asked_again)
{
        struct weir_error error = { 0 };
        int64_t offset = -2;

        weir_devbroker_fail(broker, WEIR_API_OFFSET_FETCH, LOAD_IN_PROGRESS, 3);
        weir_devbroker_fail(broker, WEIR_API_OFFSET_FETCH, NOT_COORDINATOR, 2);
        ck_assert_msg(ask(20000, &offset, &error) == 0, "%s", error.text);
        ck_assert_int_eq(offset, -1);
}
END_TEST

START_TEST(a_coordinator_that_never_loads_is_named_in_time)
{
        struct weir_error error = { 0 };
        int64_t began_ms = weir_clock_ms(), offset = -2;

        weir_devbroker_fail(broker, WEIR_API_OFFSET_FETCH, LOAD_IN_PROGRESS, 1000);
        ck_assert_int_eq(ask(1500, &offset, &error), WEIR_EKAFKA);
        ck_assert_int_eq(error.sys, LOAD_IN_PROGRESS);
        ck_assert_ptr_nonnull(strstr(error.text, "group g"));
        ck_assert_int_ge(weir_clock_ms() - began_ms, 500); /* it did ask again */
        ck_assert_int_lt(weir_clock_ms() - began_ms, 15000);
        ck_assert_int_eq(offset, -2);
}
END_TEST

START_TEST(a_refusal_is_final)
{
        struct weir_error error = { 0 };
        int64_t offset = -2;

        weir_devbroker_fail(broker, WEIR_API_OFFSET_FETCH, GROUP_AUTHORIZATION_FAILED, 1);
        ck_assert_int_eq(ask(20000, &offset, &error), WEIR_EKAFKA);
        ck_assert_int_eq(error.sys, GROUP_AUTHORIZATION_FAILED);
}
END_TEST

static struct weir_cluster *open_cluster(struct weir_error *reterr)
{
        struct weir_cluster_conf conf = { .brokers = weir_devbroker_address(broker),
                                          .timeout_ms = 20000 };
        struct weir_cluster *cluster = NULL;

        ck_assert_msg(weir_cluster_open(&conf, &cluster, reterr) == 0, "%s", reterr->text);
        return cluster;
}

START_TEST(what_is_written_for_a_group_is_what_it_has)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        struct weir_cluster_offset offsets[] = { { "t", 0, 7 } }, seen[] = { { "t", 0, -2 } };
        struct weir_cluster_group members = { .count = 9 };
        struct weir_error error = { 0 };

        cluster = open_cluster(&error);
        ck_assert_msg(weir_cluster_commit(cluster, "w", offsets, 1, "moving out", &error) == 0,
                      "%s", error.text);
        ck_assert_msg(weir_cluster_committed_all(cluster, "w", seen, 1, &error) == 0, "%s",
                      error.text);
        ck_assert_int_eq(seen[0].offset, 7);
        ck_assert_msg(weir_cluster_group(cluster, "w", &members, &error) == 0, "%s", error.text);
        ck_assert_uint_eq(members.count, 0);
        ck_assert_msg(weir_cluster_offsets(cluster, seen, 1, WEIR_OFFSETS_START, &error) == 0, "%s",
                      error.text);
        ck_assert_int_eq(seen[0].offset, 0);
}
END_TEST

START_TEST(Q5_a_group_that_lives_is_named_and_nothing_is_written)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        struct weir_cluster_offset offsets[] = { { "t", 0, 7 } };
        struct weir_error error = { 0 };
        int64_t offset = -2;

        cluster = open_cluster(&error);
        weir_devbroker_fail(broker, WEIR_API_OFFSET_COMMIT, UNKNOWN_MEMBER_ID, 1);
        ck_assert_int_eq(weir_cluster_commit(cluster, "l", offsets, 1, NULL, &error), WEIR_EKAFKA);
        ck_assert_ptr_nonnull(strstr(error.text, "t/0: group l has live members"));
        ck_assert_msg(weir_cluster_committed(cluster, "l", "t", 0, &offset, &error) == 0, "%s",
                      error.text);
        ck_assert_int_eq(offset, -1);
}
END_TEST

static int ask_keeps(const char *brokers, struct weir_error *reterr)
{
        struct weir_cluster_conf conf = { .brokers = brokers, .timeout_ms = 1000 };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        int64_t ms = -7;
        int r;

        ck_assert_msg(weir_cluster_open(&conf, &cluster, reterr) == 0, "%s", reterr->text);
        r = weir_cluster_topic_keeps(cluster, "t", &ms, reterr);
        ck_assert_int_eq(ms, -7);
        return r;
}

/* The development broker knows no such question: it will never say, which is not the same as no answer. */
START_TEST(a_broker_that_will_not_say_is_no_broker_that_is_away)
{
        struct weir_error error = { 0 };

        ck_assert_int_eq(ask_keeps(weir_devbroker_address(broker), &error), 2);
        ck_assert_ptr_nonnull(strstr(error.text, "settings of topic t"));
        ck_assert_int_eq(ask_keeps("127.0.0.1:1", &error), WEIR_EKAFKA);
        ck_assert_ptr_nonnull(strstr(error.text, "topic t at 127.0.0.1:1"));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("cluster");
        TCase *tcase = tcase_create("cluster");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_coordinator_that_loads_is_asked_again);
        tcase_add_test(tcase, a_coordinator_that_never_loads_is_named_in_time);
        tcase_add_test(tcase, a_refusal_is_final);
        tcase_add_test(tcase, an_answer_that_the_client_sleeps_through_is_seen);
        tcase_add_test(tcase, what_is_written_for_a_group_is_what_it_has);
        tcase_add_test(tcase, Q5_a_group_that_lives_is_named_and_nothing_is_written);
        tcase_add_test(tcase, a_broker_that_will_not_say_is_no_broker_that_is_away);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
