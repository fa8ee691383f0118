/* SPDX-License-Identifier: MIT */
/*
 * raw - the fastest plain reader: rd_kafka_consume_queue() in a loop, a thread per partition
 *
 *   raw BROKERS TOPIC EVENTS [headers]        prints: events per second, CPU us per event
 *
 * What weir's runtime is held against. The client has the settings that weir gives its own (checked CRCs, the same
 * fetch sizes) except one: queues that never fill, so that the loop is not slowed by the client's own
 * second-long naps over full queues (librdkafka below 2.2). It decodes nothing, commits nothing, writes
 * nothing; with "headers" it reads those of each record, which a CloudEvent in binary mode cannot do without.
 */
#include <errno.h>
#include <pthread.h>

#include <librdkafka/rdkafka.h>

#include "support.h"

enum { PARTITIONS_MAX = 64 };

static rd_kafka_t *rk;
static long wanted, seen;
static double began, began_cpu;
static int with_headers;

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
        char text[256];

        if (rd_kafka_conf_set(conf, name, value, text, sizeof text))
                die("%s", text);
}

static size_t read_headers(const rd_kafka_message_t *message)
{
        rd_kafka_headers_t *list;
        const void *value;
        const char *name;
        size_t size, sum = 0;

        if (rd_kafka_message_headers(message, &list))
                return 0;
        for (size_t i = 0; !rd_kafka_header_get_all(list, i, &name, &value, &size); i++)
                sum += size;
        return sum;
}

static void *loop(void *argument)
{
        rd_kafka_queue_t *queue = argument;
        size_t bytes = 0;

        while (__atomic_load_n(&seen, __ATOMIC_RELAXED) < wanted) {
                rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 50);

                if (!message)
                        continue;
                if (message->err)
                        die("%s", rd_kafka_message_errstr(message));
                bytes += message->len + (with_headers ? read_headers(message) : 0);
                rd_kafka_message_destroy(message);
                if (__atomic_fetch_add(&seen, 1, __ATOMIC_RELAXED) == 0) {
                        began = seconds_of(CLOCK_MONOTONIC);
                        began_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
                }
        }
        rd_kafka_queue_destroy(queue);
        return (void *)(uintptr_t)bytes;
}

static int count_partitions(const char *topic)
{
        rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
        const struct rd_kafka_metadata *data;
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, handle, &data, 10000);
        int count;

        if (err)
                die("%s: %s", topic, rd_kafka_err2str(err));
        count = data->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(data);
        rd_kafka_topic_destroy(handle);
        if (count < 1 || count > PARTITIONS_MAX)
                die("%s: %d partitions", topic, count);
        return count;
}

int main(int argc, char **argv)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        pthread_t threads[PARTITIONS_MAX];
        double seconds, cpu;
        char text[256];
        int count;

        if (argc < 4 || argc > 5 || (argc == 5 && strcmp(argv[4], "headers")))
                die("usage: raw BROKERS TOPIC EVENTS [headers]");
        wanted = number_of(argv[3]);
        with_headers = argc == 5;
        set(conf, "bootstrap.servers", argv[1]);
        set(conf, "group.id", "raw");
        set(conf, "enable.auto.commit", "false");
        set(conf, "check.crcs", "true");
        set(conf, "fetch.wait.max.ms", "50");
        set(conf, "fetch.message.max.bytes", "1048576");
        set(conf, "queued.min.messages", "10000000");
        set(conf, "queued.max.messages.kbytes", "1000000");
        rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
        if (!rk)
                die("%s", text);
        count = count_partitions(argv[2]);
        for (int i = 0; i < count; i++) {
                rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(rk, argv[2], i);

                rd_kafka_queue_forward(queue, NULL);
                if (pthread_create(&threads[i], NULL, loop, queue))
                        die("thread: %m");
                rd_kafka_topic_partition_list_add(list, argv[2], i)->offset = 0;
        }
        if (rd_kafka_assign(rk, list))
                die("%s: cannot assign", argv[2]);
        for (int i = 0; i < count; i++)
                pthread_join(threads[i], NULL);
        seconds = seconds_of(CLOCK_MONOTONIC) - began;
        cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - began_cpu;
        printf("%.0f %.3f\n", (double)(wanted - 1) / seconds, cpu * 1e6 / (double)wanted);
        rd_kafka_topic_partition_list_destroy(list);
        rd_kafka_consumer_close(rk);
        rd_kafka_destroy(rk);
        return 0;
}
