/* SPDX-License-Identifier: MIT */
/*
 * partition - what a lane holds: a queue to read, a position, a way to say how far it is
 *
 * Fetching is started and revived by the poll thread only (an eager group refuses seek and
 * incremental assigns), so a lane files a request and read() waits until it was carried out.
 * A full assign restarts every partition at the offset its lane reads next; what arrives twice
 * across it is dropped here, and nothing is skipped.
 *
 * Always true   PA1 read() returns offsets in growing order, none below the last fetch, and
 *                   nothing that was fetched before it.
 *               PA2 next_offset never runs ahead of what read() returned: an assign that takes it
 *                   as its offset loses nothing. It may lag by one record: that one is dropped.
 *               PA3 no thread is inside librdkafka for this partition once strip() said true.
 *               PA4 a list that went through offsets_store is freed before the client is
 *                   destroyed: one that is not makes rd_kafka_destroy() wait for ever.
 * The race      1. lane pops offset 7  2. poll thread assigns all at next_offset = 7
 *               3. lane sets next_offset = 8  4. 7 is fetched again: below 8, dropped.
 * Not chosen    believing m->offset of an error message: after a CRC error it is read from
 *               payload bytes (6216466417953494345 was seen), and fetching goes on there.
 *               rd_kafka_seek(): _STATE in an eager group after an error.
 *               The batch calls: they lose messages across rebalances (librdkafka 2.0.x).
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
        if (!partition->topic || !partition->stored || !partition->asked) {
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

/* Both sides are sequentially consistent: see the comment on @inside. */
static bool enter(struct weir_partition *partition)
{
        atomic_fetch_add(&partition->inside, 1);
        if (!atomic_load(&partition->gone))
                return true;
        atomic_fetch_sub(&partition->inside, 1);
        return false;
}

static void leave(struct weir_partition *partition)
{
        atomic_fetch_sub(&partition->inside, 1);
}

/* @takes nothing; caller holds mutex. */
static void set_attention(struct weir_partition *partition)
{
        atomic_store(&partition->attention, partition->phase != WEIR_PHASE_FETCHING ||
                                                    partition->renewed || partition->revoked);
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

        if (!enter(partition))
                return fail_gone(partition, reterr);
        r = ask_offset(partition, RD_KAFKA_OFFSET_BEGINNING, deadline_us, &range.start_offset,
                       reterr);
        if (r == 0)
                r = ask_offset(partition, RD_KAFKA_OFFSET_END, deadline_us, &range.end_offset,
                               reterr);
        leave(partition);
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

        if (!enter(partition))
                return fail_gone(partition, reterr);
        r = ask_offset(partition, time_ms < 0 ? 0 : time_ms, deadline_us, &offset, reterr);
        if (r == 0 && offset < 0) /* nothing that late: the end */
                r = ask_offset(partition, RD_KAFKA_OFFSET_END, deadline_us, &offset, reterr);
        leave(partition);
        if (r == 0)
                *ret_offset = offset;
        return r;
}

/* ---- requests to the poll thread ------------------------------------------------------------ */

static void request(struct weir_partition *partition, enum weir_want want, enum weir_phase phase,
                    int64_t offset)
{
        pthread_mutex_lock(&partition->mutex);
        partition->want = want;
        partition->want_offset = offset;
        partition->request++;
        partition->phase = phase;
        if (want == WEIR_WANT_FETCH)
                atomic_store(&partition->next_offset, offset);
        set_attention(partition);
        pthread_mutex_unlock(&partition->mutex);
        atomic_store(&partition->consumer->requests, true);
        weir_consumer_wake(partition->consumer);
}

void weir_partition_fetch(struct weir_partition *partition, int64_t offset)
{
        assert(offset >= 0);
        request(partition, WEIR_WANT_FETCH, WEIR_PHASE_WAITING, offset);
}

