/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/kafka/consumer.c, rebalance.c, assign.c, partition.c and queue.c against the development
 * broker. Its first join takes 3 s and a rebalance nearly a session, so several rules share one
 * membership where they do not disturb each other. Nothing sleeps: conditions are waited for.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "conf/conf.h"
#include "kafka/cluster.h"
#include "kafka/consumer.h"
#include "kafka/devbroker.h"
#include "kafka/producer.h"

#define PARTITIONS 4
#define PATIENCE_US 30000000LL

/* One member with its poll thread. */
struct rig {
        struct weir_consumer *consumer;
        pthread_t poll;
        pthread_mutex_t mutex;
        pthread_cond_t cond;
        struct weir_partition *held[64]; /* @mutex  every assignment ever made, counted */
        bool parted[64];                 /* @mutex  revoked() named it */
        size_t held_count;               /* @mutex */
        unsigned assigned_calls, revoked_calls, revoked_partitions, lost_calls; /* @mutex */
        bool revoke_waits; /* @mutex  revoked() waits for its deadline */
        _Atomic bool stop;
        int served; /* last result of serve */
        struct weir_error error;
};

static struct weir_devbroker *broker;

static const struct weir_conf_property quick[] = {
        { .name = "session.timeout.ms", .value = "3500" },
        { .name = "heartbeat.interval.ms", .value = "200" },
        { .name = "auto.commit.interval.ms", .value = "100" },
        { .name = "fetch.wait.max.ms", .value = "10" },
};

static void on_assigned(void *context, struct weir_partition *partition)
{
        struct rig *rig = context;

        pthread_mutex_lock(&rig->mutex);
        ck_assert_uint_lt(rig->held_count, WEIR_COUNT_OF(rig->held));
        rig->held[rig->held_count++] = partition;
        rig->assigned_calls++;
        pthread_cond_broadcast(&rig->cond);
        pthread_mutex_unlock(&rig->mutex);
}

static void on_revoked(void *context, struct weir_partition *const *partitions, size_t count,
                       bool lost, int64_t deadline_us)
{
        struct rig *rig = context;

        (void)deadline_us;
        pthread_mutex_lock(&rig->mutex);
        for (size_t i = 0; i < count; i++) {
                size_t at = 0;

                ck_assert(weir_partition_revoked(partitions[i]));
                while (at < rig->held_count && rig->held[at] != partitions[i])
                        at++;
                ck_assert_uint_lt(at, rig->held_count);
                ck_assert(!rig->parted[at]); /* R2 */
                rig->parted[at] = true;
        }
        rig->revoked_calls++;
        rig->revoked_partitions += (unsigned)count;
        rig->lost_calls += lost;
        pthread_cond_broadcast(&rig->cond);
        pthread_mutex_unlock(&rig->mutex);
}

static const struct weir_consumer_events events = { on_assigned, on_revoked };

static void *run_poll(void *p)
{
        struct rig *rig = p;

        while (!rig->stop) {
                rig->served = weir_consumer_serve(rig->consumer, 200, &rig->error);
                if (rig->served < 0)
                        break;
        }
        return NULL;
}

static void rig_new(struct rig *rig, const char *group)
{
        static const char *const topics[] = { "t" };
        struct weir_consumer_conf conf = {
                .brokers = weir_devbroker_address(broker),
                .group = group,
                .client_id = "test",
                .properties = quick,
                .property_count = WEIR_COUNT_OF(quick),
                .topics = topics,
                .topic_count = 1,
                .queue_bytes = 1 << 20,
                .drain_ms = 2000,
                .events = &events,
                .context = rig,
        };
        struct weir_error error = { 0 };

        *rig = (struct rig){ 0 };
        pthread_mutex_init(&rig->mutex, NULL);
        weir_cond_init(&rig->cond);
        ck_assert_msg(weir_consumer_new(&conf, &rig->consumer, &error) == 0, "%s", error.text);
}

static void rig_start(struct rig *rig, const char *group)
{
        rig_new(rig, group);
        ck_assert_int_eq(weir_thread_start(&rig->poll, WEIR_ROLE_POLL, "poll", run_poll, rig), 0);
}

static void rig_stop_polling(struct rig *rig)
{
        rig->stop = true;
        weir_consumer_wake(rig->consumer);
        pthread_join(rig->poll, NULL);
}

