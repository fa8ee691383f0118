/* SPDX-License-Identifier: MIT */
/*
 * kafkactl - what the tests ask of a broker, and do to it, without weir's help
 *
 * A test that lets weir say how much weir has lost proves nothing, so this talks to the client library
 * itself and shares no line with lib/kafka. A JVM per question would take a second each; this takes
 * milliseconds. Every answer is one line per partition, in partition order, made for `read` and `diff`.
 *
 * produce makes a record of every line of its input, in order, in one partition, with the options:
 *   -k KEY  -h NAME=VALUE (repeated)  -T TIME_MS|none  -0 (one record without a value, no input is read)
 *   -f BYTES  the line is the record's ce_id, and its value so many bytes
 *   -x ID commit|abort|leave   all of them in one transaction, which is ended so, or left open
 * records prints what is in a topic now: partition, offset, time in ms, key, ce_id and value, "-" for what is not there
 * headers prints partition and offset, and all headers as NAME=VALUE, in their order
 * consume is a plain consumer: joins the group, prints partition, offset and ce_id of the next COUNT records, commits behind
 *   the last one of each partition, leaves. What the group has no offset for begins at the log's start. With COUNT 0 it
 *   says "joined" and stays a member until SIGTERM, then leaves
 * commit writes an offset for a group without members, whatever it is worth; words prints what was written with the offsets
 * load TOPIC TIMEOUT_MS produces while brokers come and go, and says of every record what became of it; dump prints a topic,
 *   all bytes in hex (kafkactl_load.c)
 * ledger prints what the coordinator wrote down about a group, in its order: "commit TOPIC PARTITION OFFSET" for each
 *   commit, "generation N" for each state of the group: a rebalance is a new number
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafkactl.h"

enum { EARLY_MS = 50 };

void kafkactl_die(const char *format, ...)
{
        va_list args;

        fputs("kafkactl: ", stderr);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(1);
}

long kafkactl_number(const char *text)
{
        char *end;
        long value = strtol(text, &end, 10);

        if (!*text || *end || value < 0)
                kafkactl_die("%s: a number from 0 is wanted", text);
        return value;
}

/* What was not delivered fails the whole call: a test must not go on with less than it asked for. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
        (void)rk;
        (void)opaque;
        if (message->err)
                kafkactl_die("partition %d: not delivered: %s", message->partition,
                             rd_kafka_err2str(message->err));
}

/* A consumer if there is a @group, else a producer. @id: of its transactions, or NULL. */
rd_kafka_t *kafkactl_open(const char *brokers, const char *group, const char *id)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_t *rk;
        char text[256];

        if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
            rd_kafka_conf_set(conf, "log_level", "2", text, sizeof text) ||
            rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "200", text, sizeof text) ||
            (group && rd_kafka_conf_set(conf, "group.id", group, text, sizeof text)) ||
            (group &&
             rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", text, sizeof text)) ||
            (group && rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof text)) ||
            (id && rd_kafka_conf_set(conf, "transactional.id", id, text, sizeof text)))
                kafkactl_die("%s", text);
        if (!group && rd_kafka_conf_set(conf, "message.max.bytes", "67108864", text, sizeof text))
                kafkactl_die("%s", text);
        if (!group)
                rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rk = rd_kafka_new(group ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, text, sizeof text);
        if (!rk)
                kafkactl_die("%s", text);
        return rk;
}

/* Partitions of @topic; asks again while the broker does not know them yet. */
int kafkactl_partitions(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err;
        int count;

        if (!handle)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
        err = rd_kafka_metadata(rk, 0, handle, &data, TIMEOUT_MS);
        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        err = data->topics[0].err;
        count = data->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(data);
        rd_kafka_topic_destroy(handle);
        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        return count;
}

rd_kafka_topic_partition_list_t *kafkactl_list(rd_kafka_t *rk, const char *topic, int64_t offset)
{
        int count = kafkactl_partitions(rk, topic);
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

        for (int i = 0; i < count; i++)
                rd_kafka_topic_partition_list_add(list, topic, i)->offset = offset;
        return list;
}

void kafkactl_print(const rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; i < list->cnt; i++) {
                if (list->elems[i].err)
                        kafkactl_die("%s/%d: %s", list->elems[i].topic, list->elems[i].partition,
                                     rd_kafka_err2str(list->elems[i].err));
                printf("%d %" PRId64 "\n", list->elems[i].partition,
                       list->elems[i].offset < 0 ? -1 : list->elems[i].offset);
        }
}

