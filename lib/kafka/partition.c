/* SPDX-License-Identifier: MIT */
/*
 * partition - what a lane holds: its place in the log, what it asks for, a way to say how far it is
 *
 * Fetching is started and revived by the poll thread only (an eager group refuses seek and
 * incremental assigns), so a lane files a request here, and what it reads (queue.c) waits until the request
 * was carried out. A request has a number: one that is made while an assign is under way outlives it.
 *
 * Always true   PA3 no thread is inside librdkafka for this partition once strip() said true.
 *               PA4 a list that went through offsets_store is freed before the client is
 *                   destroyed: one that is not makes rd_kafka_destroy() wait for ever.
 * The race      1. lane raises inside, sees gone unset  2. poll thread sets gone, looks at inside: not stripped
 *               3. lane stores its offset and lowers inside  4. the next sweep strips. The other way round the
 *               lane sees gone and calls nothing. Both sides are sequentially consistent for this.
 * Threads       lane, except where a function says any or poll.
 */
#include "kafka/consumer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "kafka/compat.h"

struct weir_partition *weir_partition_new(struct weir_consumer *consumer, const char *topic,
                                          int32_t number)
{
        struct weir_partition *partition = calloc(1, sizeof *partition);

        if (!partition)
                return NULL;
        partition->topic = strdup(topic);
        partition->stored = rd_kafka_topic_partition_list_new(1);
        partition->asked = rd_kafka_topic_partition_list_new(1);
        partition->sight = weir_sight_get(consumer, topic);
        if (!partition->topic || !partition->stored || !partition->asked || !partition->sight ||
            weir_latch_init(&partition->filled) < 0) {
                if (partition->stored)
                        rd_kafka_topic_partition_list_destroy(partition->stored);
                if (partition->asked)
                        rd_kafka_topic_partition_list_destroy(partition->asked);
                free(partition->topic);
                free(partition);
                return NULL;
        }
        rd_kafka_topic_partition_list_add(partition->stored, topic, number);
        rd_kafka_topic_partition_list_add(partition->asked, topic, number);
        pthread_mutex_init(&partition->mutex, NULL);
        weir_cond_init(&partition->cond);
        partition->number = number;
        partition->refs = 1;
        partition->attention = true;
        partition->owed_offset = -1;
        partition->left_offset = -1;
        partition->dry_end = -1;
        partition->gap_end = -1;
        partition->next_offset = -1;
        partition->end_offset = -1;
        partition->leader_epoch = -1;
        partition->consumer = consumer;
        atomic_fetch_add(&consumer->refs, 1);
        return partition;
}

void weir_partition_ref(struct weir_partition *partition)
{
        atomic_fetch_add(&partition->refs, 1);
}

void weir_partition_unref(struct weir_partition *partition)
{
        if (!partition || atomic_fetch_sub(&partition->refs, 1) != 1)
                return;
        /* The registry's reference goes last, after strip(): no handle is left. */
        assert(!partition->queue && !partition->renewed && !partition->stored);
        pthread_cond_destroy(&partition->cond);
        pthread_mutex_destroy(&partition->mutex);
        weir_latch_fini(&partition->filled);
        weir_consumer_unref(partition->consumer);
        free(partition->topic);
        free(partition);
}

const char *weir_partition_topic(const struct weir_partition *partition)
{
        return partition->topic;
}

int32_t weir_partition_number(const struct weir_partition *partition)
{
        return partition->number;
}

void weir_partition_set_owner(struct weir_partition *partition, void *owner)
{
        atomic_store(&partition->owner, owner);
}

void *weir_partition_owner(const struct weir_partition *partition)
{
        return atomic_load(&partition->owner);
}

bool weir_partition_revoked(const struct weir_partition *partition)
{
        return atomic_load_explicit(&partition->revoked, memory_order_relaxed);
}

int64_t weir_partition_end(const struct weir_partition *partition)
{
        return atomic_load_explicit(&partition->end_offset, memory_order_relaxed);
}

/* ---- where the log is ----------------------------------------------------------------------- */

static int ask_offset(struct weir_partition *partition, int64_t time, int64_t deadline_us,
                      int64_t *ret, struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        int r;

        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "offsets of topic %s partition %d",
                                 partition->topic, (int)partition->number);
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset = time;
        r = weir_client_offsets(partition->consumer->rk, &partition->consumer->log, list,
                                deadline_us, &partition->revoked, reterr);
        if (r == 0)
                *ret = list->elems[0].offset;
        rd_kafka_topic_partition_list_destroy(list);
        return r;
}

static int fail_gone(const struct weir_partition *partition, struct weir_error *reterr)
{
        return weir_fail(reterr, WEIR_ESTOP, 0, "topic %s partition %d: given back to the group",
                         partition->topic, (int)partition->number);
}

