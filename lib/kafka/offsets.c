/* SPDX-License-Identifier: MIT */
/*
 * offsets - where logs begin and end, what a group has committed, and writing that without joining it
 *
 * Kafka believes whoever writes the offsets of a group that has no members, and checks nothing: not whether the offset
 * is in the log, not whose it was. So whoever calls weir_cluster_commit() has looked before, and what was written
 * is read back: an answer of NO_ERROR for the whole hides one partition's refusal, and another tool may write as well.
 *
 * Always true   Q3  a question about a group has a handle with that group.id, which never joins: told
 *                   that the coordinator has moved, 2.0.2 tells its own group member, and without one
 *                   that is a NULL pointer.
 *               Q4  a coordinator that loads its groups (every broker just started) is asked again
 *                   within the time of the question, as consumers do.
 *               Q5  offsets are written for a group without members only: Kafka refuses others (UNKNOWN_MEMBER_ID), each
 *                   partition by itself.
 * Not chosen    a consumer that joins and commits: it would make a group that lives rebalance, and take its partitions.
 * Threads       one owner.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kafka/cluster_internal.h"

/* What is asked of a group's coordinator; @list: places in, offsets out. */
struct question {
        const char *group;
        rd_kafka_topic_partition_list_t *list;
        struct weir_cluster_group *members;
};
typedef int ask_fn(struct weir_cluster *cluster, rd_kafka_t *rk, const struct question *question,
                   int timeout_ms, struct weir_error *reterr);

static rd_kafka_topic_partition_list_t *make_list(const struct weir_cluster_offset *offsets,
                                                  size_t count)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

        for (size_t i = 0; i < count; i++)
                rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition)
                        ->offset = offsets[i].offset;
        return list;
}

/* -1 where @list has no offset of it. */
static void take_list(const rd_kafka_topic_partition_list_t *list,
                      struct weir_cluster_offset *offsets, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                /* The answer is in the order of the question more often than not. */
                const rd_kafka_topic_partition_t *found =
                        (int)i < list->cnt && list->elems[i].partition == offsets[i].partition &&
                                        !strcmp(list->elems[i].topic, offsets[i].topic)
                                ? &list->elems[i]
                                : rd_kafka_topic_partition_list_find(list, offsets[i].topic,
                                                                     offsets[i].partition);

                offsets[i].offset = found && found->offset >= 0 ? found->offset : -1;
        }
}

int weir_cluster_offsets(struct weir_cluster *cluster, struct weir_cluster_offset *offsets,
                         size_t count, int64_t when_ms, struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = make_list(offsets, count);
        int r;

        for (int i = 0; i < list->cnt; i++)
                list->elems[i].offset = when_ms;
        r = weir_client_offsets(cluster->rk, &cluster->log, list,
                                weir_clock_us() + cluster->timeout_ms * 1000LL, NULL, reterr);
        if (r == 0)
                take_list(list, offsets, count);
        rd_kafka_topic_partition_list_destroy(list);
        return r;
}

/* ---- a group's coordinator ------------------------------------------------------------------ */

/* What a broker answers while the group's coordinator starts or moves: seconds, on every restart. */
static bool coordinator_moves(const struct weir_error *error)
{
        return error->code == WEIR_EKAFKA &&
               (error->sys == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
                error->sys == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
                error->sys == RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
}

static int ask_in_time(struct weir_cluster *cluster, rd_kafka_t *rk, ask_fn *ask,
                       const struct question *question, struct weir_error *reterr)
{
        int64_t deadline_ms = weir_clock_ms() + cluster->timeout_ms;

        for (uint32_t attempt = 1;; attempt++) {
                int64_t left_ms = deadline_ms - weir_clock_ms();
                int64_t wait_ms = weir_backoff_ms(50, 500, attempt);
                struct weir_error error = { 0 };
                int r = ask(cluster, rk, question, left_ms > 1 ? (int)left_ms : 1, &error);

                if (r == 0)
                        return 0;
                if (!coordinator_moves(&error) || weir_clock_ms() + wait_ms >= deadline_ms) {
                        if (reterr)
                                *reterr = error;
                        return r;
                }
                poll(NULL, 0, (int)wait_ms);
        }
}

static int ask_group(struct weir_cluster *cluster, ask_fn *ask, const struct question *question,
                     struct weir_error *reterr)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_dup(cluster->settings);
        rd_kafka_t *rk;
        int r = weir_client_try(conf, "group.id", question->group, false, reterr);

        if (r < 0)
                rd_kafka_conf_destroy(conf);
        else
                r = weir_client_open(RD_KAFKA_CONSUMER, &conf, &rk, reterr);
        if (r == 0) {
                r = ask_in_time(cluster, rk, ask, question, reterr);
                rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
        return r;
}

/* The one answer to what was asked through @queue, which goes. NULL: *reterr says why. */
static rd_kafka_event_t *answer(struct weir_cluster *cluster, rd_kafka_t *rk,
                                rd_kafka_queue_t *queue, int type, int timeout_ms, const char *what,
                                const char *group, struct weir_error *reterr)
{
        rd_kafka_event_t *event = weir_cluster_await(queue, type, timeout_ms + 1000);
        rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event)
                                        : RD_KAFKA_RESP_ERR__TIMED_OUT;

        for (int i = 0; i < 20; i++) /* as weir_cluster_fail() does with the other handle */
                rd_kafka_poll(rk, 0);
        rd_kafka_queue_destroy(queue);
        if (!err)
                return event;
        weir_cluster_fail(cluster, err, what, group, reterr);
        if (event)
                rd_kafka_event_destroy(event);
        return NULL;
}

