/* SPDX-License-Identifier: MIT */
/*
 * assign - every change of what is fetched, made by one thread, a few milliseconds each
 *
 * The group gives us a set of partitions; what librdkafka fetches is the part of it whose lanes
 * know where to start. In an eager group the only call that changes it is rd_kafka_assign() with
 * the full list, every partition with its explicit offset. So the requests of lanes are gathered,
 * and one assign restarts all: those that run go on at their lane's next offset.
 *
 * Always true   AS1 a partition is in the list only with an offset that its lane asked for or
 *                   reads next: librdkafka never decides where to read.
 *               AS2 a list that is refused changes nothing and is tried again; lanes wait.
 *               AS3 no call here waits for a broker longer than KICK_TIMEOUT_MS.
 *               AS4 an assign is made only when the stops of the one before are done: a partition
 *                   stopped twice aborts the process (2.0.2: "Assertion rktp_started"). See settle().
 *               AS5 a lane reads, and hears where the client stands, only when those stops are done. Until
 *                   then rd_kafka_position() says where the lane before it stood, and with an empty queue that
 *                   looks like markers to be passed: whatever that lane had read and dropped was lost.
 * The race      1. requests are taken  2. a lane asks again  3. the assign is made
 *               4. planned() sees the newer request and leaves it for the next round.
 * Not chosen    one assign per request: with 64 lanes that start together 64 restarts of all.
 *               rd_kafka_query_watermark_offsets(): ignores its timeout (190 s seen, 2.0.2).
 * Threads       poll only.
 */
#include <string.h>

#include "kafka/consumer_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define GAP_US 20000       /* between two assigns: late lanes are taken along */
#define RETRY_US 100000    /* after a refused one */
#define KICK_US 10000      /* between two kicks while someone starves */
#define REFRESH_US 5000000 /* of log ends, without anybody starving */
#define ENDS_US 100000     /* of log ends, while some wait for their turn (HV4) */
#define KICK_TIMEOUT_MS 100
#define KICK_BACKOFF_US 1000000 /* the broker did not answer */

static void log_refused(const char *what, rd_kafka_resp_err_t err, const char *text)
{
        weir_log(WEIR_LOG_WARN, "kafka.assign_refused", LOG_S("call", what),
                 LOG_S("error", rd_kafka_err2name(err)), LOG_S("text", text),
                 LOG_S("action", "retry"));
}

/*
 * Wait until librdkafka's main thread has stopped what the assign before took out (AS4).
 *
 * An assign queues a stop for each partition and returns; the stop is carried out and answered on
 * the same first-in-first-out queue of that thread, and until the answer is handled the partition
 * counts as started. Two questions that travel on this queue, one after the other, come behind
 * both. No network is asked: tens of microseconds.
 * The race      1. the consumer closes, the last revocation is answered by an assign  2. with that the
 *               group is terminated: 2.0.2 throws its queue away  3. a question on it would wait for
 *               ever. So it is asked before an assign, while librdkafka waits for us, never behind.
 */
static void settle(struct weir_consumer *consumer)
{
        if (!consumer->unsettled)
                return;
        consumer->unsettled = false;
        for (int i = 0; i < 2; i++) {
                rd_kafka_topic_partition_list_t *list = NULL;

                if (!rd_kafka_assignment(consumer->rk, &list) && list)
                        rd_kafka_topic_partition_list_destroy(list);
        }
}

/* The three calls that change what is fetched, and the only places that make them. 0, or 1 =
 * refused (logged). @list NULL = nothing. */
static int set_all(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        rd_kafka_resp_err_t err;

        settle(consumer);
        err = rd_kafka_assign(consumer->rk, list);
        consumer->unsettled = true;
        if (err)
                log_refused("assign", err, rd_kafka_err2str(err));
        return err != 0;
}

static int check_error(struct weir_consumer *consumer, const char *what, rd_kafka_error_t *error)
{
        consumer->unsettled = true;
        if (!error)
                return 0;
        log_refused(what, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return 1;
}

static int take_in(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        settle(consumer);
        return check_error(consumer, "incremental_assign",
                           rd_kafka_incremental_assign(consumer->rk, list));
}

static int take_out(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        settle(consumer);
        return check_error(consumer, "incremental_unassign",
                           rd_kafka_incremental_unassign(consumer->rk, list));
}

static void add(rd_kafka_topic_partition_list_t *list, const struct weir_partition *partition,
                int64_t offset)
{
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)
                ->offset = offset;
}

/* Is @partition fetched once the plan is carried out? From where? */
static bool is_planned(const struct weir_partition *partition, int64_t *ret_offset)
{
        *ret_offset = partition->plan == WEIR_WANT_FETCH ? partition->plan_offset
                                                         : partition->next_offset;
        return partition->turn.runs;
}