int weir_partition_range(struct weir_partition *partition, int timeout_ms,
                         struct weir_log_range *ret, struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;
        struct weir_log_range range;
        int r;

        if (!weir_partition_enter(partition))
                return fail_gone(partition, reterr);
        r = ask_offset(partition, RD_KAFKA_OFFSET_BEGINNING, deadline_us, &range.start_offset,
                       reterr);
        if (r == 0)
                r = ask_offset(partition, RD_KAFKA_OFFSET_END, deadline_us, &range.end_offset,
                               reterr);
        weir_partition_exit(partition);
        if (r < 0)
                return r;
        atomic_store(&partition->end_offset, range.end_offset);
        *ret = range;
        return 0;
}

int weir_partition_offset_at(struct weir_partition *partition, int64_t time_ms, int timeout_ms,
                             int64_t *ret_offset, struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;
        int64_t offset;
        int r;

        if (!weir_partition_enter(partition))
                return fail_gone(partition, reterr);
        r = ask_offset(partition, time_ms < 0 ? 0 : time_ms, deadline_us, &offset, reterr);
        if (r == 0 && offset < 0) /* nothing that late: the end */
                r = ask_offset(partition, RD_KAFKA_OFFSET_END, deadline_us, &offset, reterr);
        weir_partition_exit(partition);
        if (r == 0)
                *ret_offset = offset;
        return r;
}

/* ---- requests to the poll thread ------------------------------------------------------------ */

void weir_partition_request(struct weir_partition *partition, enum weir_want want,
                            enum weir_phase phase, int64_t offset)
{
        pthread_mutex_lock(&partition->mutex);
        partition->want = want;
        partition->want_offset = offset;
        partition->request++;
        partition->phase = phase;
        partition->left_offset = -1;
        if (want == WEIR_WANT_FETCH)
                atomic_store(&partition->next_offset, offset);
        weir_partition_attend(partition);
        pthread_mutex_unlock(&partition->mutex);
        atomic_store(&partition->consumer->requests, true);
        weir_consumer_wake(partition->consumer);
}

void weir_partition_fetch(struct weir_partition *partition, int64_t offset)
{
        assert(offset >= 0);
        partition->heard_end = 0; /* that of a log which was cut, or made anew, is another */
        partition->gap_end = -1;
        weir_partition_request(partition, WEIR_WANT_FETCH, WEIR_PHASE_WAITING, offset);
}

void weir_partition_halt(struct weir_partition *partition)
{
        weir_partition_request(partition, WEIR_WANT_HALT, WEIR_PHASE_IDLE, -1);
}

void weir_partition_finish(struct weir_partition *partition)
{
        atomic_store(&partition->finished, true);
}

/* @thread poll. */
bool weir_partition_take(struct weir_partition *partition)
{
        pthread_mutex_lock(&partition->mutex);
        partition->plan = partition->want;
        partition->plan_offset = partition->want_offset;
        partition->plan_request = partition->request;
        pthread_mutex_unlock(&partition->mutex);
        return partition->plan != WEIR_WANT_NOTHING;
}

/* @thread poll. */
void weir_partition_doubt(struct weir_partition *partition, const struct weir_error *error)
{
        bool reading;

        pthread_mutex_lock(&partition->mutex);
        reading = partition->phase == WEIR_PHASE_FETCHING || partition->phase == WEIR_PHASE_OUT;
        if (reading) {
                atomic_store(&partition->doubted, true); /* before the lane can read the error */
                partition->broken = *error;
                partition->phase = WEIR_PHASE_BROKEN;
                partition->want = WEIR_WANT_HALT;
                partition->request++;
                weir_partition_attend(partition);
                if (partition->queue)
                        rd_kafka_queue_yield(partition->queue);
        }
        pthread_mutex_unlock(&partition->mutex);
        if (reading)
                atomic_store(&partition->consumer->requests, true);
}

/* @thread poll. A request made after take() stays, and read() goes on waiting for it. */
void weir_partition_planned(struct weir_partition *partition)
{
        pthread_mutex_lock(&partition->mutex);
        if (partition->plan != WEIR_WANT_NOTHING && partition->request == partition->plan_request &&
            (partition->in_client || partition->plan == WEIR_WANT_HALT)) {
                partition->want = WEIR_WANT_NOTHING;
                if (partition->plan == WEIR_WANT_FETCH)
                        partition->phase = WEIR_PHASE_FETCHING;
        }
        if (partition->phase == WEIR_PHASE_OUT && partition->in_client)
                partition->phase = WEIR_PHASE_FETCHING;
        weir_partition_attend(partition);
        pthread_cond_broadcast(&partition->cond);
        pthread_mutex_unlock(&partition->mutex);
        partition->plan = WEIR_WANT_NOTHING;
}

/* ---- telling how far ------------------------------------------------------------------------ */

/* Caller holds mutex and is inside. False = librdkafka does not take it now (an assign is under
 * way, or the partition is halted). */
static bool store_locked(struct weir_partition *partition, int64_t next_offset)
{
        rd_kafka_topic_partition_t *element = &partition->stored->elems[0];
        rd_kafka_resp_err_t err;

        /* Never cnt = 0 and add again: the element keeps a reference that would leak (PA4). */
        element->offset = next_offset;
        element->err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (weir_compat_has_epochs())
                rd_kafka_topic_partition_set_leader_epoch(element, partition->leader_epoch);
        err = rd_kafka_offsets_store(partition->consumer->rk, partition->stored);
        return err != RD_KAFKA_RESP_ERR__STATE && element->err != RD_KAFKA_RESP_ERR__STATE;
}