static void rig_free(struct rig *rig)
{
        for (size_t i = 0; i < rig->held_count; i++)
                weir_partition_unref(rig->held[i]);
        weir_consumer_free(rig->consumer);
        pthread_cond_destroy(&rig->cond);
        pthread_mutex_destroy(&rig->mutex);
}

static void rig_end(struct rig *rig)
{
        rig_stop_polling(rig);
        ck_assert_int_eq(weir_consumer_close(rig->consumer, weir_clock_us() + 10000000), 0);
        rig_free(rig);
}

/* Wait until *counter (of the rig) reaches @value. */
static void await_count(struct rig *rig, const unsigned *counter, unsigned value)
{
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;

        pthread_mutex_lock(&rig->mutex);
        while (*counter < value)
                ck_assert(weir_cond_wait_until(&rig->cond, &rig->mutex, deadline_us));
        pthread_mutex_unlock(&rig->mutex);
}

/* Wait until the rig holds @count partitions, others having been revoked. */
static void await_share(struct rig *rig, unsigned count)
{
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;

        pthread_mutex_lock(&rig->mutex);
        while (rig->assigned_calls - rig->revoked_partitions != count)
                ck_assert(weir_cond_wait_until(&rig->cond, &rig->mutex, deadline_us));
        pthread_mutex_unlock(&rig->mutex);
}

static struct weir_partition *find(struct rig *rig, int32_t number)
{
        struct weir_partition *found = NULL;

        pthread_mutex_lock(&rig->mutex);
        for (size_t i = 0; i < rig->held_count; i++)
                if (weir_partition_number(rig->held[i]) == number &&
                    !weir_partition_revoked(rig->held[i]))
                        found = rig->held[i];
        pthread_mutex_unlock(&rig->mutex);
        ck_assert_ptr_nonnull(found);
        return found;
}

static void produce(int per_partition)
{
        struct weir_producer_conf conf = { .brokers = weir_devbroker_address(broker) };
        static const struct weir_header headers[] = { { "ce_id", "7", 1 },
                                                      { "none", NULL, 0 },
                                                      { "empty", "", 0 } };
        struct weir_producer *producer;
        struct weir_error error = { 0 };

        ck_assert_msg(weir_producer_new(&conf, &producer, &error) == 0, "%s", error.text);
        for (int i = 0; i < per_partition; i++)
                for (int32_t p = 0; p < PARTITIONS; p++) {
                        char value[32];
                        int size = snprintf(value, sizeof value, "%d/%d", (int)p, i);
                        struct weir_view key = { i % 3 == 0 ? NULL : "k", i % 3 == 1 ? 0 : 1 };

                        ck_assert_int_eq(weir_producer_send(producer, "t", p, key,
                                                            (struct weir_view){ value,
                                                                                (size_t)size },
                                                            headers, i == 0 ? 3 : 0, 1000 + i, NULL,
                                                            &error),
                                         0);
                }
        while (weir_producer_flush(producer, 1000))
                ;
        weir_producer_free(producer);
}

static void setup(void)
{
        static const char *const topics[] = { "t" };
        struct weir_error error = { 0 };

        weir_log_setup(getenv("WEIR_TEST_LOG") ? WEIR_LOG_DEBUG : WEIR_LOG_ERROR, WEIR_LOG_TEXT);
        ck_assert_msg(weir_devbroker_start(topics, 1, PARTITIONS, &broker, &error) == 0, "%s",
                      error.text);
}

static void teardown(void)
{
        weir_devbroker_stop(broker);
}

/* Read the next record, patiently; its offset. Released. */
static int64_t next_offset(struct weir_partition *partition)
{
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;
        struct weir_error error = { 0 };
        struct weir_record record;
        int64_t offset;
        int r;

        do {
                r = weir_partition_read(partition, 1000, &record, &error);
                ck_assert_msg(r >= 0, "%s", error.text);
        } while (r == 0 && weir_clock_us() < deadline_us);
        ck_assert_int_eq(r, 1);
        offset = record.offset;
        weir_record_release(&record);
        return offset;
}

