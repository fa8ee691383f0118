/* SPDX-License-Identifier: MIT */
/*
 * record - a record in hand: what of it is librdkafka's, and how long
 *
 * Topic, key and value stay where librdkafka put them: a record is read millions of times and copied never. Its
 * partition counts what is out, because the client cannot be closed around it (PA3, M1). Headers are the exception:
 * librdkafka makes a heap object of each one when it is first asked and frees them with the record, by then cold and
 * by the thousand: a third of a lane's CPU time (measured). Copied out and freed at once, it is the same few pieces of
 * warm memory for every record.
 *
 * Threads       whoever holds the record; release from any.
 */
#include <string.h>

#include "kafka/consumer_internal.h"

void weir_record_fill(struct weir_record *record, struct weir_partition *partition,
                      rd_kafka_message_t *message)
{
        uint64_t bytes = message->len + message->key_len + 1;

        *record = (struct weir_record){
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
        atomic_store_explicit(&partition->read_time_ms, record->time_ms, memory_order_relaxed);
        weir_sight_see(partition, bytes);
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