void weir_partition_halt(struct weir_partition *partition)
{
        request(partition, WEIR_WANT_HALT, WEIR_PHASE_IDLE, -1);
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
        reading = partition->phase == WEIR_PHASE_FETCHING;
        if (reading) {
                atomic_store(&partition->doubted, true); /* before the lane can read the error */
                partition->broken = *error;
                partition->phase = WEIR_PHASE_BROKEN;
                partition->want = WEIR_WANT_HALT;
                partition->request++;
                set_attention(partition);
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
        if (partition->plan != WEIR_WANT_NOTHING && partition->request == partition->plan_request) {
                partition->want = WEIR_WANT_NOTHING;
                if (partition->plan == WEIR_WANT_FETCH)
                        partition->phase = WEIR_PHASE_FETCHING;
        }
        set_attention(partition);
        pthread_cond_broadcast(&partition->cond);
        pthread_mutex_unlock(&partition->mutex);
        partition->plan = WEIR_WANT_NOTHING;
}

/* @thread poll. A topic that was deleted and made again has another queue behind the same name;
 * and the forward must be off before the assign, or messages reach the group's queue. */
int weir_partition_renew(struct weir_partition *partition, struct weir_error *reterr)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(partition->consumer->rk,
                                                               partition->topic, partition->number);
        rd_kafka_queue_t *unused;

        if (!queue)
                return weir_fail(reterr, WEIR_EKAFKA, (int)rd_kafka_last_error(),
                                 "topic %s partition %d: no queue: %s", partition->topic,
                                 (int)partition->number, rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_queue_forward(queue, NULL);
        pthread_mutex_lock(&partition->mutex);
        unused = partition->renewed;
        partition->renewed = queue;
        set_attention(partition);
        if (partition->queue)
                rd_kafka_queue_yield(partition->queue); /* a lane that waits there comes over */
        pthread_mutex_unlock(&partition->mutex);
        if (unused)
                rd_kafka_queue_destroy(unused);
        return 0;
}

/* @thread poll. librdkafka frees outdated messages only when somebody polls. */
void weir_partition_purge(struct weir_partition *partition)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(partition->consumer->rk,
                                                               partition->topic, partition->number);
        rd_kafka_message_t *message;

        if (!queue)
                return;
        message = rd_kafka_consume_queue(queue, 0);
        if (message)
                rd_kafka_message_destroy(message);
        rd_kafka_queue_destroy(queue);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Wait until the queue may be read. 1 = yes, 0 = nothing now, < 0 = broken. */
static int attend(struct weir_partition *partition, int64_t deadline_us, struct weir_error *reterr)
{
        rd_kafka_queue_t *old = NULL;
        bool woken;
        int r = 0;

        pthread_mutex_lock(&partition->mutex);
        while ((partition->phase == WEIR_PHASE_IDLE || partition->phase == WEIR_PHASE_WAITING) &&
               !partition->woken && !partition->revoked)
                if (!weir_cond_wait_until(&partition->cond, &partition->mutex, deadline_us))
                        break;
        woken = partition->woken;
        partition->woken = false;
        if (partition->renewed) {
                old = partition->queue;
                partition->queue = partition->renewed;
                partition->renewed = NULL;
        }
        set_attention(partition);
        if (partition->phase == WEIR_PHASE_BROKEN && !partition->revoked) {
                if (reterr)
                        *reterr = partition->broken;
                r = partition->broken.code;
        } else if (partition->phase == WEIR_PHASE_FETCHING && !partition->revoked && !woken) {
                r = 1;
        }
        pthread_mutex_unlock(&partition->mutex);
        if (old)
                rd_kafka_queue_destroy(old);
        return r;
}

static int break_partition(struct weir_partition *partition, const rd_kafka_message_t *message,
                           struct weir_error *reterr)
{
        int64_t next_offset = atomic_load(&partition->next_offset);
        struct weir_error error;
        const char *advice;
        int code;

        switch (message->err) {
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
                code = WEIR_ELOG;
                advice = "the log no longer holds that offset";
                break;
        case RD_KAFKA_RESP_ERR__BAD_MSG:
        case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
                code = WEIR_ELOG;
                advice = "the record batch there is damaged, or the network altered it";
                break;
        default:
                code = WEIR_EKAFKA;
                advice = "it is tried again";
                break;
        }
        /* The message's own offset may be garbage (PA1): only ours is named. */
        weir_fail(&error, code, (int)message->err,
                  "topic %s partition %d: reading stopped at offset %lld: %s; %s", partition->topic,
                  (int)partition->number, (long long)next_offset, rd_kafka_message_errstr(message),
                  advice);
        if (reterr)
                *reterr = error;
        pthread_mutex_lock(&partition->mutex);
        partition->broken = error;
        pthread_mutex_unlock(&partition->mutex);
        /* Out of the assignment: librdkafka may repeat the error thousands of times a second. */
        request(partition, WEIR_WANT_HALT, WEIR_PHASE_BROKEN, -1);
        return code;
}

static void fill(struct weir_partition *partition, rd_kafka_message_t *message,
                 struct weir_record *ret)
{
        *ret = (struct weir_record){
                .topic = partition->topic,
                .partition = partition->number,
                .offset = message->offset,
                .time_ms = rd_kafka_message_timestamp(message, NULL),
                .key = { message->key, message->key_len },
                .value = { message->payload, message->len },
                .message = message,
                .from = partition,
        };
        atomic_fetch_add_explicit(&partition->held, 1, memory_order_relaxed);
        atomic_store_explicit(&partition->read_time_ms, ret->time_ms, memory_order_relaxed);
}

int weir_partition_read(struct weir_partition *partition, int timeout_ms, struct weir_record *ret,
                        struct weir_error *reterr)
{
        int64_t deadline_us = timeout_ms > 0 ? weir_clock_us() + timeout_ms * 1000LL : 0;
        int r = 0;

        WEIR_ON(WEIR_ROLE_LANE);
        if (!enter(partition))
                return 0;
        for (int wait_ms = timeout_ms;;) {
                rd_kafka_message_t *message;

                if (atomic_load(&partition->attention)) {
                        r = attend(partition, deadline_us, reterr);
                        if (r != 1)
                                break;
                        wait_ms = deadline_us ? (int)((deadline_us - weir_clock_us()) / 1000) : 0;
                        r = 0;
                }
                message = rd_kafka_consume_queue(partition->queue, wait_ms > 0 ? wait_ms : 0);
                if (!message) {
                        /* Yielded because the queue was renewed: read on there. */
                        if (!atomic_load(&partition->attention) || weir_clock_us() >= deadline_us)
                                break;
                        continue;
                }
                if (message->err) {
                        r = break_partition(partition, message, reterr);
                        rd_kafka_message_destroy(message);
                        break;
                }
                if (message->offset < atomic_load(&partition->next_offset)) {
                        rd_kafka_message_destroy(message);
                        continue;
                }
                if (weir_compat_has_epochs())
                        atomic_store(&partition->leader_epoch,
                                     rd_kafka_message_leader_epoch(message));
                fill(partition, message, ret);
                atomic_store(&partition->next_offset, message->offset + 1);
                r = 1;
                break;
        }
        leave(partition);
        return r;
}

static bool copy_header(struct weir_arena *arena, const char *name, const void *value, size_t size,
                        struct weir_header *ret)
{
        size_t name_size = strlen(name) + 1;
        char *copy = weir_arena_alloc(arena, name_size + size + 1);

        if (!copy)
                return false;
        memcpy(copy, name, name_size);
        if (size)
                memcpy(copy + name_size, value, size);
        copy[name_size + size] = '\0';
        *ret = (struct weir_header){ copy, value ? copy + name_size : NULL, value ? size : 0 };
        return true;
}

/* librdkafka makes a heap object of each header when it is first asked and frees them with the record, by then
 * cold and by the thousand: a third of a lane's CPU time (measured). Copied out and freed at once, it is the same few
 * pieces of warm memory for every record. */
int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        rd_kafka_headers_t *list = NULL;
        size_t count;
        int r = 0;

        if (!record->message) /* made of a kept record: they came with it */
                return 0;
        record->headers = NULL;
        record->header_count = 0;
        if (rd_kafka_message_detach_headers(record->message, &list))
                return 0; /* _NOENT: none */
        count = rd_kafka_header_cnt(list);
        record->headers = weir_arena_alloc(arena, count * sizeof *record->headers);
        for (size_t i = 0; i < count && r == 0; i++) {
                const char *name;
                const void *value;
                size_t size;

                if (rd_kafka_header_get_all(list, i, &name, &value, &size))
                        break;
                if (record->headers && copy_header(arena, name, value, size, &record->headers[i]))
                        record->header_count++;
                else
                        r = WEIR_ENOMEM;
        }
        rd_kafka_headers_destroy(list);
        return r;
}