static int64_t committed(const char *group, int32_t partition)
{
        struct weir_cluster_conf conf = { .brokers = weir_devbroker_address(broker),
                                          .timeout_ms = 5000 };
        struct weir_cluster *cluster;
        struct weir_error error = { 0 };
        int64_t offset = -2;

        ck_assert_int_eq(weir_cluster_open(&conf, &cluster, &error), 0);
        ck_assert_msg(weir_cluster_committed(cluster, group, "t", partition, &offset, &error) == 0,
                      "%s", error.text);
        weir_cluster_close(cluster);
        return offset;
}

START_TEST(a_member_reads_what_was_written_in_order_and_says_how_far)
{
        struct weir_error error = { 0 };
        struct weir_log_range range;
        struct weir_record record;
        struct weir_arena arena;
        struct rig rig;
        struct weir_partition *p;
        struct weir_consumer_state state;
        int64_t offset;

        produce(100);
        rig_start(&rig, "g-read");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 1);
        ck_assert_str_eq(weir_partition_topic(p), "t");
        weir_partition_set_owner(p, &rig);
        ck_assert_ptr_eq(weir_partition_owner(p), &rig);

        /* The range is known before anything is fetched. */
        ck_assert_msg(weir_partition_range(p, 5000, &range, &error) == 0, "%s", error.text);
        ck_assert_int_eq(range.start_offset, 0);
        ck_assert_int_eq(range.end_offset, 100);
        ck_assert_int_eq(weir_partition_end(p), 100);
        /* This broker would say the log's end for every time: all records would be skipped. */
        ck_assert_int_eq(weir_partition_offset_at(p, 5000, 5000, &offset, &error), WEIR_EUSAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "knows no times"));

        /* Nothing is read before fetch. */
        ck_assert_int_eq(weir_partition_read(p, 0, &record, &error), 0);
        ck_assert_int_eq(weir_partition_position(p), -1);

        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        for (int32_t n = 0; n < PARTITIONS; n++)
                for (int64_t i = 0; i < 100; i++)
                        if (n != 1)
                                ck_assert_int_eq(next_offset(find(&rig, n)), i);
        while (weir_partition_read(p, 1000, &record, &error) != 1)
                ;
        ck_assert_int_eq(record.offset, 0);
        ck_assert_int_eq(record.time_ms, 1000);
        ck_assert_ptr_null(record.key.ptr);
        ck_assert_mem_eq(record.value.ptr, "1/0", 3);
        weir_arena_init(&arena, 4096);
        ck_assert_int_eq(weir_record_headers(&record, &arena), 0);
        weir_record_release(&record); /* the copies outlive it */
        ck_assert_uint_eq(record.header_count, 3);
        ck_assert_str_eq(record.headers[0].name, "ce_id");
        ck_assert_str_eq(record.headers[0].value, "7");
        ck_assert_uint_eq(record.headers[0].size, 1);
        ck_assert_ptr_null(record.headers[1].value);
        ck_assert_ptr_nonnull(record.headers[2].value);
        ck_assert_uint_eq(record.headers[2].size, 0);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), 1);
        ck_assert_ptr_nonnull(record.key.ptr); /* empty is not absent */
        ck_assert_uint_eq(record.key.size, 0);
        ck_assert_int_eq(weir_record_headers(&record, &arena), 0);
        ck_assert_uint_eq(record.header_count, 0);
        weir_arena_fini(&arena);
        weir_record_release(&record);
        ck_assert_int_eq(weir_partition_position(p), 2);
        for (int64_t i = 2; i < 100; i++)
                ck_assert_int_eq(next_offset(p), i);
        ck_assert_int_eq(weir_partition_position(p), 100);
        weir_partition_store(p, 60);
        weir_partition_store(p, 61);
        weir_consumer_state(rig.consumer, &state);
        ck_assert(state.joined);
        ck_assert_uint_eq(state.assigned_count, PARTITIONS);
        ck_assert_uint_eq(state.rebalances, 1);
        ck_assert_str_eq(state.error, "");

        /* Close leaves, commits what was stored, and calls each partition back once. */
        rig_stop_polling(&rig);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 10000000), 0);
        ck_assert_uint_eq(rig.revoked_partitions, PARTITIONS);
        ck_assert_uint_eq(rig.lost_calls, 0);
        weir_consumer_state(rig.consumer, &state);
        ck_assert(!state.joined);
        ck_assert_uint_eq(state.assigned_count, 0);
        ck_assert_int_eq(committed("g-read", 1), 61);
        ck_assert_int_eq(committed("g-read", 2), -1);

        /* What a lane that comes late does has no effect and no danger. */
        weir_partition_store(p, 99);
        weir_partition_fetch(p, 1);
        weir_partition_halt(p);
        weir_partition_starves(p);
        weir_partition_wake(p);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), 0);
        ck_assert_int_eq(weir_partition_position(p), -1);
        ck_assert_uint_eq(weir_partition_queued(p), 0);
        ck_assert_int_eq(weir_partition_range(p, 1000, &range, &error), WEIR_ESTOP);
        rig_free(&rig);
}
END_TEST

