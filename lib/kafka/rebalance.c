/* SPDX-License-Identifier: MIT */
/*
 * rebalance - partitions come and go; every event is answered in the call that took it
 *
 * An eager group stands still, all members of it, until each has answered. So a revocation waits
 * for lanes up to a deadline and no longer; a lane that does not leave is given up: its epoch in
 * the database fences it, and its handles are swept once it comes back.
 *
 * Always true   R1  partitions[] is what the group gave us; parting is what it took back and
 *                   somebody still holds. Both count a reference.
 *               R2  revoked() is called once for each partition that assigned() named.
 *               R3  after a revocation is answered no lane call reaches librdkafka for it.
 * The race      1. revoked() gives up on a lane inside read()  2. the partition is unassigned
 *               3. the lane comes back: gone is set, nothing it does has an effect; inside falls
 *               to 0 and sweep() frees the queue. The queue is never freed under it.
 * Not chosen    draining while events are polled: a second event could then overtake the answer.
 * Threads       poll.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "kafka/consumer_internal.h"

static int append(struct weir_consumer *consumer, struct weir_partition *partition)
{
        if (consumer->partition_count == consumer->partition_room) {
                size_t room = consumer->partition_room ? consumer->partition_room * 2 : 16;
                struct weir_partition **list;
                struct weir_turn **turns;

                list = realloc(consumer->partitions, room * sizeof *list);
                if (!list)
                        return -1;
                consumer->partitions = list;
                list = realloc(consumer->taken, room * sizeof *list);
                if (!list)
                        return -1;
                consumer->taken = list; /* a revocation needs no memory */
                turns = realloc(consumer->turns, room * sizeof(*turns));
                if (!turns)
                        return -1;
                consumer->turns = turns;
                consumer->partition_room = room;
        }
        consumer->partitions[consumer->partition_count++] = partition;
        atomic_store(&consumer->assigned_count, (uint32_t)consumer->partition_count);
        return 0;
}

static int add_partition(struct weir_consumer *consumer, const rd_kafka_topic_partition_t *element)
{
        struct weir_partition *partition = weir_partition_new(consumer, element->topic,
                                                              element->partition);
        struct weir_error error;

        if (!partition)
                return -1;
        if (append(consumer, partition)) {
                weir_partition_leave(partition);
                weir_partition_strip(partition);
                weir_partition_unref(partition);
                return -1;
        }
        /* Splits the queue off before the first assign; a refusal is repeated at the fetch. */
        if (weir_partition_renew(partition, &error) < 0)
                weir_log(WEIR_LOG_WARN, "kafka.assign_refused",
                         LOG_S("text", (const char *)error.text), LOG_S("action", "retry"));
        return 0;
}

static void start(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        size_t before = consumer->partition_count;

        for (int i = 0; i < list->cnt; i++)
                if (add_partition(consumer, &list->elems[i]) < 0) {
                        /* Nobody would read it: end, and be started again. */
                        snprintf(consumer->fatal, sizeof consumer->fatal,
                                 "out of memory at the assignment of topic %s partition %d",
                                 list->elems[i].topic, (int)list->elems[i].partition);
                        weir_group_step(&consumer->group, WEIR_GROUP_ON_FATAL);
                        break;
                }
        if (consumer->fetch_bytes && consumer->partition_count > consumer->room_for)
                consumer->outgrown = (uint32_t)consumer->partition_count;
        weir_assign_begin(consumer);
        weir_client_log_clear(&consumer->log);
        atomic_fetch_add(&consumer->rebalances, 1);
        weir_log(WEIR_LOG_INFO, "group.assigned", LOG_S("client", consumer->client_id),
                 LOG_I("added", list->cnt), LOG_I("assigned", consumer->partition_count));
        for (size_t i = before; i < consumer->partition_count; i++) {
                weir_partition_ref(consumer->partitions[i]); /* the owner's */
                consumer->events->assigned(consumer->context, consumer->partitions[i]);
        }
}

