/* SPDX-License-Identifier: MIT */
/* flow/plan: words to offsets, and what is refused. Times need Apache Kafka: t7201. */
#include "event/key.h"
#include "flow/plan.h"
#include "kafka/devbroker.h"
#include "kafka/producer.h"
#include "store/position.h"
#include "store_fixture.h"

static struct weir_error error;

#define SAYS(part) ck_assert_msg(strstr(error.text, part) != NULL, "%s", error.text)

/* ---- pure ----------------------------------------------------------------------------------- */

static struct weir_plan_range log_of(int64_t start, int64_t end)
{
        return (struct weir_plan_range){
                .topic = "t", .partition = 3, .start_offset = start, .end_offset = end
        };
}

START_TEST(PL1_both_ends_lie_in_the_log_and_in_order)
{
        for (int64_t from = 0; from < 60; from++)
                for (int64_t until = 0; until < 60; until++)
                        for (int skip = 0; skip < 2; skip++) {
                                struct weir_plan_range range = log_of(10, 50);
                                int r = weir_plan_cut(&range, from, until, skip, &error);
                                bool refused = until > 50 || from > until ||
                                               (!skip && from < 10 && from < until);

                                ck_assert_msg((r < 0) == refused, "%lld to %lld: %d %s",
                                              (long long)from, (long long)until, r, error.text);
                                if (r < 0)
                                        continue;
                                ck_assert_int_ge(range.from_offset, 10);
                                ck_assert_int_le(range.from_offset, range.until_offset);
                                ck_assert_int_le(range.until_offset, 50);
                                /* what was asked for is replayed or missing */
                                ck_assert_int_eq(range.until_offset - range.from_offset +
                                                         range.missing,
                                                 until - from);
                        }
}
END_TEST

START_TEST(PL2_what_retention_took_is_named_with_both_offsets)
{
        struct weir_plan_range range = log_of(100, 200);

        ck_assert_int_eq(weir_plan_cut(&range, 40, 150, false, &error), WEIR_ELOG);
        SAYS("t/3: the range begins at 40 and the log at 100: offsets 40 to 99 were deleted");
        SAYS("--if-missing skip");
        ck_assert_int_eq(weir_plan_cut(&range, 40, 150, true, &error), 0);
        ck_assert_int_eq(range.missing, 60);
        ck_assert_int_eq(weir_plan_cut(&range, 40, 60, false, &error), WEIR_ELOG);
        SAYS("offsets 40 to 59 were deleted");
        ck_assert_int_eq(weir_plan_cut(&range, 40, 60, true, &error), 0);
        ck_assert_int_eq(range.missing, 20);
        ck_assert_int_eq(range.from_offset, range.until_offset);
}
END_TEST

START_TEST(PL1_a_range_that_is_turned_round_is_refused_before_anybody_is_asked)
{
        static const struct {
                struct weir_where from, to;
                bool turned;
        } cases[] = {
                { { WEIR_WHERE_TIME, 10 }, { WEIR_WHERE_TIME, 9 }, true },
                { { WEIR_WHERE_TIME, 10 }, { WEIR_WHERE_TIME, 10 }, false },
                { { WEIR_WHERE_AGO, 10 }, { WEIR_WHERE_AGO, 11 }, true },
                { { WEIR_WHERE_AGO, 11 }, { WEIR_WHERE_AGO, 10 }, false },
                { { WEIR_WHERE_TIME, 991 }, { WEIR_WHERE_AGO, 10 }, true },
                { { WEIR_WHERE_TIME, 990 }, { WEIR_WHERE_AGO, 10 }, false },
                { { WEIR_WHERE_AGO, 2000 }, { WEIR_WHERE_TIME, 0 }, false }, /* before 1970 */
                { { WEIR_WHERE_OFFSET, 5 }, { WEIR_WHERE_OFFSET, 4 }, true },
                { { WEIR_WHERE_OFFSET, 5 }, { WEIR_WHERE_OFFSET, 5 }, false },
                { { WEIR_WHERE_LATEST, 0 }, { WEIR_WHERE_EARLIEST, 0 }, true },
                { { WEIR_WHERE_EARLIEST, 0 }, { WEIR_WHERE_EARLIEST, 0 }, false },
                { { WEIR_WHERE_OFFSET, 5 }, { WEIR_WHERE_TIME, 0 }, false }, /* the logs know */
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++)
                ck_assert_msg((weir_plan_check(&cases[i].from, &cases[i].to, 1000, &error) ==
                               WEIR_EUSAGE) == cases[i].turned,
                              "case %zu", i);
}
END_TEST

/* ---- with a broker and a database ----------------------------------------------------------- */

static struct weir_devbroker *broker;
static struct weir_cluster *cluster;
static struct weir_pg *pg;
static struct weir_conf conf;
static const char *topics[] = { "t", "u" };
static struct weir_conf_worker worker = { .name = "w", .topics = topics, .topic_count = 2 };