/* The controller knows of a broker before that broker may hold anything: for a moment after its start. */
static bool too_early(const rd_kafka_topic_result_t *result)
{
        const char *text = rd_kafka_topic_result_error_string(result);

        return rd_kafka_topic_result_error(result) ==
                       RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR &&
               text && strstr(text, "currently fenced");
}

/* Wait for the one answer to an admin request; errors hide per element, so look at each. @ret_early (may be
 * NULL, then that is an error too): ask again. */
static void admin_result(rd_kafka_queue_t *queue, const char *what, bool *ret_early)
{
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
        const rd_kafka_topic_result_t **results = NULL;
        const rd_kafka_CreatePartitions_result_t *grown;
        size_t count = 0;

        if (ret_early)
                *ret_early = false;
        if (!event)
                kafkactl_die("%s: no answer in %d ms", what, TIMEOUT_MS);
        if (rd_kafka_event_error(event))
                kafkactl_die("%s: %s", what, rd_kafka_event_error_string(event));
        if (rd_kafka_event_CreateTopics_result(event))
                results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(
                                                                      event),
                                                              &count);
        else if (rd_kafka_event_DeleteTopics_result(event))
                results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(
                                                                      event),
                                                              &count);
        else if ((grown = rd_kafka_event_CreatePartitions_result(event)))
                results = rd_kafka_CreatePartitions_result_topics(grown, &count);
        else if (rd_kafka_event_DeleteRecords_result(event))
                kafkactl_print(rd_kafka_DeleteRecords_result_offsets(
                        rd_kafka_event_DeleteRecords_result(event)));
        for (size_t i = 0; i < count; i++)
                if (ret_early && too_early(results[i]))
                        *ret_early = true;
                else if (rd_kafka_topic_result_error(results[i]))
                        kafkactl_die("%s: %s: %s", what, rd_kafka_topic_result_name(results[i]),
                                     rd_kafka_topic_result_error_string(results[i]));
        rd_kafka_event_destroy(event);
}

/* @settings: "name=value" each. */
static void create(rd_kafka_t *rk, const char *topic, int count, char **settings, int setting_count)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_NewTopic_t *wanted;
        char text[256];

        wanted = rd_kafka_NewTopic_new(topic, count, -1, text, sizeof text);
        if (!wanted)
                kafkactl_die("%s: %s", topic, text);
        for (int i = 0; i < setting_count; i++) {
                char *value = strchr(settings[i], '=');

                if (!value)
                        kafkactl_die("%s: NAME=VALUE is wanted", settings[i]);
                *value = '\0';
                rd_kafka_NewTopic_set_config(wanted, settings[i], value + 1);
        }
        for (int left = TIMEOUT_MS / EARLY_MS;; left--) {
                const struct timespec pause = { .tv_nsec = EARLY_MS * 1000000l };
                bool early;

                rd_kafka_CreateTopics(rk, &wanted, 1, NULL, queue);
                admin_result(queue, "create", &early);
                if (!early)
                        break;
                if (left <= 0)
                        kafkactl_die("create: %s: all brokers are fenced, for %d ms", topic,
                                     TIMEOUT_MS);
                nanosleep(&pause, NULL);
        }
        rd_kafka_NewTopic_destroy(wanted);
        rd_kafka_queue_destroy(queue);
}

static void grow(rd_kafka_t *rk, const char *topic, int count)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_NewPartitions_t *wanted;
        char text[256];

        wanted = rd_kafka_NewPartitions_new(topic, (size_t)count, text, sizeof text);
        if (!wanted)
                kafkactl_die("%s: %s", topic, text);
        rd_kafka_CreatePartitions(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "grow", NULL);
        rd_kafka_NewPartitions_destroy(wanted);
        rd_kafka_queue_destroy(queue);
}

static void delete_topic(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DeleteTopic_t *wanted = rd_kafka_DeleteTopic_new(topic);

        rd_kafka_DeleteTopics(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "delete", NULL);
        rd_kafka_DeleteTopic_destroy(wanted);
        rd_kafka_queue_destroy(queue);
}

static void delete_records(rd_kafka_t *rk, const char *topic, int partition, int64_t before)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_DeleteRecords_t *wanted;

        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
        wanted = rd_kafka_DeleteRecords_new(list);
        rd_kafka_DeleteRecords(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "delete-records", NULL);
        rd_kafka_DeleteRecords_destroy(wanted);
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_queue_destroy(queue);
}

