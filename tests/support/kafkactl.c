/* SPDX-License-Identifier: MIT */
/*
 * kafkactl - what the tests ask of a broker, and do to it, without weir's help
 *
 * A test that lets weir say how much weir has lost proves nothing, so this talks to the client library
 * itself and shares no line with lib/kafka. A JVM per question would take a second each; this takes
 * milliseconds. Every answer is one line per partition, in partition order, made for `read` and `diff`.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

enum { TIMEOUT_MS = 10000 };

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
        va_list args;

        fputs("kafkactl: ", stderr);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(1);
}

static long number(const char *text)
{
        char *end;
        long value = strtol(text, &end, 10);

        if (!*text || *end || value < 0)
                die("%s: a number from 0 is wanted", text);
        return value;
}

static rd_kafka_t *open_client(const char *brokers, const char *group)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_t *rk;
        char text[256];

        if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
            rd_kafka_conf_set(conf, "log_level", "2", text, sizeof text) ||
            rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "200", text, sizeof text) ||
            (group && rd_kafka_conf_set(conf, "group.id", group, text, sizeof text)))
                die("%s", text);
        rk = rd_kafka_new(group ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, text, sizeof text);
        if (!rk)
                die("%s", text);
        return rk;
}

/* Partitions of @topic; asks again while the broker does not know them yet. */
static int partitions(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err;
        int count;

        if (!handle)
                die("%s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
        err = rd_kafka_metadata(rk, 0, handle, &data, TIMEOUT_MS);
        if (err)
                die("%s: %s", topic, rd_kafka_err2str(err));
        err = data->topics[0].err;
        count = data->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(data);
        rd_kafka_topic_destroy(handle);
        if (err)
                die("%s: %s", topic, rd_kafka_err2str(err));
        return count;
}

static rd_kafka_topic_partition_list_t *list_of(rd_kafka_t *rk, const char *topic, int64_t offset)
{
        int count = partitions(rk, topic);
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

        for (int i = 0; i < count; i++)
                rd_kafka_topic_partition_list_add(list, topic, i)->offset = offset;
        return list;
}

static void print_list(const rd_kafka_topic_partition_list_t *list)
{
        for (int i = 0; i < list->cnt; i++) {
                if (list->elems[i].err)
                        die("%s/%d: %s", list->elems[i].topic, list->elems[i].partition,
                            rd_kafka_err2str(list->elems[i].err));
                printf("%d %" PRId64 "\n", list->elems[i].partition,
                       list->elems[i].offset < 0 ? -1 : list->elems[i].offset);
        }
}

/* Wait for the one answer to an admin request; errors hide per element, so look at each. */
static void admin_result(rd_kafka_queue_t *queue, const char *what)
{
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
        const rd_kafka_topic_result_t **results = NULL;
        const rd_kafka_CreatePartitions_result_t *grown;
        size_t count = 0;

        if (!event)
                die("%s: no answer in %d ms", what, TIMEOUT_MS);
        if (rd_kafka_event_error(event))
                die("%s: %s", what, rd_kafka_event_error_string(event));
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
                print_list(rd_kafka_DeleteRecords_result_offsets(
                        rd_kafka_event_DeleteRecords_result(event)));
        for (size_t i = 0; i < count; i++)
                if (rd_kafka_topic_result_error(results[i]))
                        die("%s: %s: %s", what, rd_kafka_topic_result_name(results[i]),
                            rd_kafka_topic_result_error_string(results[i]));
        rd_kafka_event_destroy(event);
}

static void create(rd_kafka_t *rk, const char *topic, int count)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_NewTopic_t *wanted;
        char text[256];

        wanted = rd_kafka_NewTopic_new(topic, count, 1, text, sizeof text);
        if (!wanted)
                die("%s: %s", topic, text);
        rd_kafka_CreateTopics(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "create");
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
                die("%s: %s", topic, text);
        rd_kafka_CreatePartitions(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "grow");
        rd_kafka_NewPartitions_destroy(wanted);
        rd_kafka_queue_destroy(queue);
}

static void delete_topic(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DeleteTopic_t *wanted = rd_kafka_DeleteTopic_new(topic);

        rd_kafka_DeleteTopics(rk, &wanted, 1, NULL, queue);
        admin_result(queue, "delete");
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
        admin_result(queue, "delete-records");
        rd_kafka_DeleteRecords_destroy(wanted);
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_queue_destroy(queue);
}

/* -2 and -1 as a time mean the log's start and end. */
static void offsets(rd_kafka_t *rk, const char *topic, int64_t time)
{
        rd_kafka_topic_partition_list_t *list = list_of(rk, topic, time);
        rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, list, TIMEOUT_MS);

        if (err)
                die("%s: %s", topic, rd_kafka_err2str(err));
        print_list(list);
        rd_kafka_topic_partition_list_destroy(list);
}

static void committed(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_partition_list_t *list = list_of(rk, topic, RD_KAFKA_OFFSET_INVALID);
        rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, TIMEOUT_MS);

        if (err)
                die("%s: %s", topic, rd_kafka_err2str(err));
        print_list(list);
        rd_kafka_topic_partition_list_destroy(list);
}

static void ping(rd_kafka_t *rk)
{
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, NULL, &data, TIMEOUT_MS);

        if (err)
                die("ping: %s", rd_kafka_err2str(err));
        rd_kafka_metadata_destroy(data);
}

int main(int argc, char **argv)
{
        const char *what = argc > 2 ? argv[2] : "";
        int given = argc - 3;
        rd_kafka_t *rk;

        rk = argc > 2 ? open_client(argv[1], strcmp(what, "committed") ? NULL : argv[argc - 1])
                      : NULL;
        if (!strcmp(what, "ping") && given == 0)
                ping(rk);
        else if (!strcmp(what, "create") && given == 2)
                create(rk, argv[3], (int)number(argv[4]));
        else if (!strcmp(what, "grow") && given == 2)
                grow(rk, argv[3], (int)number(argv[4]));
        else if (!strcmp(what, "delete") && given == 1)
                delete_topic(rk, argv[3]);
        else if (!strcmp(what, "delete-records") && given == 3)
                delete_records(rk, argv[3], (int)number(argv[4]), number(argv[5]));
        else if (!strcmp(what, "starts") && given == 1)
                offsets(rk, argv[3], RD_KAFKA_OFFSET_BEGINNING);
        else if (!strcmp(what, "ends") && given == 1)
                offsets(rk, argv[3], RD_KAFKA_OFFSET_END);
        else if (!strcmp(what, "committed") && given == 2)
                committed(rk, argv[3]);
        else
                die("usage: kafkactl BROKERS ping | create TOPIC PARTITIONS | grow TOPIC PARTITIONS | "
                    "delete TOPIC | delete-records TOPIC PARTITION BEFORE | starts TOPIC | ends TOPIC | "
                    "committed TOPIC GROUP");
        rd_kafka_destroy(rk);
        return 0;
}