static void setup(void)
{
        struct weir_producer_conf how = { 0 };
        struct weir_cluster_conf where = { .timeout_ms = 10000 };
        struct weir_producer *producer = NULL;

        OK(weir_devbroker_start(topics, 2, 2, &broker, reterr));
        conf.kafka_brokers = (char *)weir_devbroker_address(broker);
        how.brokers = where.brokers = conf.kafka_brokers;
        OK(weir_producer_new(&how, &producer, reterr));
        for (int i = 0; i < 10; i++) { /* t/0: 0 to 9; the rest is empty */
                char value[16];

                OK(weir_producer_send(producer, "t", 0, (struct weir_view){ "k", 1 },
                                      (struct weir_view){
                                              value,
                                              (size_t)snprintf(value, sizeof value, "v-%d", i) },
                                      NULL, 0, 0, NULL, reterr));
        }
        while (weir_producer_flush(producer, 1000) > 0)
                ;
        weir_producer_free(producer);
        OK(weir_cluster_open(&where, &cluster, reterr));
        pg = fixture_connect();
}

static void teardown(void)
{
        weir_pg_run(pg, "TRUNCATE weir.position, weir.position_change", NULL);
        weir_pg_close(pg);
        weir_cluster_close(cluster);
        weir_devbroker_stop(broker);
}

static struct weir_plan_order order_of(struct weir_where from, struct weir_where to)
{
        return (struct weir_plan_order){
                .conf = &conf, .worker = &worker, .from = from, .to = to, .timeout_ms = 10000
        };
}

static const struct weir_where earliest = { .kind = WEIR_WHERE_EARLIEST };
static const struct weir_where now = { .kind = WEIR_WHERE_LATEST };

static int make(const struct weir_plan_order *order, struct weir_plan *ret)
{
        return weir_plan_make(order, pg, cluster, ret, &error);
}

START_TEST(all_that_the_worker_reads_from_end_to_end)
{
        struct weir_plan_order order = order_of(earliest, now);
        struct weir_position live;
        struct weir_plan plan;

        OK(weir_position_take(pg, "w", "t", 0, "x", &live, reterr));
        OK(weir_position_begin(pg, &live, 7, reterr));
        OK(make(&order, &plan));
        ck_assert_uint_eq(plan.count, 4);
        ck_assert_int_eq(plan.offsets, 10);
        ck_assert_str_eq(plan.ranges[0].topic, "t");
        ck_assert_int_eq(plan.ranges[0].live_position, live.id);
        ck_assert_int_eq(plan.ranges[0].live_offset, 7);
        ck_assert_int_eq(plan.ranges[0].until_offset, 10);
        ck_assert_int_eq(plan.ranges[1].until_offset, 0); /* empty, and part of it */
        ck_assert_int_eq(plan.ranges[1].live_position, 0);
        ck_assert_int_eq(plan.ranges[1].live_offset, -1);
        ck_assert_str_eq(plan.ranges[1].note, "nothing in the range");
        ck_assert_str_eq(plan.ranges[3].topic, "u");
        ck_assert_int_eq(plan.ranges[3].partition, 1);
        weir_plan_fini(&plan);
}
END_TEST

START_TEST(one_partition_by_offsets)
{
        struct weir_plan_place place = { "t", 0 };
        struct weir_plan_order order = order_of((struct weir_where){ WEIR_WHERE_OFFSET, 3 },
                                                (struct weir_where){ WEIR_WHERE_OFFSET, 8 });
        struct weir_plan plan;

        order.places = &place;
        order.place_count = 1;
        OK(make(&order, &plan));
        ck_assert_uint_eq(plan.count, 1);
        ck_assert_int_eq(plan.ranges[0].from_offset, 3);
        ck_assert_int_eq(plan.ranges[0].until_offset, 8);
        weir_plan_fini(&plan);
        order.to.value = 11;
        ck_assert_int_eq(make(&order, &plan), WEIR_EUSAGE);
        SAYS("t/0: --to 11 is beyond the log's end 10");
        order.from.value = 11;
        order.to = now;
        ck_assert_int_eq(make(&order, &plan), WEIR_EUSAGE);
        SAYS("t/0: the range ends at offset 10, before it begins at 11");
}
END_TEST

START_TEST(what_the_worker_does_not_read_or_nobody_has_is_refused)
{
        struct weir_plan_place place = { "v", -1 };
        struct weir_plan_order order = order_of(earliest, now);
        struct weir_plan plan;

        order.places = &place;
        order.place_count = 1;
        ck_assert_int_eq(make(&order, &plan), WEIR_EUSAGE);
        SAYS("worker w does not read topic v");
        place = (struct weir_plan_place){ "t", 2 };
        ck_assert_int_eq(make(&order, &plan), WEIR_EUSAGE);
        SAYS("topic t: no partition 2, it has 2 (0 to 1)");
        place = (struct weir_plan_place){ "u", -1 };
        OK(make(&order, &plan));
        ck_assert_uint_eq(plan.count, 2);
        ck_assert_str_eq(plan.ranges[0].topic, "u");
        weir_plan_fini(&plan);
}
END_TEST