/* Does it come, go, or begin anew elsewhere? */
static bool is_changed(const struct weir_partition *partition)
{
        if (partition->plan == WEIR_WANT_HALT || partition->turn.runs != partition->in_client)
                return true;
        return partition->plan == WEIR_WANT_FETCH && partition->turn.runs;
}

static int renew(struct weir_partition *partition)
{
        struct weir_error error;

        if (weir_partition_renew(partition, &error) == 0)
                return 0;
        log_refused("queue_get_partition", (rd_kafka_resp_err_t)error.sys, error.text);
        return 1;
}

static int assign_full(struct weir_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];
                int64_t offset;

                if (!is_planned(partition, &offset))
                        continue;
                if (renew(partition))
                        return 1;
                add(list, partition, offset);
        }
        return set_all(consumer, list);
}

static int assign_changes(struct weir_consumer *consumer, rd_kafka_topic_partition_list_t *out,
                          rd_kafka_topic_partition_list_t *in)
{
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                int64_t offset;

                if (!is_changed(partition))
                        continue;
                if (partition->in_client)
                        add(out, partition, RD_KAFKA_OFFSET_INVALID);
                if (is_planned(partition, &offset)) {
                        if (renew(partition))
                                return 1;
                        add(in, partition, offset);
                }
        }
        if (out->cnt && take_out(consumer, out))
                return 1;
        for (size_t i = 0; i < consumer->partition_count; i++)
                if (is_changed(consumer->partitions[i])) {
                        struct weir_partition *partition = consumer->partitions[i];

                        partition->out = partition->plan == WEIR_WANT_NOTHING;
                        partition->in_client = false;
                }
        return in->cnt && take_in(consumer, in);
}

static int carry_out(struct weir_consumer *consumer)
{
        int size = (int)consumer->partition_count;
        rd_kafka_topic_partition_list_t *in = rd_kafka_topic_partition_list_new(size);
        rd_kafka_topic_partition_list_t *out = rd_kafka_topic_partition_list_new(size);
        int refused = 1;

        if (in && out)
                refused = consumer->cooperative ? assign_changes(consumer, out, in)
                                                : assign_full(consumer, in);
        if (in)
                rd_kafka_topic_partition_list_destroy(in);
        if (out)
                rd_kafka_topic_partition_list_destroy(out);
        return refused;
}

/* The client tries a commit again that failed, but not of what it fetches no more. */
void weir_assign_owe(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; list && i < list->cnt; i++) {
                const rd_kafka_topic_partition_t *element = &list->elems[i];

                for (size_t at = 0; at < consumer->partition_count; at++) {
                        struct weir_partition *partition = consumer->partitions[at];

                        if (partition->out && partition->number == element->partition &&
                            !strcmp(partition->topic, element->topic))
                                weir_partition_owe(partition, element->offset);
                }
        }
}

/* Offsets stored while an assign was under way were ignored; the last one is said again, so that
 * a lane that falls silent then does not look behind for ever. */
static int64_t repay(struct weir_consumer *consumer, int64_t now_us)
{
        bool owed = false;

        if (!atomic_load(&consumer->owing))
                return INT64_MAX;
        if (now_us < consumer->owed_due_us)
                return consumer->owed_due_us;
        atomic_store(&consumer->owing, false);
        for (size_t i = 0; i < consumer->partition_count; i++)
                owed |= weir_partition_repay(consumer->partitions[i]);
        if (!owed)
                return INT64_MAX;
        atomic_store(&consumer->owing, true);
        consumer->owed_due_us = now_us + RETRY_US;
        return consumer->owed_due_us;
}

static int64_t earlier(int64_t a_us, int64_t b_us)
{
        return a_us < b_us ? a_us : b_us;
}

