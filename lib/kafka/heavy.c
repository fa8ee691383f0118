/* SPDX-License-Identifier: MIT */
/*
 * heavy - records too large for a partition's share, and the turns that they make partitions take
 *
 * The client holds a fetch back only once something lies in a partition's queue, so every partition that it fetches may
 * hold one record, whatever its size. How many that are is decided by how many it fetches. A topic whose records are within
 * the share of a partition (room.c) is fetched all the time; of the others as many partitions as fit into their shares
 * together, or one. Who is put out is taken from the assignment, and comes back at what its lane reads next.
 *
 * Sizes     of a topic, as seen by its lanes, so one partition's is every partition's. Before any was seen they are
 *           taken for UNKNOWN_BYTES: at a start a few partitions fetch, and with the first record that is small all do.
 * Always true   HV1 a lane notices nothing but that it waits: while its partition is out, or about to leave, it neither reads nor
 *                   hears where the client stands, but for where that stood then, if the lane asked for nothing since.
 *               HV2 what was fetched and not read is freed, and fetched again: nothing is skipped.
 *               HV3 a turn ends after a record was taken, or when there is none; or LIMIT_US, for lanes that are elsewhere. Not
 *                   while its lane waits for room to take the first: others hold that for as long as their handlers take, and whoever
 *                   came instead would wait for it too.
 *                   A lane that is elsewhere when its partition is put out has no turn before it comes to read.
 *               HV4 what was missed while it was out is seen by the log's end, which is asked for often then.
 *               HV5 a partition leaves when its lane is at rest: it has told Kafka of all that it read, and reads no more. What
 *                   it tells of a partition that is out is not taken, and whoever gets that one next would find an older
 *                   offset. REST_US is waited, for lanes that are elsewhere; what is owed then gets it another turn. No longer: the
 *                   client goes on fetching for who has not left. A second was, on a fast machine, a large record for each of
 *                   12 partitions.
 * Batches       of small records come in whole, and decompressed, whatever a share is. So what lies in a queue is reckoned, by
 *               number and mean size; SEVERAL shares of it are taken for one large record.
 * Known         sizes that jump: what comes in before gauge.c sees the first large one, and while who has to leave is at rest.
 * The race      1. a lane takes record 7  2. its partition is put out  3. next_offset becomes 8. Let in anew at 7 or at 8: 7
 *               comes twice at most, and is dropped (PA2).
 * Threads       poll, but see(): lane.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer_internal.h"

#define UNKNOWN_BYTES 10000000
#define QUANTUM_US 500000
#define LIMIT_US 5000000
#define REST_US 100000
#define WAITS_US 2000000 /* a lane that waits for room says so every second */
#define LOOK_US 20000
#define SEVERAL 4          /* shares in a queue: no batch of those that are fetched in portions */
#define MEAN_COUNT 64      /* records */
#define FIRST_COUNT 16     /* records until a topic is known */
#define ODD_PART 4         /* of a share; a single record counts as so much at most in the mean */
#define IDLE_LOOK_US 50000 /* nobody who is out wants in */

struct weir_sight *weir_sight_get(struct weir_consumer *consumer, const char *topic)
{
        struct weir_sight *sight = consumer->sights;

        while (sight && strcmp(sight->topic, topic) != 0)
                sight = sight->next;
        if (sight)
                return sight;
        sight = calloc(1, sizeof *sight + strlen(topic) + 1);
        if (!sight)
                return NULL;
        memcpy(sight->topic, topic, strlen(topic) + 1);
        sight->next = consumer->sights;
        consumer->sights = sight;
        return sight;
}

static void raise(struct weir_partition *partition, uint64_t bytes)
{
        struct weir_consumer *consumer = partition->consumer;
        uint64_t largest = atomic_load(&partition->sight->largest);

        while (bytes > largest &&
               !atomic_compare_exchange_weak(&partition->sight->largest, &largest, bytes))
                ;
        if (bytes <= largest || !consumer->fetch_bytes ||
            (largest && bytes <= consumer->light_bytes))
                return;
        if (!atomic_exchange(&consumer->requests, true))
                weir_consumer_wake(consumer);
}

/* The first record of a topic, and many wait behind it: the next few will show whether it is an odd one. */
static bool is_unsure(struct weir_partition *partition, uint64_t bytes, size_t count)
{
        uint64_t light_bytes = partition->consumer->light_bytes;

        return !atomic_load(&partition->sight->largest) && bytes <= light_bytes &&
               count * (bytes + WEIR_MESSAGE_BYTES) > light_bytes * SEVERAL &&
               atomic_fetch_add(&partition->sight->unsure, 1) < FIRST_COUNT;
}

