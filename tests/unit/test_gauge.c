/* SPDX-License-Identifier: MIT */
/* Tests of lib/kafka/gauge.c: what the client's statistics say of queues, and for whom that means turns. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/consumer_internal.h"

#define LIGHT 1000
#define FETCH 10000

static struct weir_sight *sights[2]; /* of orders, and of orders-eu */
static struct weir_partition *partitions[3];
static struct weir_consumer consumer;

static struct weir_partition *make(const char *topic, int32_t number, struct weir_sight *sight)
{
        struct weir_partition *partition = calloc(1, sizeof *partition);

        ck_assert_ptr_nonnull(partition);
        partition->topic = strdup(topic);
        ck_assert_ptr_nonnull(partition->topic);
        partition->number = number;
        partition->sight = sight;
        partition->consumer = &consumer;
        return partition;
}

static void setup(void)
{
        consumer = (struct weir_consumer){ .fetch_bytes = FETCH, .light_bytes = LIGHT };
        atomic_store(&consumer.requests, true); /* nobody is to be woken: there is no client */
        for (int i = 0; i < 2; i++) {
                sights[i] = calloc(1, sizeof *sights[i]);
                ck_assert_ptr_nonnull(sights[i]);
        }
        partitions[0] = make("orders", 0, sights[0]);
        partitions[1] = make("orders-eu", 1, sights[1]); /* where orders/1 is looked for first */
        partitions[2] = make("orders", 1, sights[0]);
        consumer.partitions = partitions;
        consumer.partition_count = 3;
}

static void teardown(void)
{
        for (int i = 0; i < 3; i++) {
                free(partitions[i]->topic);
                free(partitions[i]);
        }
        for (int i = 0; i < 2; i++)
                free(sights[i]);
}

#define PLACE(number, count, bytes)                                                                \
        "\"" #number "\":{\"partition\":" #number                                                  \
        ",\"broker\":1,\"msgq_cnt\":0,\"fetchq_cnt\":" #count ",\"fetchq_size\":" #bytes           \
        ",\"fetch_state\":\"active\"}"

/* As the library writes it; the brokers' part has topics, too. */
#define TEXT(orders, others)                                                                       \
        "{\"name\":\"w\",\"brokers\":{\"b:1/1\":{\"nodeid\":1,\"toppars\":{\"orders-0\":{"         \
        "\"topic\":\"orders\",\"partition\":0}}}},\"topics\":{\"orders\":{\"topic\":\"orders\","   \
        "\"age\":1,\"batchsize\":{\"min\":0},\"partitions\":{" orders "}},\"orders-eu\":{"         \
        "\"topic\":\"orders-eu\",\"age\":1,\"partitions\":{" others                                \
        "}}},\"cgrp\":{\"state\":\"up\"}}"

static uint64_t seen(int topic)
{
        return atomic_load(&sights[topic]->largest);
}

START_TEST(each_partition_gets_what_its_queue_holds)
{
        partitions[2]->gauged_bytes = 77;
        weir_gauge_read(&consumer, TEXT(PLACE(0, 2, 300) "," PLACE(1, 0, 0) "," PLACE(7, 1, 9),
                                        PLACE(1, 1, 50) "," PLACE(-1, 0, 0)));
        ck_assert_uint_eq(partitions[0]->gauged_bytes, 300 + 2 * WEIR_MESSAGE_BYTES);
        ck_assert_uint_eq(partitions[1]->gauged_bytes, 50 + WEIR_MESSAGE_BYTES);
        ck_assert_uint_eq(partitions[2]->gauged_bytes, 0); /* it was read meanwhile */
        ck_assert_uint_eq(seen(0), 0);
        ck_assert_uint_eq(seen(1), 0);
}
END_TEST

START_TEST(GA1_a_record_above_a_share_makes_its_topic_large_and_no_other)
{
        weir_gauge_read(&consumer, TEXT(PLACE(0, 1, 10) "," PLACE(1, 1, 5000), PLACE(1, 1, 50)));
        ck_assert_uint_gt(seen(0), LIGHT);
        ck_assert_uint_eq(seen(1), 0);
}
END_TEST

START_TEST(GA1_small_ones_do_when_they_are_several_shares)
{
        weir_gauge_read(&consumer, TEXT(PLACE(0, 8, 100), PLACE(1, 20, 100)));
        ck_assert_uint_eq(seen(0), 0);     /* 2,700 bytes */
        ck_assert_uint_gt(seen(1), LIGHT); /* 6,600 */
}
END_TEST

/* None is several shares, and all together are more than the bound. */
START_TEST(GA2_all_together_count_when_they_are_above_the_bound)
{
        weir_gauge_read(&consumer, TEXT(PLACE(0, 4, 2000) "," PLACE(1, 4, 2000), PLACE(1, 1, 50)));
        ck_assert_uint_eq(seen(0), 0); /* 6,975 of 10,000 */
        weir_gauge_read(&consumer,
                        TEXT(PLACE(0, 4, 2600) "," PLACE(1, 4, 2600), PLACE(1, 4, 2600)));
        ck_assert_uint_gt(seen(0), LIGHT);
        ck_assert_uint_gt(seen(1), LIGHT);
}
END_TEST

START_TEST(a_text_that_is_not_as_expected_changes_nothing)
{
        static const char *const texts[] = {
                "",
                "{}",
                "{\"topics\":{",
                "{\"topics\":{\"orders\":{\"topic\":\"orders",
                "{\"topics\":{\"orders\":{\"topic\":\"orders\",\"partitions\":{\"0\":{\"partition\":0,"
                "\"fetchq_cnt\":1",
                "{\"topics\":{\"orders\":{\"topic\":\"orders\",\"partitions\":{\"0\":{\"partition\":x,"
                "\"fetchq_cnt\":1,\"fetchq_size\":9999999",
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(texts); i++) {
                weir_gauge_read(&consumer, texts[i]);
                ck_assert_msg(seen(0) == 0 && seen(1) == 0, "%s", texts[i]);
        }
        ck_assert_uint_eq(partitions[0]->gauged_bytes, 0);
}
END_TEST

START_TEST(without_a_bound_nothing_is_asked_and_many_partitions_are_asked_less_often)
{
        ck_assert_uint_eq(weir_gauge_interval_ms(0, 64), 0);
        ck_assert_uint_eq(weir_gauge_interval_ms(FETCH, 1), 100);
        ck_assert_uint_eq(weir_gauge_interval_ms(FETCH, 100), 100);
        ck_assert_uint_eq(weir_gauge_interval_ms(FETCH, 1000), 1000);
        consumer.fetch_bytes = 0;
        weir_gauge_read(&consumer, TEXT(PLACE(0, 1, 5000), PLACE(1, 1, 5000)));
        ck_assert_uint_eq(seen(0), 0);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("gauge");
        TCase *tcase = tcase_create("gauge");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, each_partition_gets_what_its_queue_holds);
        tcase_add_test(tcase, GA1_a_record_above_a_share_makes_its_topic_large_and_no_other);
        tcase_add_test(tcase, GA1_small_ones_do_when_they_are_several_shares);
        tcase_add_test(tcase, GA2_all_together_count_when_they_are_above_the_bound);
        tcase_add_test(tcase, a_text_that_is_not_as_expected_changes_nothing);
        tcase_add_test(tcase,
                       without_a_bound_nothing_is_asked_and_many_partitions_are_asked_less_often);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