int64_t weir_assign_serve(struct weir_consumer *consumer, int64_t now_us)
{
        int64_t due_us = repay(consumer, now_us);
        bool any = false;

        if (consumer->group != WEIR_GROUP_ASSIGNED)
                return due_us;
        if (!atomic_load(&consumer->requests) && now_us < consumer->turns_due_us)
                return earlier(due_us, consumer->turns_due_us);
        if (now_us < consumer->assign_due_us)
                return earlier(due_us, consumer->assign_due_us);
        atomic_store(&consumer->requests, false);
        for (size_t i = 0; i < consumer->partition_count; i++)
                weir_partition_take(consumer->partitions[i]);
        weir_heavy_choose(consumer, now_us);
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];

                any |= is_changed(partition);
                partition->stale |= partition->in_client && is_changed(partition);
                /* One that waits for its first turn: its log's end is asked for. */
                partition->out = partition->out ||
                                 (partition->plan == WEIR_WANT_FETCH && !partition->turn.runs);
                if (partition->plan == WEIR_WANT_NOTHING && partition->in_client &&
                    !partition->turn.runs)
                        weir_heavy_put_out(partition);
        }
        if (!any)
                return earlier(due_us, consumer->turns_due_us);
        if (carry_out(consumer)) {
                atomic_store(&consumer->requests, true);
                consumer->assign_due_us = now_us + RETRY_US;
                return consumer->assign_due_us;
        }
        settle(consumer); /* AS5; nobody closes meanwhile: that is this thread's work too */
        for (size_t i = 0; i < consumer->partition_count; i++) {
                struct weir_partition *partition = consumer->partitions[i];
                enum weir_want plan = partition->plan;

                partition->out = plan != WEIR_WANT_HALT && !partition->turn.runs &&
                                 (partition->in_client || partition->out);
                partition->in_client = partition->turn.runs;
                weir_partition_planned(partition);
                if (plan == WEIR_WANT_FETCH)
                        partition->mark_offset =
                                -1; /* another beginning, maybe by an operator's word */
                /* Of one that is out, again: what was on its way then may have come since. */
                if ((partition->stale || partition->out) && !partition->in_client)
                        weir_partition_purge(partition);
                partition->stale = false;
        }
        consumer->assign_due_us = now_us + GAP_US;
        consumer->kick_due_us = now_us; /* wakes retained partitions too, which stall up to 1 s */
        return earlier(due_us, consumer->turns_due_us);
}

/* Eager: everything was revoked before, so the list is empty. Cooperative: nothing is added. */
void weir_assign_begin(struct weir_consumer *consumer)
{
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);

        if (!none)
                return; /* librdkafka gives up the membership after max.poll.interval.ms */
        if (consumer->cooperative)
                take_in(consumer, none);
        else
                set_all(consumer, none);
        rd_kafka_topic_partition_list_destroy(none);
}

void weir_assign_revoke(struct weir_consumer *consumer, struct weir_partition *const *taken,
                        size_t count)
{
        rd_kafka_topic_partition_list_t *list;

        if (!consumer->cooperative) {
                set_all(consumer, NULL);
                return;
        }
        list = rd_kafka_topic_partition_list_new((int)count);
        for (size_t i = 0; list && i < count; i++)
                if (taken[i]->in_client) /* others are unknown there: the call would be refused */
                        add(list, taken[i], RD_KAFKA_OFFSET_INVALID);
        if (!list || take_out(consumer, list))
                set_all(consumer, NULL); /* an unanswered revocation hangs the group */
        if (list)
                rd_kafka_topic_partition_list_destroy(list);
}

void weir_assign_nothing(struct weir_consumer *consumer)
{
        set_all(consumer, NULL);
}

/* ---- log ends, and waking the threads that fetch --------------------------------------------- */

static bool is_watched(const struct weir_partition *partition)
{
        return partition->in_client || partition->out;
}

static void note_ends(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
        int at = 0;

        /* @list was made in the order of the partitions and is answered in it. */
        for (size_t i = 0; i < consumer->partition_count && at < list->cnt; i++) {
                const rd_kafka_topic_partition_t *element = &list->elems[at];
                struct weir_partition *partition = consumer->partitions[i];

                if (!is_watched(partition))
                        continue;
                at++;
                if (!element->err && element->offset >= 0)
                        atomic_store(&partition->end_offset, element->offset);
        }
}

int64_t weir_assign_kick(struct weir_consumer *consumer, int64_t now_us)
{
        bool starving = atomic_load(&consumer->starving);
        rd_kafka_topic_partition_list_t *list;
        rd_kafka_resp_err_t err;

        if (consumer->group != WEIR_GROUP_ASSIGNED || !consumer->partition_count)
                return INT64_MAX;
        if (now_us < consumer->kick_allowed_us)
                return starving ? consumer->kick_allowed_us : consumer->kick_due_us;
        if (!starving && now_us < consumer->kick_due_us)
                return consumer->kick_due_us;
        list = rd_kafka_topic_partition_list_new((int)consumer->partition_count);
        atomic_store(&consumer->starving, false);
        for (size_t i = 0; i < consumer->partition_count; i++)
                if (list && is_watched(consumer->partitions[i]))
                        add(list, consumer->partitions[i], RD_KAFKA_OFFSET_END);
        consumer->kick_due_us = now_us +
                                (consumer->turns_due_us == INT64_MAX
                                         ? REFRESH_US
                                         : ENDS_US); /* or the next assign, see weir_assign_serve */
        if (list && list->cnt) {
                err = rd_kafka_offsets_for_times(consumer->rk, list, KICK_TIMEOUT_MS);
                consumer->kick_allowed_us = weir_clock_us() + (err ? KICK_BACKOFF_US : KICK_US);
                if (!err) {
                        note_ends(consumer, list);
                        weir_client_log_clear(&consumer->log);
                }
        }
        if (list)
                rd_kafka_topic_partition_list_destroy(list);
        return consumer->kick_due_us;
}