/* The one group of an answer, without an error of any of its partitions. NULL: *reterr says why. */
static const rd_kafka_topic_partition_list_t *only_group(struct weir_cluster *cluster,
                                                         const rd_kafka_group_result_t **groups,
                                                         size_t count, const char *what,
                                                         const char *group,
                                                         struct weir_error *reterr)
{
        const rd_kafka_topic_partition_list_t *list = NULL;
        rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__FAIL;
        const rd_kafka_error_t *error;

        if (groups && count == 1) {
                error = rd_kafka_group_result_error(groups[0]);
                list = rd_kafka_group_result_partitions(groups[0]);
                err = error  ? rd_kafka_error_code(error)
                      : list ? RD_KAFKA_RESP_ERR_NO_ERROR
                             : RD_KAFKA_RESP_ERR__FAIL;
        }
        if (err) {
                weir_cluster_fail(cluster, err, what, group, reterr);
                return NULL;
        }
        for (int i = 0; i < list->cnt; i++) {
                if (!list->elems[i].err)
                        continue;
                weir_cluster_fail(cluster, list->elems[i].err, what, group, reterr);
                if (list->elems[i].err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
                        weir_error_prefix(reterr,
                                          "group %s has live members, stop them first; nothing is "
                                          "written for a group that lives: ",
                                          group);
                weir_error_prefix(reterr, "%s/%d: ", list->elems[i].topic,
                                  (int)list->elems[i].partition);
                return NULL;
        }
        return list;
}

static int list_committed(struct weir_cluster *cluster, rd_kafka_t *rk,
                          const struct question *question, int timeout_ms,
                          struct weir_error *reterr)
{
        static const char what[] = "committed offsets of group";
        rd_kafka_ListConsumerGroupOffsets_t
                *wish = rd_kafka_ListConsumerGroupOffsets_new(question->group, question->list);
        rd_kafka_AdminOptions_t *options =
                weir_cluster_options(rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        const rd_kafka_topic_partition_list_t *list = NULL;
        const rd_kafka_group_result_t **groups;
        rd_kafka_event_t *event;
        size_t count = 0;

        rd_kafka_ListConsumerGroupOffsets(rk, &wish, 1, options, queue);
        event = answer(cluster, rk, queue, RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT,
                       timeout_ms, what, question->group, reterr);
        if (event) {
                groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
                        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
                list = only_group(cluster, groups, count, what, question->group, reterr);
        }
        for (int i = 0; list && i < question->list->cnt; i++) {
                rd_kafka_topic_partition_t *place = &question->list->elems[i];
                const rd_kafka_topic_partition_t *found = rd_kafka_topic_partition_list_find(
                        (rd_kafka_topic_partition_list_t *)(uintptr_t)list, place->topic,
                        place->partition);

                place->offset = found ? found->offset : RD_KAFKA_OFFSET_INVALID;
        }
        if (event)
                rd_kafka_event_destroy(event);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        rd_kafka_ListConsumerGroupOffsets_destroy(wish);
        return list ? 0 : WEIR_EKAFKA;
}

int weir_cluster_committed_all(struct weir_cluster *cluster, const char *group,
                               struct weir_cluster_offset *offsets, size_t count,
                               struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = make_list(offsets, count);
        const struct question question = { .group = group, .list = list };
        int r = ask_group(cluster, list_committed, &question, reterr);

        if (r == 0)
                take_list(list, offsets, count);
        rd_kafka_topic_partition_list_destroy(list);
        return r;
}

int weir_cluster_committed(struct weir_cluster *cluster, const char *group, const char *topic,
                           int32_t partition, int64_t *ret, struct weir_error *reterr)
{
        struct weir_cluster_offset offset = { topic, partition, -1 };
        int r = weir_cluster_committed_all(cluster, group, &offset, 1, reterr);

        if (r == 0)
                *ret = offset.offset;
        return r;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int alter(struct weir_cluster *cluster, rd_kafka_t *rk, const struct question *question,
                 int timeout_ms, struct weir_error *reterr)
{
        static const char what[] = "writing offsets of group";
        rd_kafka_AlterConsumerGroupOffsets_t
                *wish = rd_kafka_AlterConsumerGroupOffsets_new(question->group, question->list);
        rd_kafka_AdminOptions_t *options =
                weir_cluster_options(rk, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, timeout_ms);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        const rd_kafka_topic_partition_list_t *list = NULL;
        const rd_kafka_group_result_t **groups;
        rd_kafka_event_t *event;
        size_t count = 0;

        rd_kafka_AlterConsumerGroupOffsets(rk, &wish, 1, options, queue);
        event = answer(cluster, rk, queue, RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT,
                       timeout_ms, what, question->group, reterr);
        if (event) {
                groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
                        rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
                list = only_group(cluster, groups, count, what, question->group, reterr);
                rd_kafka_event_destroy(event);
        }
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        rd_kafka_AlterConsumerGroupOffsets_destroy(wish);
        return list ? 0 : WEIR_EKAFKA;
}

/* A word that Kafka keeps beside the offset; what is longer than it takes is cut between characters. */
static void note(rd_kafka_topic_partition_list_t *list, const char *words)
{
        size_t size = strlen(words);

        if (size > WEIR_CLUSTER_NOTE_BYTES)
                for (size = WEIR_CLUSTER_NOTE_BYTES; ((unsigned char)words[size] & 0xc0) == 0x80;)
                        size--;
        for (int i = 0; size && i < list->cnt; i++) {
                list->elems[i].metadata = strndup(words, size);
                list->elems[i].metadata_size = list->elems[i].metadata ? size : 0;
        }
}

static int verify(struct weir_cluster *cluster, const char *group,
                  const struct weir_cluster_offset *offsets, size_t count,
                  struct weir_error *reterr)
{
        WEIR_FREE struct weir_cluster_offset *seen = calloc(count + 1, sizeof *seen);
        int r;

        if (!seen)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "offsets of group %s", group);
        memcpy(seen, offsets, count * sizeof *seen);
        r = weir_cluster_committed_all(cluster, group, seen, count, reterr);
        if (r < 0)
                return weir_error_prefix(reterr, "written, and not read back: ");
        for (size_t i = 0; i < count; i++)
                if (seen[i].offset != offsets[i].offset)
                        return weir_fail(reterr, WEIR_EKAFKA, 0,
                                         "group %s, %s/%d: offset %lld was written, and %lld is "
                                         "there: somebody else writes offsets of this group",
                                         group, offsets[i].topic, (int)offsets[i].partition,
                                         (long long)offsets[i].offset, (long long)seen[i].offset);
        return 0;
}

int weir_cluster_commit(struct weir_cluster *cluster, const char *group,
                        const struct weir_cluster_offset *offsets, size_t count, const char *words,
                        struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = make_list(offsets, count);
        const struct question question = { .group = group, .list = list };
        int r;

        note(list, words ? words : "");
        r = ask_group(cluster, alter, &question, reterr);
        rd_kafka_topic_partition_list_destroy(list);
        return r < 0 ? r : verify(cluster, group, offsets, count, reterr);
}

/* ---- members -------------------------------------------------------------------------------- */

static int describe(struct weir_cluster *cluster, rd_kafka_t *rk, const struct question *question,
                    int timeout_ms, struct weir_error *reterr)
{
        static const char what[] = "members of group";
        const char *names[] = { question->group };
        rd_kafka_AdminOptions_t *options =
                weir_cluster_options(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout_ms);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        const rd_kafka_ConsumerGroupDescription_t **groups;
        const rd_kafka_error_t *error;
        rd_kafka_event_t *event;
        size_t count = 0;
        int r = 0;

        rd_kafka_DescribeConsumerGroups(rk, names, 1, options, queue);
        event = answer(cluster, rk, queue, RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT, timeout_ms,
                       what, question->group, reterr);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        if (!event)
                return WEIR_EKAFKA;
        groups = rd_kafka_DescribeConsumerGroups_result_groups(
                rd_kafka_event_DescribeConsumerGroups_result(event), &count);
        error = count == 1 ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;
        if (count != 1 || error) {
                r = weir_cluster_fail(cluster,
                                      error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR__FAIL,
                                      what, question->group, reterr);
        } else {
                question->members->count = rd_kafka_ConsumerGroupDescription_member_count(
                        groups[0]);
                snprintf(question->members->state, sizeof question->members->state, "%s",
                         rd_kafka_consumer_group_state_name(
                                 rd_kafka_ConsumerGroupDescription_state(groups[0])));
        }
        rd_kafka_event_destroy(event);
        return r;
}

int weir_cluster_group(struct weir_cluster *cluster, const char *group,
                       struct weir_cluster_group *ret, struct weir_error *reterr)
{
        struct weir_cluster_group members = { .count = 0 };
        const struct question question = { .group = group, .members = &members };
        int r = 0;

        if (weir_client_is_devbroker(cluster->rk, cluster->timeout_ms) > 0)
                snprintf(members.state, sizeof members.state, "unknown"); /* it cannot be asked */
        else
                r = ask_group(cluster, describe, &question, reterr);
        if (r == 0)
                *ret = members;
        return r;
}
