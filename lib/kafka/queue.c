/* SPDX-License-Identifier: MIT */
/*
 * queue - one partition's records on their way from the client to its lane
 *
 * A full assign restarts every partition at the offset its lane reads next; what arrives twice across it is dropped
 * here, and nothing is skipped. Until the assign that a lane asked for was carried out, read() waits.
 *
 * Always true   PA1 read() returns offsets in growing order, none below the last fetch, and
 *                   nothing that was fetched before it.
 *               PA2 next_offset never runs ahead of what read() returned: an assign that takes it
 *                   as its offset loses nothing. It may lag by one record: that one is dropped.
 *               PA5 read() returns no offset beyond the end of the log. What stands before the CRC of a record
 *                   batch is not under it, the base offset too (Kafka's message format, record batch): a bit
 *                   that changes there on the way, without TLS, gives records another offset, and a position that
 *                   follows them skips what lies between.
 *               PA6 a gap is believed when a second reading shows it too: the same bit gives an offset that the log has,
 *                   and what lies before it would be skipped without a word. A log that has gaps (transactions,
 *                   compaction) is known by its first one: each partition pays for one reading.
 * The race      1. lane pops offset 7  2. poll thread assigns all at next_offset = 7
 *               3. lane sets next_offset = 8  4. 7 is fetched again: below 8, dropped.
 * Not chosen    believing m->offset of an error message: after a CRC error it is read from
 *               payload bytes (6216466417953494345 was seen), and fetching goes on there.
 *               rd_kafka_seek(): _STATE in an eager group after an error.
 *               The batch calls: they lose messages across rebalances (librdkafka 2.0.x).
 * Threads       lane, except where a function says any or poll.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "kafka/compat.h"
#include "kafka/consumer_internal.h"

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
        weir_partition_attend(partition);
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

/* @takes partition->mutex, held, or nobody else has the partition. The client must not write to a descriptor that is
 * another's by then. */
