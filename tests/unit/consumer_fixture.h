/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_CONSUMER_FIXTURE_H
#define WEIR_TEST_CONSUMER_FIXTURE_H
/*
 * consumer_fixture - members of a group, each with its poll thread, on the development broker
 *
 * Its first join takes 3 s and a rebalance nearly a session, so several rules share one membership where they do not
 * disturb each other. Nothing sleeps: conditions are waited for.
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
#include "wait_fixture.h"

#define PARTITIONS 4
#define PATIENCE_US (WAIT_S * INT64_C(1500000))

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
static uint64_t rig_fetch_bytes;           /* of the next rig; 0 = no bound */
static const char *rig_strategy = "range"; /* … */
static const char *rig_rejoin_ms;          /* …; NULL = weir's own */

static const struct weir_conf_property quick[] = {
        { .name = "session.timeout.ms", .value = "3500" },
        { .name = "heartbeat.interval.ms", .value = "200" },
        { .name = "auto.commit.interval.ms", .value = "100" },
        { .name = "fetch.wait.max.ms", .value = "10" },
};

static inline void on_assigned(void *context, struct weir_partition *partition)
{
        struct rig *rig = context;

        pthread_mutex_lock(&rig->mutex);
        ck_assert_uint_lt(rig->held_count, WEIR_COUNT_OF(rig->held));
        rig->held[rig->held_count++] = partition;
        rig->assigned_calls++;
        pthread_cond_broadcast(&rig->cond);
        pthread_mutex_unlock(&rig->mutex);
}

static inline void on_revoked(void *context, struct weir_partition *const *partitions, size_t count,
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

static inline void *run_poll(void *p)
{
        struct rig *rig = p;

        while (!rig->stop) {
                rig->served = weir_consumer_serve(rig->consumer, 200, &rig->error);
                if (rig->served < 0)
                        break;
        }
        return NULL;
}

static inline void rig_new(struct rig *rig, const char *group)
{
        static const char *const topics[] = { "t" };
        struct weir_conf_property properties[WEIR_COUNT_OF(quick) + 3];
        struct weir_consumer_conf conf = {
                .brokers = weir_devbroker_address(broker),
                .group = group,
                .client_id = "test",
                .properties = properties,
                .property_count = WEIR_COUNT_OF(quick) + (rig_rejoin_ms ? 3 : 1),
                .topics = topics,
                .topic_count = 1,
                .queue_bytes = 1 << 20,
                .fetch_bytes = rig_fetch_bytes,
                .partitions = rig_fetch_bytes ? PARTITIONS : 0,
                .drain_ms = 2000,
                .events = &events,
                .context = rig,
        };
        struct weir_error error = { 0 };

        memcpy(properties, quick, sizeof quick);
        properties[WEIR_COUNT_OF(quick)] = (struct weir_conf_property){
                .name = "partition.assignment.strategy", .value = rig_strategy
        };
        properties[WEIR_COUNT_OF(quick) + 1] = (struct weir_conf_property){
                .name = "max.poll.interval.ms", .value = rig_rejoin_ms
        };
        properties[WEIR_COUNT_OF(quick) + 2] = (struct weir_conf_property){
                .name = "socket.timeout.ms", .value = "1000" /* the least that a join waits */
        };
        *rig = (struct rig){ 0 };
        pthread_mutex_init(&rig->mutex, NULL);
        weir_cond_init(&rig->cond);
        ck_assert_msg(weir_consumer_new(&conf, &rig->consumer, &error) == 0, "%s", error.text);
}

static inline void rig_start(struct rig *rig, const char *group)
{
        rig_new(rig, group);
        ck_assert_int_eq(weir_thread_start(&rig->poll, WEIR_ROLE_POLL, "poll", run_poll, rig), 0);
}

static inline void rig_stop_polling(struct rig *rig)
{
        rig->stop = true;
        weir_consumer_wake(rig->consumer);
        pthread_join(rig->poll, NULL);
}

static inline void rig_free(struct rig *rig)
{
        for (size_t i = 0; i < rig->held_count; i++)
                weir_partition_unref(rig->held[i]);
        weir_consumer_free(rig->consumer);
        pthread_cond_destroy(&rig->cond);
        pthread_mutex_destroy(&rig->mutex);
}

static inline void rig_end(struct rig *rig)
{
        rig_stop_polling(rig);
        ck_assert_int_eq(weir_consumer_close(rig->consumer, weir_clock_us() + 10000000), 0);
        rig_free(rig);
}

/* Wait until *counter (of the rig) reaches @value. */
static inline void await_count(struct rig *rig, const unsigned *counter, unsigned value)
{
        int64_t deadline_us = weir_clock_us() + PATIENCE_US;

        pthread_mutex_lock(&rig->mutex);
        while (*counter < value)
                ck_assert(weir_cond_wait_until(&rig->cond, &rig->mutex, deadline_us));
        pthread_mutex_unlock(&rig->mutex);
}

static inline struct weir_partition *find(struct rig *rig, int32_t number)
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

static inline void produce(int per_partition)
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

/* @count records of @bytes into each partition, in as few batches as they fit into. */
static inline void produce_filled(int count, size_t bytes, const char *compression)
{
        static const struct weir_conf_property linger = { .name = "linger.ms", .value = "200" };
        struct weir_producer_conf conf = { .brokers = weir_devbroker_address(broker),
                                           .properties = &linger,
                                           .property_count = 1,
                                           .compression = compression };
        char *value = calloc(1, bytes);
        struct weir_producer *producer;
        struct weir_error error = { 0 };

        ck_assert_ptr_nonnull(value);
        ck_assert_msg(weir_producer_new(&conf, &producer, &error) == 0, "%s", error.text);
        for (int i = 0; i < count * PARTITIONS; i++)
                ck_assert_int_eq(weir_producer_send(producer, "t", i % PARTITIONS,
                                                    (struct weir_view){ 0 },
                                                    (struct weir_view){ value, bytes }, NULL, 0,
                                                    1000 + i, NULL, &error),
                                 0);
        while (weir_producer_flush(producer, 1000))
                ;
        weir_producer_free(producer);
        free(value);
}

static inline void setup(void)
{
        static const char *const topics[] = { "t" };
        struct weir_error error = { 0 };

        weir_log_setup(getenv("WEIR_TEST_LOG") ? WEIR_LOG_DEBUG : WEIR_LOG_ERROR, WEIR_LOG_TEXT);
        ck_assert_msg(weir_devbroker_start(topics, 1, PARTITIONS, &broker, &error) == 0, "%s",
                      error.text);
}

static inline void teardown(void)
{
        weir_devbroker_stop(broker);
}

/* Read the next record, patiently; its offset. Released. */
static inline int64_t next_offset(struct weir_partition *partition)
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

static inline int64_t committed(const char *group, int32_t partition)
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

#endif