struct lane {
        struct weir_partition *partition;
        int64_t until;
        int refetch_every;
        bool failed;
        char why[120];
};

static void *run_lane(void *p)
{
        struct lane *lane = p;
        int64_t expected = 0, deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };

        weir_partition_fetch(lane->partition, 0);
        while (expected < lane->until) {
                struct weir_record record;
                int r = weir_partition_read(lane->partition, 100, &record, &error);

                if (r < 0 || weir_clock_us() > deadline_us) {
                        lane->failed = true;
                        snprintf(lane->why, sizeof lane->why, "at %lld: %.80s", (long long)expected,
                                 r < 0 ? error.text : "time is over");
                        break;
                }
                if (r == 0)
                        continue;
                if (record.offset != expected) {
                        lane->failed = true;
                        snprintf(lane->why, sizeof lane->why, "%lld instead of %lld",
                                 (long long)record.offset, (long long)expected);
                }
                weir_record_release(&record);
                if (lane->failed)
                        break;
                expected++;
                weir_partition_store(lane->partition, expected);
                if (lane->refetch_every && expected % lane->refetch_every == 0)
                        weir_partition_fetch(lane->partition, expected);
        }
        return NULL;
}

START_TEST(PA1_assigns_under_load_lose_and_repeat_nothing)
{
        struct lane lanes[PARTITIONS];
        pthread_t threads[PARTITIONS];
        struct rig rig;

        produce(20000);
        rig_start(&rig, "g-load");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int i = 0; i < PARTITIONS; i++) {
                lanes[i] = (struct lane){ .partition = find(&rig, i),
                                          .until = 20000,
                                          .refetch_every = i == 0   ? 500
                                                           : i == 1 ? 3000
                                                                    : 0 };
                ck_assert_int_eq(weir_thread_start(&threads[i], WEIR_ROLE_LANE, "lane", run_lane,
                                                   &lanes[i]),
                                 0);
        }
        for (int i = 0; i < PARTITIONS; i++) {
                pthread_join(threads[i], NULL);
                ck_assert_msg(!lanes[i].failed, "partition %d: %s", i, lanes[i].why);
        }
        rig_end(&rig);
        /* Offsets stored across an assign are not forgotten. */
        for (int i = 0; i < PARTITIONS; i++)
                ck_assert_int_eq(committed("g-load", i), 20000);
}
END_TEST

/* A lane that went back and finds the queue empty asks where the client stands, to pass markers. What it hears must
 * not be where the lane before it stood: the records between would be passed unseen. */
START_TEST(AS5_after_a_fetch_the_client_does_not_speak_of_where_it_was)
{
        int64_t deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };
        struct weir_partition *p;
        struct rig rig;
        int empty = 0;

        produce(300);
        rig_start(&rig, "g-back");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++)
                weir_partition_fetch(find(&rig, i), 0);
        p = find(&rig, 0);
        for (int round = 0; round < 60; round++) {
                struct weir_record record = { .offset = -1 };
                int r;

                for (int64_t i = 0; i < 200; i++)
                        ck_assert_int_eq(next_offset(p), i);
                weir_partition_fetch(p, 0);
                while ((r = weir_partition_read(p, 0, &record, &error)) == 0) {
                        int64_t position = weir_partition_position(p);

                        ck_assert_msg(position < 0,
                                      "round %d: nothing was read, but it stands at %lld", round,
                                      (long long)position);
                        ck_assert_int_lt(weir_clock_us(), deadline_us);
                        empty++;
                }
                ck_assert_int_eq(r, 1);
                ck_assert_int_eq(record.offset, 0);
                weir_record_release(&record);
                weir_partition_fetch(p, 0);
        }
        ck_assert_int_gt(empty, 0);
        rig_end(&rig);
}
END_TEST