/* -2 and -1 as a time mean the log's start and end. */
static void offsets(rd_kafka_t *rk, const char *topic, int64_t time)
{
        rd_kafka_topic_partition_list_t *list = kafkactl_list(rk, topic, time);
        rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, list, TIMEOUT_MS);

        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        kafkactl_print(list);
        rd_kafka_topic_partition_list_destroy(list);
}

static void print_record(const rd_kafka_message_t *message)
{
        rd_kafka_headers_t *headers = NULL;
        const void *id = NULL;
        size_t size = 0;

        if (!rd_kafka_message_headers(message, &headers))
                rd_kafka_header_get_last(headers, "ce_id", &id, &size);
        printf("%d %" PRId64 " %" PRId64 " %.*s %.*s %.*s\n", message->partition, message->offset,
               rd_kafka_message_timestamp(message, NULL), message->key ? (int)message->key_len : 1,
               message->key ? (const char *)message->key : "-", id ? (int)size : 1,
               id ? (const char *)id : "-", message->payload ? (int)message->len : 1,
               message->payload ? (const char *)message->payload : "-");
}

static void print_headers(const rd_kafka_message_t *message)
{
        rd_kafka_headers_t *headers = NULL;
        const char *name;
        const void *value;
        size_t size;

        printf("%d %" PRId64, message->partition, message->offset);
        if (!rd_kafka_message_headers(message, &headers))
                for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
                        printf(" %s=%.*s", name, value ? (int)size : 1,
                               value ? (const char *)value : "-");
        putchar('\n');
}

static rd_kafka_resp_err_t error_in(const rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; i < list->cnt; i++)
                if (list->elems[i].err)
                        return list->elems[i].err;
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A topic that was made just now, as the broker makes its own at the first group, has partitions before they have leaders. */
static bool is_early(rd_kafka_resp_err_t err)
{
        return err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
               err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
               err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
               err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
}

static rd_kafka_topic_partition_list_t *ends_of(rd_kafka_t *rk, const char *topic)
{
        for (int left_ms = TIMEOUT_MS;; left_ms -= EARLY_MS) {
                rd_kafka_topic_partition_list_t *ends = kafkactl_list(rk, topic,
                                                                      RD_KAFKA_OFFSET_END);
                rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, ends, TIMEOUT_MS);

                if (!err)
                        err = error_in(ends);
                if (!err)
                        return ends;
                rd_kafka_topic_partition_list_destroy(ends);
                if (!is_early(err) || left_ms <= 0)
                        kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
                rd_kafka_poll(rk, EARLY_MS);
        }
}

/* From start to end, a partition after the other. */
void kafkactl_records(const char *brokers, const char *topic,
                      void (*print)(const rd_kafka_message_t *))
{
        rd_kafka_t *rk = kafkactl_open(brokers, "kafkactl", NULL);
        rd_kafka_topic_partition_list_t *ends = ends_of(rk, topic);
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);

        for (int i = 0; i < ends->cnt; i++) {
                int64_t next = 0, end = ends->elems[i].offset;
                int early_ms = 0;

                if (end <= 0)
                        continue;
                rd_kafka_consume_start(handle, i, RD_KAFKA_OFFSET_BEGINNING);
                while (next < end) {
                        rd_kafka_message_t *message = rd_kafka_consume(handle, i, TIMEOUT_MS);

                        if (!message)
                                kafkactl_die("%s/%d: nothing in %d ms", topic, i, TIMEOUT_MS);
                        if (is_early(message->err) && early_ms < TIMEOUT_MS) { /* it goes on */
                                rd_kafka_message_destroy(message);
                                rd_kafka_poll(rk, EARLY_MS);
                                early_ms += EARLY_MS;
                                continue;
                        }
                        if (message->err)
                                kafkactl_die("%s/%d: %s", topic, i,
                                             rd_kafka_message_errstr(message));
                        print(message);
                        next = message->offset + 1;
                        rd_kafka_message_destroy(message);
                }
                rd_kafka_consume_stop(handle, i);
        }
        rd_kafka_topic_partition_list_destroy(ends);
        rd_kafka_topic_destroy(handle);
        rd_kafka_destroy(rk);
}

