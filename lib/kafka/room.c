/* SPDX-License-Identifier: MIT */
/*
 * room - how much the client may hold, in the terms in which it counts
 *
 * The client has one limit for each partition, fixed when it is made, and none for all of them. So the partitions of the
 * topics are counted before the group is joined, and what is meant for all is divided among them: whatever the group
 * assigns, it fits. Where there turn out to be more (a topic grew, or was made later), the client has to be
 * made anew.
 *
 * What the client counts is the values in a queue. What it holds is more: about 325 bytes for each message (measured),
 * keys and headers, and whole responses, since its messages point into them. Therefore a quarter is kept for responses
 * on their way, of a partition's share half is for values, and messages are counted too.
 *
 * Always true   RM1 with nobody reading, the queues of all partitions and a response per broker are within fetch_bytes,
 *                   but for one record batch of each partition that is fetched: a broker hands out at least one, whatever
 *                   its size, and it is fetched when there is any room. Where records are that large, heavy.c sees to it that
 *                   few are.
 * Known         a record that was not compressed keeps the response alive that it came in. One partition that stands
 *               still while others go on keeps a few of them, at most as many as it has messages queued.
 * Not chosen    pausing partitions when a sum is reached: a resume costs a second and what was fetched.
 *               One queue for all: it has one limit, and a lane that stands still fills it for the others.
 * Threads       poll.
 */
#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer_internal.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MESSAGE_BYTES 1024       /* that a message of ordinary size takes, all in all */
#define UNBOUND_MESSAGES 1000000 /* a bound of messages would stall small records (#2879) */
#define ASK_MS 500
#define ASK_AGAIN_US 200000
#define SMALL_BYTES KIB(64) /* a partition's share below this: said once */

static uint64_t at_least(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t share(uint64_t fetch_bytes, uint64_t response_bytes, uint32_t partitions)
{
        return (fetch_bytes - response_bytes) / (partitions ? partitions : 1);
}

void weir_room_divide(uint64_t queue_bytes, uint64_t fetch_bytes, uint32_t partitions,
                      struct weir_room *ret)
{
        uint64_t response_bytes = at_most(fetch_bytes / 4, KIB(50 << 10));

        if (!fetch_bytes) {
                *ret = (struct weir_room){
                        .queue_bytes = at_most(at_least(queue_bytes, KIB(1)), KIB(2097151)),
                        .message_count = UNBOUND_MESSAGES,
                        .portion_bytes = at_most(at_least(queue_bytes, KIB(1)), KIB(1024)),
                };
                return;
        }
        queue_bytes = at_most(queue_bytes, share(fetch_bytes, response_bytes, partitions));
        *ret = (struct weir_room){
                .queue_bytes = at_most(at_least(queue_bytes / 2, KIB(1)), KIB(2097151)),
                .message_count = at_most(at_least(queue_bytes / MESSAGE_BYTES, 1),
                                         UNBOUND_MESSAGES),
                .portion_bytes = at_most(at_least(queue_bytes / 8, KIB(1)), KIB(1024)),
                .response_bytes = at_least(response_bytes, KIB(1)),
        };
        ret->portion_bytes = at_most(ret->portion_bytes, ret->response_bytes);
}

/* Not weir_client_partitions(): on a handle that knows no topic yet it waits out its time for the cluster's name. A topic
 * that is not made here by asking for it: this client does not allow that. */
static rd_kafka_resp_err_t ask(struct weir_consumer *consumer, const char *topic, uint32_t *ret)
{
        rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer->rk, topic, NULL);
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t err;

        if (!handle)
                return rd_kafka_last_error();
        err = rd_kafka_metadata(consumer->rk, 0, handle, &metadata, ASK_MS);
        if (!err && metadata->topic_cnt == 1)
                err = metadata->topics[0].err;
        if (!err && metadata->topic_cnt == 1)
                *ret += (uint32_t)metadata->topics[0].partition_cnt;
        if (metadata)
                rd_kafka_metadata_destroy(metadata);
        rd_kafka_topic_destroy(handle);
        return err;
}

/* A topic that is not there, or may not be seen, has none; the subscription says so. */
static int count(struct weir_consumer *consumer, uint32_t *ret)
{
        *ret = 0;
        for (int i = 0; i < consumer->topics->cnt; i++)
                if (weir_client_transient(ask(consumer, consumer->topics->elems[i].topic, ret)))
                        return -1;
        return 0;
}

uint64_t weir_room_share(uint64_t fetch_bytes, uint32_t partitions)
{
        return at_least(share(fetch_bytes, at_most(fetch_bytes / 4, KIB(50 << 10)), partitions),
                        SMALL_BYTES);
}

int weir_room_check(struct weir_consumer *consumer, int64_t now_us)
{
        uint32_t partitions;

        if (now_us < consumer->ask_due_us)
                return -1;
        if (count(consumer, &partitions) < 0) {
                consumer->ask_due_us = weir_clock_us() + ASK_AGAIN_US;
                return -1;
        }
        if (partitions > consumer->room_for) {
                consumer->outgrown = partitions;
                return 1;
        }
        if (partitions &&
            share(consumer->fetch_bytes, consumer->fetch_bytes / 4, partitions) < SMALL_BYTES)
                weir_log(WEIR_LOG_WARN, "kafka.small_queues", LOG_S("client", consumer->client_id),
                         LOG_I("partitions", partitions), LOG_I("bytes", consumer->fetch_bytes),
                         LOG_S("next", "raise memory.budget"));
        return 0;
}