void weir_sight_see(struct weir_partition *partition, uint64_t bytes)
{
        uint64_t most = partition->consumer->light_bytes / ODD_PART;
        uint64_t counted = bytes + WEIR_MESSAGE_BYTES;
        int64_t more;
        size_t count;

        partition->read_count += partition->read_count < MEAN_COUNT;
        more = (int64_t)(counted < most ? counted : most) - (int64_t)partition->mean_bytes;
        partition->mean_bytes += more / (int64_t)partition->read_count;
        if (bytes <= atomic_load_explicit(&partition->sight->largest, memory_order_relaxed))
                return;
        count = rd_kafka_queue_length(partition->queue);
        if (is_unsure(partition, bytes, count))
                return;
        weir_sight_hold(partition, count);
        raise(partition, bytes);
}

void weir_sight_hold(struct weir_partition *partition, size_t count)
{
        uint64_t bytes = count * partition->mean_bytes;

        if (bytes > partition->consumer->light_bytes * SEVERAL)
                raise(partition, bytes);
}

void weir_sight_gauge(struct weir_partition *partition, uint64_t bytes, uint64_t count)
{
        uint64_t light_bytes = partition->consumer->light_bytes;

        if (count && (bytes / count > light_bytes || bytes > light_bytes * SEVERAL))
                raise(partition, bytes > light_bytes * SEVERAL ? bytes : bytes / count);
}

static void weigh(struct weir_consumer *consumer, int64_t now_us)
{
        for (struct weir_sight *sight = consumer->sights; sight; sight = sight->next) {
                uint64_t largest = atomic_load(&sight->largest), left = largest;

                sight->bytes = weir_weight_reckon(&sight->weight, &left, now_us);
                if (left != largest) /* a larger one came meanwhile: it stays */
                        atomic_compare_exchange_strong(&sight->largest, &largest, left);
                if (!sight->bytes)
                        sight->bytes = UNKNOWN_BYTES;
        }
}

/* Where the client stands, asked while the lane cannot have asked for anything else. -1 = it does not say. */
static int64_t stand(struct weir_partition *partition)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        int64_t offset = -1;

        if (!list)
                return -1;
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number);
        if (!rd_kafka_position(partition->consumer->rk, list) && !list->elems[0].err)
                offset = list->elems[0].offset;
        rd_kafka_topic_partition_list_destroy(list);
        return offset < 0 ? -1 : offset;
}

static size_t queued(struct weir_partition *partition)
{
        rd_kafka_queue_t *queue;
        size_t count;

        pthread_mutex_lock(&partition->mutex);
        queue = partition->renewed ? partition->renewed : partition->queue;
        count = queue ? rd_kafka_queue_length(queue) : 0;
        pthread_mutex_unlock(&partition->mutex);
        return count;
}

static bool is_over(struct weir_partition *partition, int64_t now_us)
{
        int64_t next_offset = atomic_load(&partition->next_offset);
        int64_t end_offset = atomic_load(&partition->end_offset);
        int64_t elapsed_us = now_us - partition->turn_us;

        if (atomic_load(&partition->finished))
                return true;
        if (!partition->in_client)
                return elapsed_us >= LIMIT_US;
        /* Not where it is past the end: either more was written since, and the end will be heard; or the log was
         * shortened, and the broker will say so. */
        if (end_offset >= 0 && !queued(partition) && !weir_partition_owes(partition) &&
            (next_offset == end_offset ||
             (next_offset < end_offset && stand(partition) == end_offset))) {
                partition->dry_end = end_offset;
                return true;
        }
        if (next_offset > partition->turn_offset)
                return elapsed_us >= QUANTUM_US;
        return elapsed_us >= LIMIT_US && now_us - atomic_load(&partition->waits_us) >= WAITS_US;
}

static bool does_want(struct weir_partition *partition)
{
        int64_t end_offset = atomic_load(&partition->end_offset);
        bool asks = partition->plan == WEIR_WANT_FETCH || atomic_load(&partition->hungry);

        if (partition->plan == WEIR_WANT_FETCH)
                partition->dry_end = -1;
        if (!asks || atomic_load(&partition->finished))
                return false;
        return end_offset < 0 || weir_partition_owes(partition) ||
               (end_offset != partition->dry_end &&
                end_offset != atomic_load(&partition->next_offset));
}

/* @partition is to be fetched, and so large that it takes turns. */
static void ready(struct weir_partition *partition, int64_t now_us)
{
        struct weir_turn *turn = &partition->turn;

        turn->bytes = partition->sight->bytes;
        turn->runs = turn->runs || partition->in_client;
        turn->over = turn->runs && is_over(partition, now_us);
        turn->wants = does_want(partition);
}

static void begin(struct weir_partition *partition, bool ran, int64_t now_us)
{
        if (partition->turn.runs == ran)
                return;
        if (ran) {
                partition->turn.since_us = now_us;
                return;
        }
        partition->turn_us = now_us;
        partition->turn_offset = partition->plan == WEIR_WANT_FETCH
                                         ? partition->plan_offset
                                         : atomic_load(&partition->next_offset);
}