/* Which broker leads each partition; -1: none. */
static void leaders(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, handle, &data, TIMEOUT_MS);

        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        for (int i = 0; i < data->topics[0].partition_cnt; i++)
                printf("%d %d\n", data->topics[0].partitions[i].id,
                       data->topics[0].partitions[i].leader);
        rd_kafka_metadata_destroy(data);
        rd_kafka_topic_destroy(handle);
}

static void ping(rd_kafka_t *rk)
{
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, NULL, &data, TIMEOUT_MS);

        if (err)
                kafkactl_die("ping: %s", rd_kafka_err2str(err));
        rd_kafka_metadata_destroy(data);
}

int main(int argc, char **argv)
{
        const char *what = argc > 2 ? argv[2] : "";
        const char *group = NULL;
        int given = argc - 3;
        rd_kafka_t *rk;

        if (!strcmp(what, "produce") && given >= 2) {
                kafkactl_produce(argv[1], argc - 3, argv + 3);
                return 0;
        }
        if (!strcmp(what, "records") && given == 1) {
                kafkactl_records(argv[1], argv[3], print_record);
                return 0;
        }
        if (!strcmp(what, "headers") && given == 1) {
                kafkactl_records(argv[1], argv[3], print_headers);
                return 0;
        }
        if (!strcmp(what, "dump") && given == 1) {
                kafkactl_records(argv[1], argv[3], kafkactl_print_dump);
                return 0;
        }
        if (!strcmp(what, "load") && given == 2) {
                kafkactl_load(argv[1], argv[3], argv[4]);
                return 0;
        }
        if (!strcmp(what, "ledger") && given == 1) {
                kafkactl_ledger(argv[1], argv[3]);
                return 0;
        }
        if (!strcmp(what, "consume") && given == 3) {
                kafkactl_consume(argv[1], argv[3], argv[4], kafkactl_number(argv[5]));
                return 0;
        }
        if (!strcmp(what, "committed") || !strcmp(what, "words") || !strcmp(what, "commit"))
                group = given >= 2 ? argv[4] : NULL;
        rk = argc > 2 ? kafkactl_open(argv[1], group, NULL) : NULL;
        if (!strcmp(what, "ping") && given == 0)
                ping(rk);
        else if (!strcmp(what, "create") && given >= 2)
                create(rk, argv[3], (int)kafkactl_number(argv[4]), argv + 5, given - 2);
        else if (!strcmp(what, "grow") && given == 2)
                grow(rk, argv[3], (int)kafkactl_number(argv[4]));
        else if (!strcmp(what, "delete") && given == 1)
                delete_topic(rk, argv[3]);
        else if (!strcmp(what, "delete-records") && given == 3)
                delete_records(rk, argv[3], (int)kafkactl_number(argv[4]),
                               kafkactl_number(argv[5]));
        else if (!strcmp(what, "leaders") && given == 1)
                leaders(rk, argv[3]);
        else if (!strcmp(what, "delete-group") && given == 1)
                kafkactl_delete_group(rk, argv[3]);
        else if (!strcmp(what, "starts") && given == 1)
                offsets(rk, argv[3], RD_KAFKA_OFFSET_BEGINNING);
        else if (!strcmp(what, "ends") && given == 1)
                offsets(rk, argv[3], RD_KAFKA_OFFSET_END);
        else if (!strcmp(what, "committed") && given == 2)
                kafkactl_committed(rk, argv[3]);
        else if (!strcmp(what, "words") && given == 2)
                kafkactl_words(rk, argv[3]);
        else if (!strcmp(what, "commit") && given == 4)
                kafkactl_commit(rk, argv[3], (int)kafkactl_number(argv[5]),
                                kafkactl_number(argv[6]));
        else
                kafkactl_die(
                        "usage: kafkactl BROKERS ping | create TOPIC PARTITIONS [NAME=VALUE...] | grow TOPIC PARTITIONS | "
                        "delete TOPIC | leaders TOPIC | delete-group GROUP | delete-records TOPIC PARTITION BEFORE | starts TOPIC | ends TOPIC | "
                        "committed TOPIC GROUP | words TOPIC GROUP | commit TOPIC GROUP PARTITION OFFSET | "
                        "consume TOPIC GROUP COUNT | records TOPIC | headers TOPIC | dump TOPIC | load TOPIC TIMEOUT_MS <LINES | ledger GROUP | produce TOPIC PARTITION [OPTION...] <VALUES");
        rd_kafka_destroy(rk);
        return 0;
}