START_TEST(a_lane_goes_back_halts_breaks_and_is_revived)
{
        int64_t deadline_us = weir_clock_us() + 2 * PATIENCE_US;
        struct weir_error error = { 0 };
        struct weir_record record;
        struct rig rig;
        struct weir_partition *p, *q;
        int r;

        produce(200);
        rig_start(&rig, "g-revive");
        await_count(&rig, &rig.assigned_calls, PARTITIONS);
        p = find(&rig, 0);
        q = find(&rig, 3);
        weir_partition_fetch(p, 50);
        weir_partition_fetch(q, 0);
        ck_assert_int_eq(next_offset(p), 50);
        ck_assert_int_eq(next_offset(q), 0);

        /* Back to an earlier place: nothing of the later one is returned. */
        weir_partition_fetch(p, 10);
        ck_assert_int_eq(next_offset(p), 10);
        ck_assert_int_eq(next_offset(p), 11);

        /* Two wishes at once: the last one counts. */
        weir_partition_fetch(p, 150);
        weir_partition_fetch(p, 20);
        ck_assert_int_eq(next_offset(p), 20);

        /* Halted: silence here, the neighbour goes on, what was prefetched is dropped. */
        weir_partition_halt(p);
        ck_assert_int_eq(weir_partition_read(p, 100, &record, &error), 0);
        for (int64_t i = 1; i < 200; i++)
                ck_assert_int_eq(next_offset(q), i);
        weir_partition_fetch(p, 30);
        ck_assert_int_eq(next_offset(p), 30);

        /* Outside of the log: an error that names our own place, again and again, then revival. */
        weir_partition_fetch(p, 5000);
        do
                r = weir_partition_read(p, 1000, &record, &error);
        while (r == 0 && weir_clock_us() < deadline_us);
        ck_assert_int_eq(r, WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "topic t partition 0"));
        ck_assert_ptr_nonnull(strstr(error.text, "offset 5000"));
        memset(&error, 0, sizeof error);
        ck_assert_int_eq(weir_partition_read(p, 1000, &record, &error), WEIR_ELOG);
        ck_assert_ptr_nonnull(strstr(error.text, "offset 5000"));
        weir_partition_fetch(p, 190);
        for (int64_t i = 190; i < 200; i++)
                ck_assert_int_eq(next_offset(p), i);

        /* A lane that starves hears of a longer log, and a wake ends a long read. */
        produce(5);
        while (weir_partition_end(q) != 205 && weir_clock_us() < deadline_us) {
                weir_partition_starves(q);
                if (weir_partition_read(p, 10, &record, &error) == 1)
                        weir_record_release(&record);
        }
        ck_assert_int_eq(weir_partition_end(q), 205);
        while (weir_partition_position(q) < 205)
                next_offset(q);
        weir_partition_wake(q);
        ck_assert_int_eq(weir_partition_read(q, 60000, &record, &error), 0);
        rig_end(&rig);
}
END_TEST

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
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;
        struct rig rig;

        weir_devbroker_set_down(broker, true);
        rig_start(&rig, "g-none");
        while (!state.error[0] && weir_clock_us() < deadline_us)
                weir_consumer_state(rig.consumer, &state);
        ck_assert_str_ne(state.error, "");
        ck_assert(!state.joined);
        rig_stop_polling(&rig);
        ck_assert_int_eq(weir_consumer_close(rig.consumer, weir_clock_us() + 3000000), 0);
        rig_free(&rig);
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
        tcase_add_test(tcase, a_member_that_never_polled_closes);
        tcase_add_test(tcase, a_member_without_a_broker_says_so_and_closes);
        tcase_add_test(tcase, a_member_reads_what_was_written_in_order_and_says_how_far);
        tcase_add_test(tcase, PA1_assigns_under_load_lose_and_repeat_nothing);
        tcase_add_test(tcase, AS5_after_a_fetch_the_client_does_not_speak_of_where_it_was);
        tcase_add_test(tcase, a_lane_goes_back_halts_breaks_and_is_revived);
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