void weir_record_release(struct weir_record *record)
{
        if (!record->message)
                return;
        rd_kafka_message_destroy(record->message);
        record->message = NULL;
        if (record->from)
                atomic_fetch_sub_explicit(&record->from->held, 1, memory_order_release);
        record->from = NULL;
}

/* @thread any. */
void weir_partition_wake(struct weir_partition *partition)
{
        pthread_mutex_lock(&partition->mutex);
        partition->woken = true;
        pthread_cond_broadcast(&partition->cond);
        if (partition->queue)
                rd_kafka_queue_yield(partition->queue);
        pthread_mutex_unlock(&partition->mutex);
}

size_t weir_partition_queued(const struct weir_partition *partition)
{
        /* enter() counts; the partition itself is not changed. */
        struct weir_partition *self = (struct weir_partition *)partition;
        size_t count = 0;

        if (!enter(self))
                return 0;
        if (self->queue)
                count = rd_kafka_queue_length(self->queue);
        leave(self);
        return count;
}

void weir_partition_starves(struct weir_partition *partition)
{
        if (!atomic_exchange(&partition->consumer->starving, true))
                weir_consumer_wake(partition->consumer);
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

void weir_partition_store(struct weir_partition *partition, int64_t next_offset)
{
        if (!enter(partition))
                return;
        pthread_mutex_lock(&partition->mutex);
        if (!partition->lost) {
                bool taken = store_locked(partition, next_offset);

                partition->owed_offset = taken ? -1 : next_offset;
                if (!taken)
                        atomic_store(&partition->consumer->owing, true);
        }
        pthread_mutex_unlock(&partition->mutex);
        leave(partition);
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

        if (!enter(partition))
                return -1;
        /* Between a fetch and its assign the client still speaks of the old place. */
        if (!atomic_load(&partition->attention)) {
                partition->asked->elems[0].offset = RD_KAFKA_OFFSET_INVALID;
                partition->asked->elems[0].err = RD_KAFKA_RESP_ERR_NO_ERROR;
                if (!rd_kafka_position(partition->consumer->rk, partition->asked) &&
                    !partition->asked->elems[0].err)
                        offset = partition->asked->elems[0].offset;
        }
        leave(partition);
        return offset < 0 ? -1 : offset;
}

/* ---- the end, poll thread ------------------------------------------------------------------- */

void weir_partition_revoke(struct weir_partition *partition, bool lost)
{
        pthread_mutex_lock(&partition->mutex);
        atomic_store(&partition->lost, partition->lost || lost);
        atomic_store(&partition->revoked, true);
        set_attention(partition);
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
                if (partition->queue)
                        rd_kafka_queue_destroy(partition->queue);
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