/* Of a consumer without a group there is nothing to be told. */
void weir_partition_store(struct weir_partition *partition, int64_t next_offset)
{
        if (partition->consumer->placed || !weir_partition_enter(partition))
                return;
        pthread_mutex_lock(&partition->mutex);
        if (!partition->lost) {
                bool taken = store_locked(partition, next_offset);

                partition->owed_offset = taken ? -1 : next_offset;
                if (!taken)
                        atomic_store(&partition->consumer->owing, true);
        }
        pthread_mutex_unlock(&partition->mutex);
        weir_partition_exit(partition);
}

bool weir_partition_out(struct weir_partition *partition)
{
        bool out;

        if (!atomic_load_explicit(&partition->attention, memory_order_relaxed))
                return false;
        pthread_mutex_lock(&partition->mutex);
        out = partition->phase == WEIR_PHASE_OUT;
        pthread_mutex_unlock(&partition->mutex);
        return out;
}

/* @thread poll. */
void weir_partition_owe(struct weir_partition *partition, int64_t next_offset)
{
        pthread_mutex_lock(&partition->mutex);
        if (next_offset > partition->owed_offset) {
                partition->owed_offset = next_offset;
                atomic_store(&partition->consumer->owing, true);
        }
        pthread_mutex_unlock(&partition->mutex);
}

/* @thread poll. */
bool weir_partition_owes(struct weir_partition *partition)
{
        bool owes;

        pthread_mutex_lock(&partition->mutex);
        owes = partition->owed_offset >= 0;
        pthread_mutex_unlock(&partition->mutex);
        return owes;
}

/* @thread poll. */
bool weir_partition_repay(struct weir_partition *partition)
{
        bool owed;

        pthread_mutex_lock(&partition->mutex);
        if (partition->owed_offset >= 0 && partition->in_client && !partition->lost &&
            store_locked(partition, partition->owed_offset))
                partition->owed_offset = -1;
        owed = partition->owed_offset >= 0;
        pthread_mutex_unlock(&partition->mutex);
        return owed;
}

int64_t weir_partition_position(struct weir_partition *partition)
{
        int64_t offset = -1;

        if (!weir_partition_enter(partition))
                return -1;
        /* Between a fetch and its assign the client still speaks of the old place. */
        if (!atomic_load(&partition->attention)) {
                partition->asked->elems[0].offset = RD_KAFKA_OFFSET_INVALID;
                partition->asked->elems[0].err = RD_KAFKA_RESP_ERR_NO_ERROR;
                if (!rd_kafka_position(partition->consumer->rk, partition->asked) &&
                    !partition->asked->elems[0].err)
                        offset = partition->asked->elems[0].offset;
        } else {
                pthread_mutex_lock(&partition->mutex);
                if (partition->phase == WEIR_PHASE_OUT) /* HV1 */
                        offset = partition->left_offset;
                pthread_mutex_unlock(&partition->mutex);
        }
        weir_partition_exit(partition);
        return offset < 0 ? -1 : offset;
}

/* ---- the end, poll thread ------------------------------------------------------------------- */

void weir_partition_revoke(struct weir_partition *partition, bool lost)
{
        pthread_mutex_lock(&partition->mutex);
        atomic_store(&partition->lost, partition->lost || lost);
        atomic_store(&partition->revoked, true);
        weir_partition_attend(partition);
        pthread_cond_broadcast(&partition->cond);
        if (partition->queue)
                rd_kafka_queue_yield(partition->queue);
        pthread_mutex_unlock(&partition->mutex);
}

void weir_partition_leave(struct weir_partition *partition)
{
        atomic_store(&partition->gone, true);
}

bool weir_partition_strip(struct weir_partition *partition)
{
        assert(partition->gone);
        if (atomic_load(&partition->inside))
                return false; /* the lane was given up; it may still come back */
        if (partition->stored) {
                rd_kafka_message_t *stale;

                pthread_mutex_lock(&partition->mutex);
                /* One poll frees what was prefetched; destroying the queue alone does not. */
                stale = partition->queue ? rd_kafka_consume_queue(partition->queue, 0) : NULL;
                if (stale)
                        rd_kafka_message_destroy(stale);
                if (partition->queue) {
                        weir_partition_unwatch(partition->queue);
                        rd_kafka_queue_destroy(partition->queue);
                }
                if (partition->renewed)
                        rd_kafka_queue_destroy(partition->renewed);
                rd_kafka_topic_partition_list_destroy(partition->stored);
                rd_kafka_topic_partition_list_destroy(partition->asked);
                partition->queue = partition->renewed = NULL;
                partition->stored = partition->asked = NULL;
                pthread_mutex_unlock(&partition->mutex);
        }
        return atomic_load(&partition->held) == 0;
}