static void remember(struct weir_position *live, int64_t offset, int64_t time_ms, const char *value)
{
        live->last_offset = offset;
        live->last_time_ms = time_ms;
        OK(weir_key_fingerprint(time_ms, (struct weir_view){ "k", 1 },
                                (struct weir_view){ value, strlen(value) },
                                &live->last_fingerprint));
        OK(weir_position_identify(pg, live, reterr));
}

START_TEST(PL3_another_log_is_not_replayed)
{
        struct weir_plan_order order = order_of(earliest, now);
        struct weir_position live;
        struct weir_plan plan;
        int64_t time_ms = 0;

        OK(weir_position_take(pg, "w", "t", 0, "x", &live, reterr));
        OK(weir_position_begin(pg, &live, 7, reterr));
        remember(&live, 6, 12345, "v-6");
        ck_assert_int_eq(make(&order, &plan), WEIR_ELOG);
        SAYS("t/0 was recreated: offset 6 holds another record than the one that worker w");
        ck_assert_int_eq(sscanf(strstr(error.text, "(time "), "(time %lld", (long long *)&time_ms),
                         1);
        remember(&live, 6, time_ms, "v-6"); /* the one that is there */
        OK(make(&order, &plan));
        weir_plan_fini(&plan);
        remember(&live, 6, time_ms, "v-7");
        ck_assert_int_eq(make(&order, &plan), WEIR_ELOG);
        remember(&live, 10, time_ms, "v-7"); /* not there any more, or not yet: proves nothing */
        OK(make(&order, &plan));
        weir_plan_fini(&plan);
        OK(weir_pg_run(pg, "UPDATE weir.position SET next_offset = 11", reterr));
        ck_assert_int_eq(make(&order, &plan), WEIR_ELOG);
        SAYS("t/0: the log ends at 10, before the position 11 of worker w");
}
END_TEST

START_TEST(PL3_the_first_record_of_a_log_tells_it_too)
{
        struct weir_plan_order order = order_of(earliest, now);
        struct weir_position live;
        struct weir_plan plan;

        OK(weir_position_take(pg, "w", "t", 0, "x", &live, reterr));
        OK(weir_position_begin(pg, &live, 1, reterr));
        remember(&live, 0, 12345, "v-0");
        ck_assert_int_eq(make(&order, &plan), WEIR_ELOG);
        SAYS("t/0 was recreated: offset 0 holds another record");
}
END_TEST

START_TEST(PL3_what_was_planned_before_is_compared_again_and_no_other_partition)
{
        const struct weir_plan_place places[] = { { "t", 0 }, { "t", 1 } };
        struct weir_plan_order order = order_of(earliest, now);
        struct weir_position live;
        int64_t time_ms = 0;

        OK(weir_position_take(pg, "w", "t", 0, "x", &live, reterr));
        OK(weir_position_begin(pg, &live, 7, reterr));
        remember(&live, 6, 12345, "v-6");
        order.places = places;
        order.place_count = 2;
        ck_assert_int_eq(weir_plan_verify(&order, pg, cluster, &error), WEIR_ELOG);
        SAYS("t/0 was recreated: offset 6 holds another record");
        ck_assert_int_eq(sscanf(strstr(error.text, "(time "), "(time %lld", (long long *)&time_ms),
                         1);
        order.places = places + 1;
        order.place_count = 1;
        OK(weir_plan_verify(&order, pg, cluster, reterr));
        order.places = places;
        remember(&live, 6, time_ms, "v-6");
        OK(weir_plan_verify(&order, pg, cluster, reterr));
        OK(weir_pg_run(pg, "UPDATE weir.position SET next_offset = 11", reterr));
        ck_assert_int_eq(weir_plan_verify(&order, pg, cluster, &error), WEIR_ELOG);
        SAYS("t/0: the log ends at 10, before the position 11 of worker w");
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("plan");
        TCase *pure = tcase_create("pure"), *tests = tcase_create("plan");

        fixture_start("plan", true);
        tcase_add_test(pure, PL1_both_ends_lie_in_the_log_and_in_order);
        tcase_add_test(pure, PL2_what_retention_took_is_named_with_both_offsets);
        tcase_add_test(pure, PL1_a_range_that_is_turned_round_is_refused_before_anybody_is_asked);
        suite_add_tcase(suite, pure);
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, all_that_the_worker_reads_from_end_to_end);
        tcase_add_test(tests, one_partition_by_offsets);
        tcase_add_test(tests, what_the_worker_does_not_read_or_nobody_has_is_refused);
        tcase_add_test(tests, PL3_another_log_is_not_replayed);
        tcase_add_test(tests, PL3_the_first_record_of_a_log_tells_it_too);
        tcase_add_test(tests, PL3_what_was_planned_before_is_compared_again_and_no_other_partition);
        suite_add_tcase(suite, tests);
        return fixture_end(suite);
}
