/* SPDX-License-Identifier: MIT */
/*
 * landmark - is it still the log that we read from?
 *
 * A topic deleted and made again under a running consumer goes on being fetched at the old offset, without an
 * error, as soon as the new log is longer (librdkafka shows no topic id). The comparison at the start of a lane
 * comes too late for it. So every few seconds the brokers are asked one question whose answer never falls in a log
 * that is only appended to: which is the first offset with a time not before T? For T the time of a record that was
 * read, a new log answers with its start, since all its records are younger.
 *
 * Always true   N1  a doubt is no verdict: a broker's time index may tell records of one millisecond
 *                   apart in another way after a restart. The lane reads a record again and compares.
 *               N2  check number n passed says: the log at its beginning was the one in which T was read.
 *               N3  an answer that rises is retention or compaction: it becomes the landmark.
 * Not seen      a log made anew from records older than T (a mirror, a restored backup), or one whose
 *               first records share a millisecond (then there is no landmark above 0).
 * Not chosen    rd_kafka_metadata(): sees the topic missing only between delete and create.
 *               Reading a record again each time: an eager group restarts all partitions for it.
 * Threads       poll, except doubted and checks: lane.
 */
#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer_internal.h"

#define CHECK_US 5000000
#define RETRY_US 500000 /* nothing to ask about yet, or no answer */
#define TIMEOUT_MS 100

bool weir_partition_doubted(struct weir_partition *partition)
{
        return atomic_exchange(&partition->doubted, false);
}

void weir_partition_checks(const struct weir_partition *partition, uint64_t *ret_begun,
                           uint64_t *ret_passed)
{
        *ret_passed = atomic_load(&partition->checks_passed);
        *ret_begun = atomic_load(&partition->checks_begun);
}

static int64_t time_of(const struct weir_partition *partition)
{
        return partition->mark_offset > 0 ? partition->mark_time_ms
                                          : atomic_load(&partition->read_time_ms);
}

static void judge(struct weir_partition *partition, int64_t time_ms, int64_t offset)
{
        struct weir_error error;

        if (partition->mark_offset > 0 && offset >= 0 && offset < partition->mark_offset) {
                weir_fail(&error, WEIR_ELOG, 0,
                          "topic %s partition %d: the first record from time %lld on was at offset "
                          "%lld and is now at %lld: the log may be another one",
                          partition->topic, (int)partition->number, (long long)time_ms,
                          (long long)partition->mark_offset, (long long)offset);
                partition->mark_offset = -1;
                weir_partition_doubt(partition, &error);
                return;
        }
        if (partition->mark_offset <= 0 && offset > 0)
                weir_log(WEIR_LOG_DEBUG, "kafka.landmark", LOG_S("topic", partition->topic),
                         LOG_I("partition", partition->number), LOG_I("time_ms", time_ms),
                         LOG_I("offset", offset));
        partition->mark_time_ms = time_ms;
        partition->mark_offset = offset;
        if (offset > 0)
                atomic_store(&partition->checks_passed, partition->checks_begun);
}

static int ask(struct weir_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
        int at = 0;

        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                partition->asked_time_ms = partition->in_client || partition->out
                                                   ? time_of(partition)
                                                   : -1;
                if (partition->asked_time_ms <= 0)
                        continue;
                atomic_fetch_add(&partition->checks_begun, 1);
                rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)
                        ->offset = partition->asked_time_ms;
        }
        if (!list->cnt || rd_kafka_offsets_for_times(consumer->rk, list, TIMEOUT_MS))
                return -1;
        /* The answer is in the order of the question. */
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                if (partition->asked_time_ms <= 0)
                        continue;
                if (!list->elems[at].err)
                        judge(partition, partition->asked_time_ms, list->elems[at].offset);
                at++;
        }
        return 0;
}

void weir_landmark_serve(struct weir_consumer *consumer, int64_t now_us)
{
        rd_kafka_topic_partition_list_t *list;

        if (consumer->group != WEIR_GROUP_ASSIGNED || now_us < consumer->mark_due_us ||
            now_us < consumer->kick_allowed_us)
                return;
        list = rd_kafka_topic_partition_list_new((int)consumer->partition_count);
        consumer->mark_due_us = now_us + (list && ask(consumer, list) == 0 ? CHECK_US : RETRY_US);
        if (list)
                rd_kafka_topic_partition_list_destroy(list);
}
