/* SPDX-License-Identifier: MIT */
/*
 * kafkactl_group - groups: a plain consumer, what is committed, and what the coordinator wrote down
 *
 * The consumer is what weir takes over from and hands over to, so it is nobody's idea of exactly once: it commits behind what
 * it has read and believes Kafka where to go on. It commits explicit offsets at its end, so that a test knows them.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kafkactl.h"

struct bytes { /* big endian; what is behind the end reads as 0, and ok says so */
        const unsigned char *at;
        size_t left;
        bool ok;
};

static int64_t take_int(struct bytes *bytes, size_t size)
{
        uint64_t value = 0;

        if (bytes->left < size) {
                bytes->ok = false;
                return 0;
        }
        for (size_t i = 0; i < size; i++)
                value = value << 8 | bytes->at[i];
        bytes->at += size;
        bytes->left -= size;
        return size == 2 ? (int16_t)value : size == 4 ? (int32_t)value : (int64_t)value;
}

/* A string of at most 255 bytes. */
static void take_text(struct bytes *bytes, char ret[256])
{
        int64_t size = take_int(bytes, 2);

        if (size < 0 || size > 255 || (size_t)size > bytes->left) {
                bytes->ok = false;
                size = 0;
        }
        memcpy(ret, bytes->at, (size_t)size);
        ret[size] = '\0';
        bytes->at += size;
        bytes->left -= (size_t)size;
}

static const char *ledger_group;

/* Keys 0 and 1 are commits, 2 is the group; a record without a value takes one back. */
static void print_ledger(const rd_kafka_message_t *message)
{
        struct bytes key = { message->key, message->key_len, true };
        struct bytes value = { message->payload, message->len, true };
        int64_t kind = take_int(&key, 2), number;
        char group[256], topic[256], protocol[256];

        take_text(&key, group);
        if (!key.ok || !message->payload || strcmp(group, ledger_group) != 0)
                return;
        take_int(&value, 2); /* version */
        if (kind == 0 || kind == 1) {
                take_text(&key, topic);
                number = take_int(&key, 4);
                printf("commit %s %" PRId64 " %" PRId64 "\n", topic, number, take_int(&value, 8));
        } else if (kind == 2) {
                take_text(&value, protocol);
                printf("generation %" PRId64 "\n", take_int(&value, 4));
        }
        if (!key.ok || !value.ok)
                kafkactl_die("__consumer_offsets: offset %" PRId64
                             " of partition %d is not as expected",
                             message->offset, message->partition);
}

void kafkactl_ledger(const char *brokers, const char *group)
{
        ledger_group = group;
        kafkactl_records(brokers, "__consumer_offsets", print_ledger);
}

void kafkactl_commit(rd_kafka_t *rk, const char *topic, int partition, int64_t offset)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_resp_err_t err;

        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
        err = rd_kafka_commit(rk, list, 0);
        if (!err)
                err = list->elems[0].err;
        if (err)
                kafkactl_die("%s/%d: %s", topic, partition, rd_kafka_err2str(err));
        rd_kafka_topic_partition_list_destroy(list);
}

static void print_id(const rd_kafka_message_t *message)
{
        rd_kafka_headers_t *headers = NULL;
        const void *id = NULL;
        size_t size = 0;

        if (!rd_kafka_message_headers(message, &headers))
                rd_kafka_header_get_last(headers, "ce_id", &id, &size);
        printf("%d %" PRId64 " %.*s\n", message->partition, message->offset, id ? (int)size : 1,
               id ? (const char *)id : "-");
}

static volatile sig_atomic_t leaving;

static void on_term(int number)
{
        (void)number;
        leaving = 1;
}

void kafkactl_consume(const char *brokers, const char *topic, const char *group, long count)
{
        rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_t *behind = rd_kafka_topic_partition_list_new(1);
        rd_kafka_t *rk = kafkactl_open(brokers, group, NULL);
        rd_kafka_topic_partition_t *place;
        rd_kafka_resp_err_t err;

        signal(SIGTERM, on_term);
        rd_kafka_poll_set_consumer(rk);
        rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
        err = rd_kafka_subscribe(rk, topics);
        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        rd_kafka_topic_partition_list_destroy(topics);
        for (bool joined = false; count == 0 && !leaving;) {
                rd_kafka_topic_partition_list_t *given = NULL;
                rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 50);

                if (message)
                        rd_kafka_message_destroy(message);
                if (!joined && !rd_kafka_assignment(rk, &given) && given->cnt > 0) {
                        joined = true;
                        puts("joined");
                        fflush(stdout);
                }
                if (given)
                        rd_kafka_topic_partition_list_destroy(given);
        }
        while (count > 0) {
                rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 3 * TIMEOUT_MS);

                if (!message)
                        kafkactl_die("%s: %ld records are missing after %d ms", topic, count,
                                     3 * TIMEOUT_MS);
                if (message->err)
                        kafkactl_die("%s: %s", topic, rd_kafka_message_errstr(message));
                print_id(message);
                place = rd_kafka_topic_partition_list_find(behind, topic, message->partition);
                if (!place)
                        place = rd_kafka_topic_partition_list_add(behind, topic,
                                                                  message->partition);
                place->offset = message->offset + 1;
                rd_kafka_message_destroy(message);
                count--;
        }
        err = behind->cnt ? rd_kafka_commit(rk, behind, 0) : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (err)
                kafkactl_die("%s: %s", group, rd_kafka_err2str(err));
        rd_kafka_topic_partition_list_destroy(behind);
        rd_kafka_consumer_close(rk);
        rd_kafka_destroy(rk);
}

/* Only one without members can be: else that is the error. */
void kafkactl_delete_group(rd_kafka_t *rk, const char *group)
{
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DeleteGroup_t *wanted = rd_kafka_DeleteGroup_new(group);
        const rd_kafka_group_result_t **results;
        rd_kafka_event_t *event;
        size_t count = 0;

        rd_kafka_DeleteGroups(rk, &wanted, 1, NULL, queue);
        event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
        if (!event || rd_kafka_event_error(event))
                kafkactl_die("delete-group: %s",
                             event ? rd_kafka_event_error_string(event) : "no answer");
        results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event),
                                                      &count);
        for (size_t i = 0; i < count; i++)
                if (rd_kafka_group_result_error(results[i]))
                        kafkactl_die("delete-group: %s: %s", group,
                                     rd_kafka_error_string(
                                             rd_kafka_group_result_error(results[i])));
        rd_kafka_event_destroy(event);
        rd_kafka_DeleteGroup_destroy(wanted);
        rd_kafka_queue_destroy(queue);
}

/* Partition by partition, "-" where nothing was written with the offset. */
void kafkactl_words(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_partition_list_t *list = kafkactl_list(rk, topic, RD_KAFKA_OFFSET_INVALID);
        rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, TIMEOUT_MS);

        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        for (int i = 0; i < list->cnt; i++)
                printf("%d %.*s\n", list->elems[i].partition,
                       list->elems[i].metadata_size ? (int)list->elems[i].metadata_size : 1,
                       list->elems[i].metadata_size ? (const char *)list->elems[i].metadata : "-");
        rd_kafka_topic_partition_list_destroy(list);
}

void kafkactl_committed(rd_kafka_t *rk, const char *topic)
{
        rd_kafka_topic_partition_list_t *list = kafkactl_list(rk, topic, RD_KAFKA_OFFSET_INVALID);
        rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, TIMEOUT_MS);

        if (err)
                kafkactl_die("%s: %s", topic, rd_kafka_err2str(err));
        kafkactl_print(list);
        rd_kafka_topic_partition_list_destroy(list);
}