void weir_rebalance_place(struct weir_consumer *consumer)
{
        rd_kafka_topic_partition_list_t *list = consumer->topics;

        consumer->topics = NULL;
        if (weir_group_step(&consumer->group, WEIR_GROUP_ON_ASSIGN) == WEIR_GROUP_DO_START)
                start(consumer, list);
        rd_kafka_topic_partition_list_destroy(list);
        atomic_store(&consumer->joined, consumer->group == WEIR_GROUP_ASSIGNED);
}

void weir_rebalance_sweep(struct weir_consumer *consumer)
{
        struct weir_partition **link = &consumer->parting;

        while (*link) {
                struct weir_partition *partition = *link;

                if (!weir_partition_strip(partition)) {
                        link = &partition->next_parting;
                        continue;
                }
                *link = partition->next_parting;
                weir_partition_unref(partition);
        }
}

static bool is_listed(const rd_kafka_topic_partition_list_t *list,
                      const struct weir_partition *partition)
{
        for (int i = 0; i < list->cnt; i++)
                if (list->elems[i].partition == partition->number &&
                    !strcmp(list->elems[i].topic, partition->topic))
                        return true;
        return false;
}

void weir_rebalance_drain(struct weir_consumer *consumer,
                          const rd_kafka_topic_partition_list_t *list, bool lost, bool answer,
                          int64_t deadline_us)
{
        bool all = !list || !consumer->cooperative;
        size_t count = 0, kept = 0;

        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                if (!all && !is_listed(list, partition)) {
                        consumer->partitions[kept++] = partition;
                        continue;
                }
                consumer->taken[count++] = partition;
                weir_partition_revoke(partition, lost);
        }
        consumer->partition_count = kept;
        atomic_store(&consumer->assigned_count, (uint32_t)kept);
        if (count) {
                weir_log(lost ? WEIR_LOG_WARN : WEIR_LOG_INFO, "group.revoked",
                         LOG_S("client", consumer->client_id), LOG_I("taken", count),
                         LOG_I("kept", kept), LOG_S("lost", lost ? "yes" : "no"));
                consumer->events->revoked(consumer->context, consumer->taken, count, lost,
                                          deadline_us);
        }
        for (size_t i = 0; i < count; i++)
                weir_partition_leave(consumer->taken[i]);
        if (answer)
                weir_assign_revoke(consumer, consumer->taken, count);
        for (size_t i = 0; i < count; i++) {
                consumer->taken[i]->next_parting = consumer->parting;
                consumer->parting = consumer->taken[i];
        }
        weir_rebalance_sweep(consumer);
}

void weir_rebalance_answer(struct weir_consumer *consumer, rd_kafka_event_t *event,
                           int64_t limit_us)
{
        bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        enum weir_group_event what = assign ? WEIR_GROUP_ON_ASSIGN : WEIR_GROUP_ON_REVOKE;
        enum weir_group_state before = consumer->group;
        const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
        int64_t deadline_us = weir_clock_us() + consumer->drain_us;

        switch (weir_group_step(&consumer->group, what)) {
        case WEIR_GROUP_DO_START: start(consumer, list); break;
        case WEIR_GROUP_DO_DRAIN:
                atomic_store(&consumer->joined, false);
                weir_rebalance_drain(consumer, list, rd_kafka_assignment_lost(consumer->rk), true,
                                     deadline_us < limit_us ? deadline_us : limit_us);
                weir_group_step(&consumer->group, consumer->partition_count
                                                          ? WEIR_GROUP_ON_REDUCED
                                                          : WEIR_GROUP_ON_EMPTIED);
                break;
        case WEIR_GROUP_DO_DECLINE: weir_assign_begin(consumer); break;
        default:
                weir_log(WEIR_LOG_WARN, "group.unexpected",
                         LOG_S("state", weir_group_state_name(before)),
                         LOG_S("group_event", weir_group_event_name(what)));
                weir_assign_nothing(consumer); /* never leave one unanswered (G1) */
                break;
        }
        atomic_store(&consumer->joined, consumer->group == WEIR_GROUP_ASSIGNED);
}