void weir_partition_unwatch(rd_kafka_queue_t *queue)
{
        rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Wait until the queue may be read. 1 = yes, 0 = nothing now, < 0 = broken. */
static int attend(struct weir_partition *partition, int64_t deadline_us, struct weir_error *reterr)
{
        rd_kafka_queue_t *old = NULL;
        bool woken;
        int r = 0;

        pthread_mutex_lock(&partition->mutex);
        if (!atomic_exchange(&partition->hungry, true) && partition->phase == WEIR_PHASE_OUT) {
                pthread_mutex_unlock(&partition->mutex);
                atomic_store(&partition->consumer->requests, true); /* it may be waited for */
                weir_consumer_wake(partition->consumer);
                pthread_mutex_lock(&partition->mutex);
        }
        while ((partition->phase == WEIR_PHASE_IDLE || partition->phase == WEIR_PHASE_WAITING ||
                partition->phase == WEIR_PHASE_OUT) &&
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
        weir_partition_attend(partition);
        if (partition->phase == WEIR_PHASE_BROKEN && !partition->revoked) {
                if (reterr)
                        *reterr = partition->broken;
                r = partition->broken.code;
        } else if (partition->phase == WEIR_PHASE_FETCHING && !partition->revoked && !woken) {
                r = 1;
        }
        pthread_mutex_unlock(&partition->mutex);
        if (old) {
                weir_partition_unwatch(old);
                rd_kafka_queue_destroy(old);
        }
        return r;
}

static int break_off(struct weir_partition *partition, const struct weir_error *error,
                     struct weir_error *reterr)
{
        if (reterr)
                *reterr = *error;
        pthread_mutex_lock(&partition->mutex);
        partition->broken = *error;
        pthread_mutex_unlock(&partition->mutex);
        /* Out of the assignment: librdkafka may repeat the error thousands of times a second. */
        weir_partition_request(partition, WEIR_WANT_HALT, WEIR_PHASE_BROKEN, -1);
        return error->code;
}

/* PA5. The end came with the record, or later; the client is asked where what was heard does not suffice. An end
 * that is older than the record, of a leader that is not told all yet, costs a second reading. */
static bool is_beyond_end(struct weir_partition *partition, int64_t offset)
{
        int64_t start_offset, end_offset;

        if (offset < partition->heard_end)
                return false;
        if (rd_kafka_get_watermark_offsets(partition->consumer->rk, partition->topic,
                                           partition->number, &start_offset, &end_offset) ||
            end_offset < 0)
                return false;
        partition->heard_end = end_offset;
        return offset >= end_offset;
}

static int break_beyond_end(struct weir_partition *partition, int64_t offset,
                            struct weir_error *reterr)
{
        struct weir_error error;

        weir_fail(
                &error, WEIR_ELOG, (int)RD_KAFKA_RESP_ERR__BAD_MSG,
                "topic %s partition %d: reading stopped at offset %lld: the next record came as offset "
                "%lld, and the log ends at %lld; the network altered it, which TLS would notice",
                partition->topic, (int)partition->number,
                (long long)atomic_load(&partition->next_offset), (long long)offset,
                (long long)partition->heard_end);
        return break_off(partition, &error, reterr);
}

/* PA6. @offset is not the one that comes next, @next_offset. */
static bool is_gap(struct weir_partition *partition, int64_t next_offset, int64_t offset)
{
        if (!partition->has_gaps) {
                partition->has_gaps = partition->gap_start == next_offset &&
                                      partition->gap_end == offset;
                partition->gap_start = next_offset;
                partition->gap_end = offset;
        }
        return partition->has_gaps;
}

/* The second reading found a record where the first one had a gap. */
static void note_altered(struct weir_partition *partition, int64_t offset)
{
        if (partition->has_gaps || offset < partition->gap_start || offset >= partition->gap_end)
                return;
        weir_log(WEIR_LOG_WARN, "kafka.offset_altered", LOG_S("topic", partition->topic),
                 LOG_I("partition", partition->number), LOG_I("offset", partition->gap_start),
                 LOG_I("came_as", partition->gap_end), LOG_S("action", "read again"),
                 LOG_S("next", "the network alters what it carries: TLS would notice"));
        partition->gap_end = -1;
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
        return break_off(partition, &error, reterr);
}

/* Sleep until something is put into the queue, somebody yields it, or @deadline_us. */
static void watch(struct weir_partition *partition, int64_t deadline_us)
{
        static const uint64_t one = 1;
        int64_t left_ms;

        weir_latch_clear(&partition->filled);
        /* Anew each time: the client writes once, and then not before somebody reads from the queue. */
        rd_kafka_queue_io_event_enable(partition->queue, partition->filled.fd, &one, sizeof one);
        left_ms = (deadline_us - weir_clock_us() + 999) / 1000;
        if (left_ms > 0 && !rd_kafka_queue_length(partition->queue) &&
            !atomic_load(&partition->attention))
                weir_latch_wait(&partition->filled, left_ms);
}

int weir_partition_await(struct weir_partition *partition, int timeout_ms,
                         struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;
        size_t count;
        int r = 0;

        WEIR_ON(WEIR_ROLE_LANE);
        if (!weir_partition_enter(partition))
                return 0;
        for (;;) {
                if (atomic_load(&partition->attention)) {
                        r = attend(partition, deadline_us, reterr);
                        if (r != 1)
                                break;
                }
                count = rd_kafka_queue_length(partition->queue);
                if (count)
                        weir_sight_hold(partition, count);
                r = count > 0;
                if (r || weir_clock_us() >= deadline_us)
                        break;
                watch(partition, deadline_us);
        }
        weir_partition_exit(partition);
        return r;
}

int weir_partition_read(struct weir_partition *partition, int timeout_ms, struct weir_record *ret,
                        struct weir_error *reterr)
{
        int64_t deadline_us = timeout_ms > 0 ? weir_clock_us() + timeout_ms * 1000LL : 0;
        int r = 0;

        WEIR_ON(WEIR_ROLE_LANE);
        if (!weir_partition_enter(partition))
                return 0;
        for (int wait_ms = timeout_ms;;) {
                rd_kafka_message_t *message;
                int64_t next_offset;

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
                next_offset = atomic_load(&partition->next_offset);
                if (message->offset < next_offset) {
                        rd_kafka_message_destroy(message);
                        continue;
                }
                if (is_beyond_end(partition, message->offset)) {
                        r = break_beyond_end(partition, message->offset, reterr);
                        rd_kafka_message_destroy(message);
                        break;
                }
                if (message->offset > next_offset &&
                    !is_gap(partition, next_offset, message->offset)) {
                        rd_kafka_message_destroy(message);
                        weir_partition_request(partition, WEIR_WANT_FETCH, WEIR_PHASE_WAITING,
                                               next_offset);
                        continue;
                }
                note_altered(partition, message->offset);
                if (weir_compat_has_epochs())
                        atomic_store(&partition->leader_epoch,
                                     rd_kafka_message_leader_epoch(message));
                weir_record_fill(ret, partition, message);
                atomic_store(&partition->next_offset, message->offset + 1);
                r = 1;
                break;
        }
        weir_partition_exit(partition);
        return r;
}

/* ---- beside the reading --------------------------------------------------------------------- */

/* @thread any. */
void weir_partition_wake(struct weir_partition *partition)
{
        pthread_mutex_lock(&partition->mutex);
        partition->woken = true;
        weir_partition_attend(partition); /* await() sees no yield, only this */
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

        if (!weir_partition_enter(self))
                return 0;
        if (self->queue)
                count = rd_kafka_queue_length(self->queue);
        weir_partition_exit(self);
        return count;
}

void weir_partition_waits(struct weir_partition *partition)
{
        atomic_store_explicit(&partition->waits_us, weir_clock_us(), memory_order_relaxed);
}

void weir_partition_starves(struct weir_partition *partition)
{
        if (!atomic_exchange(&partition->consumer->starving, true))
                weir_consumer_wake(partition->consumer);
}