static void report(const struct weir_consumer *consumer, size_t count)
{
        size_t in = 0;

        for (size_t i = 0; i < count; i++)
                in += consumer->turns[i]->runs;
        weir_log(WEIR_LOG_DEBUG, "kafka.turns", LOG_S("client", consumer->client_id),
                 LOG_I("large", count), LOG_I("fetching", in));
}

void weir_heavy_put_out(struct weir_partition *partition)
{
        int64_t offset = stand(partition);

        pthread_mutex_lock(&partition->mutex);
        if (partition->request == partition->plan_request &&
            partition->phase == WEIR_PHASE_FETCHING) {
                partition->phase = WEIR_PHASE_OUT;
                partition->left_offset = offset;
                atomic_store(&partition->hungry, false);
                weir_partition_attend(partition);
                if (partition->queue)
                        rd_kafka_queue_yield(partition->queue);
        }
        pthread_mutex_unlock(&partition->mutex);
}

/* It reads on: its partition is in the client after all, because that refused to give it up, or its records are small now. */
static void stay(struct weir_partition *partition)
{
        if (!atomic_load(&partition->attention))
                return;
        pthread_mutex_lock(&partition->mutex);
        if (partition->phase == WEIR_PHASE_OUT) {
                partition->phase = WEIR_PHASE_FETCHING;
                weir_partition_attend(partition);
                pthread_cond_broadcast(&partition->cond);
        }
        pthread_mutex_unlock(&partition->mutex);
}

/* HV5: has the lane told how far it is? */
static bool is_at_rest(const struct weir_partition *partition, int64_t now_us)
{
        return partition->plan != WEIR_WANT_NOTHING || !partition->in_client ||
               atomic_load(&partition->finished) || now_us - partition->leave_us >= REST_US ||
               (atomic_load(&partition->hungry) && !atomic_load(&partition->held));
}

/* Those whose turn is over leave together, when all of them can. */
static void leave(struct weir_consumer *consumer, int64_t now_us)
{
        bool rest = true;

        for (size_t i = 0; i < consumer->partition_count && rest; i++)
                rest = !consumer->partitions[i]->leaving ||
                       is_at_rest(consumer->partitions[i], now_us);
        for (size_t i = 0; i < consumer->partition_count && rest; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                partition->turn.runs = partition->turn.runs && !partition->leaving;
                partition->leaving = false;
        }
        consumer->leaving = !rest;
}

static void choose(struct weir_consumer *consumer, size_t count, int64_t now_us)
{
        if (consumer->leaving) {
                leave(consumer, now_us);
                return;
        }
        if (!weir_turns_choose(consumer->turns, count, count * consumer->light_bytes))
                return;
        report(consumer, count);
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                /* Not one that was found to be too large (TU4): it goes at once. */
                if (!partition->ran || partition->turn.runs || !partition->over ||
                    partition->plan != WEIR_WANT_NOTHING || !partition->in_client)
                        continue;
                weir_heavy_put_out(partition);
                partition->leave_us = now_us;
                partition->turn.runs = partition->leaving = consumer->leaving = true;
        }
}

void weir_heavy_choose(struct weir_consumer *consumer, int64_t now_us)
{
        size_t count = 0;
        bool waits = false, wants = false;

        weigh(consumer, now_us);
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];
                bool fetched = partition->plan == WEIR_WANT_FETCH ||
                               (partition->plan == WEIR_WANT_NOTHING &&
                                (partition->in_client || partition->out));
                bool heavy = consumer->fetch_bytes &&
                             partition->sight->bytes > consumer->light_bytes;

                partition->ran = partition->turn.runs;
                if (fetched && heavy) {
                        ready(partition, now_us);
                        partition->ran = partition->turn.runs;
                        consumer->turns[count++] = &partition->turn;
                } else {
                        partition->turn.runs = fetched;
                        partition->turn.wants = partition->leaving = false;
                }
                partition->over = partition->turn.over;
        }
        choose(consumer, count, now_us);
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                begin(partition, partition->ran, now_us);
                if (partition->in_client && partition->turn.runs && !partition->leaving)
                        stay(partition);
                waits |= !partition->turn.runs && partition->plan != WEIR_WANT_HALT &&
                         (partition->plan == WEIR_WANT_FETCH || partition->in_client ||
                          partition->out);
                wants |= !partition->turn.runs && partition->turn.wants;
        }
        if (consumer->leaving)
                consumer->turns_due_us = now_us + LOOK_US;
        else
                consumer->turns_due_us = !waits ? INT64_MAX
                                                : now_us + (wants ? LOOK_US : IDLE_LOOK_US);
}
