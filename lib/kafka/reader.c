/* SPDX-License-Identifier: MIT */
/*
 * reader - a topic without a group: joins nothing, commits nothing, needs no right on a group
 *
 * Uses librdkafka's partition-level calls (consume_start_queue), as kcat does: the group-level
 * ones want a group.id, look for its coordinator and fail where the user has no right to it.
 *
 * Always true   RD1 every partition begins at an offset that was asked from the broker at open;
 *                   auto.offset.reset never decides.
 *               RD2 a partition is at its end when the next offset reached the end seen at open,
 *                   or the client says EOF: markers of transactions have offsets and no record.
 *               RD3 one partition's error stops that partition, not the others.
 *               RD4 of a range no record below from_offset or at until_offset and beyond is returned, and it is at its end
 *                   as soon as one of these is seen: the last offsets of it may hold markers only.
 * Threads       one owner.
 */
#include "kafka/reader.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "kafka/client.h"
#include "kafka/cluster.h"

struct place {
        int64_t next_offset,
                end_offset; /* end as seen at open, or of the range if that is before it */
        bool wanted, started, ended;
};

struct weir_reader {
        struct weir_client_log log;
        rd_kafka_t *rk;
        rd_kafka_topic_t *topic;
        rd_kafka_queue_t *queue;
        char *topic_name;
        struct place *places; /* by partition number */
        int32_t partition_count;
        int32_t unended_count;
        bool stop_at_end, end_said;
};

static int make_handle(struct weir_reader *reader, const struct weir_reader_conf *conf,
                       struct weir_error *reterr)
{
        const struct weir_client_setting defaults[] = {
                { "client.id", conf->client_id ? conf->client_id : "weir-reader", false },
                { "isolation.level", "read_committed", false },
                { "reconnect.backoff.ms", "50", false },
                { "reconnect.backoff.max.ms", "500", false },
                { "fetch.wait.max.ms", "50", false },
                { "fetch.queue.backoff.ms", "10", true },
                { "queued.min.messages", "1000000", false },
                { "queued.max.messages.kbytes", "16384", false },
                { "enable.metrics.push", "false", true },
        };
        const struct weir_client_setting fixed[] = {
                { "bootstrap.servers", conf->brokers, false },
                { "auto.offset.reset", "error", false },
                { "enable.auto.commit", "false", false },
                { "enable.auto.offset.store", "false", false },
                { "enable.partition.eof", "true", false },
                { "check.crcs", "true", false },
                { "allow.auto.create.topics", "false", false },
        };
        rd_kafka_conf_t *rk_conf;
        int r;

        r = weir_kafka_check_properties(conf->properties, conf->property_count, reterr);
        if (r < 0)
                return r;
        r = weir_client_conf(defaults, WEIR_COUNT_OF(defaults), conf->properties,
                             conf->property_count, fixed, WEIR_COUNT_OF(fixed), &reader->log,
                             &rk_conf, reterr);
        if (r < 0)
                return r;
        r = weir_client_open(RD_KAFKA_CONSUMER, &rk_conf, &reader->rk, reterr);
        if (r < 0)
                return r;
        reader->queue = rd_kafka_queue_new(reader->rk);
        return reader->queue ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "topic %s", conf->topic);
}

static int32_t largest_partition(const struct weir_reader_conf *conf)
{
        int32_t largest = conf->ranges ? 0 : conf->partition;

        for (size_t i = 0; i < conf->range_count; i++)
                if (conf->ranges[i].partition > largest)
                        largest = conf->ranges[i].partition;
        return largest;
}

static int count_partitions(struct weir_reader *reader, const struct weir_reader_conf *conf,
                            struct weir_error *reterr)
{
        int count = 0;
        rd_kafka_resp_err_t err = weir_client_partitions(reader->rk, conf->topic, conf->timeout_ms,
                                                         &count);

        if (!err && !count)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "topic %s: no such topic at %s",
                                 conf->topic, conf->brokers);
        for (int i = 0; err && i < 20; i++) /* the cause waits to be served */
                rd_kafka_poll(reader->rk, 0);
        if (err)
                return weir_client_fail(&reader->log, err, reterr, "topic %s: metadata from %s",
                                        conf->topic, conf->brokers);
        if (largest_partition(conf) >= count)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s: no partition %d, it has %d (0 to %d)", conf->topic,
                                 (int)largest_partition(conf), count, count - 1);
        reader->partition_count = count;
        reader->places = calloc((size_t)count, sizeof *reader->places);
        if (!reader->places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reader of topic %s", conf->topic);
        for (int32_t p = 0; p < count; p++)
                reader->places[p].wanted = !conf->ranges &&
                                           (conf->partition < 0 || conf->partition == p);
        for (size_t i = 0; i < conf->range_count; i++)
                reader->places[conf->ranges[i].partition].wanted = true;
        /* Not before it is known to be there: the client asks for a topic that it has a handle of. */
        reader->topic = rd_kafka_topic_new(reader->rk, conf->topic, NULL);
        return reader->topic ? 0
                             : weir_client_fail(NULL, rd_kafka_last_error(), reterr, "topic %s",
                                                conf->topic);
}

/* Offsets at @time (-1 end, -2 start) of the partitions that are read. The caller frees *ret. */
static int ask(struct weir_reader *reader, const struct weir_reader_conf *conf, int64_t time,
               int64_t deadline_us, rd_kafka_topic_partition_list_t **ret,
               struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
                reader->partition_count);
        int r;

        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "topic %s: offsets", conf->topic);
        for (int32_t p = 0; p < reader->partition_count; p++)
                if (reader->places[p].wanted)
                        rd_kafka_topic_partition_list_add(list, conf->topic, p)->offset = time;
        r = weir_client_offsets(reader->rk, &reader->log, list, deadline_us, NULL, reterr);
        if (r < 0)
                rd_kafka_topic_partition_list_destroy(list);
        else
                *ret = list;
        return r;
}

static int choose(const struct weir_reader_conf *conf, int32_t partition, int64_t start,
                  int64_t end, int64_t at_time, int64_t *ret, struct weir_error *reterr)
{
        switch (conf->from) {
        case WEIR_FROM_EARLIEST: *ret = start; return 0;
        case WEIR_FROM_LATEST: *ret = end; return 0;
        case WEIR_FROM_TIME: *ret = at_time < 0 ? end : at_time; return 0;
        default: break;
        }
        *ret = conf->from_value < start ? start : conf->from_value > end ? end : conf->from_value;
        if (*ret != conf->from_value && conf->partition >= 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s partition %d: offset %lld is outside of the log, which "
                                 "holds %lld to %lld",
                                 conf->topic, (int)partition, (long long)conf->from_value,
                                 (long long)start, (long long)end);
        return 0;
}

/* The range of @partition, cut to the log as it is. */
static void choose_range(const struct weir_reader_conf *conf, int32_t partition, int64_t start,
                         int64_t end, struct place *place)
{
        for (size_t i = 0; i < conf->range_count; i++) {
                struct weir_reader_range *range = &conf->ranges[i];

                if (range->partition != partition)
                        continue;
                range->begin_offset = range->from_offset < start ? start
                                      : range->from_offset > end ? end
                                                                 : range->from_offset;
                place->next_offset = range->begin_offset;
                place->end_offset = range->until_offset < end ? range->until_offset : end;
        }
}

static int start(struct weir_reader *reader, const struct weir_reader_conf *conf,
                 struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + conf->timeout_ms * 1000LL;
        rd_kafka_topic_partition_list_t *starts = NULL, *ends = NULL, *times = NULL;
        int r;

        r = ask(reader, conf, RD_KAFKA_OFFSET_BEGINNING, deadline_us, &starts, reterr);
        if (r == 0)
                r = ask(reader, conf, RD_KAFKA_OFFSET_END, deadline_us, &ends, reterr);
        if (r == 0 && !conf->ranges && conf->from == WEIR_FROM_TIME)
                r = ask(reader, conf, conf->from_value < 0 ? 0 : conf->from_value, deadline_us,
                        &times, reterr);
        for (int i = 0; r == 0 && i < starts->cnt; i++) {
                int32_t number = starts->elems[i].partition;
                struct place *place = &reader->places[number];

                place->end_offset = ends->elems[i].offset;
                if (conf->ranges)
                        choose_range(conf, number, starts->elems[i].offset, ends->elems[i].offset,
                                     place);
                else
                        r = choose(conf, number, starts->elems[i].offset, ends->elems[i].offset,
                                   times ? times->elems[i].offset : -1, &place->next_offset,
                                   reterr);
                if (r < 0)
                        break;
                place->ended = place->next_offset >= place->end_offset;
                reader->unended_count += !place->ended;
                if (place->ended && reader->stop_at_end)
                        continue;
                if (rd_kafka_consume_start_queue(reader->topic, number, place->next_offset,
                                                 reader->queue))
                        r = weir_client_fail(&reader->log, rd_kafka_last_error(), reterr,
                                             "topic %s partition %d: start", conf->topic,
                                             (int)number);
                else
                        place->started = true;
        }
        if (starts)
                rd_kafka_topic_partition_list_destroy(starts);
        if (ends)
                rd_kafka_topic_partition_list_destroy(ends);
        if (times)
                rd_kafka_topic_partition_list_destroy(times);
        return r;
}

int weir_reader_open(const struct weir_reader_conf *conf, struct weir_reader **ret,
                     struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_reader_closep) struct weir_reader *reader = calloc(1, sizeof *reader);
        int r;

        if (!reader)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reader of topic %s", conf->topic);
        weir_client_log_init(&reader->log, "weir-reader");
        reader->stop_at_end = conf->stop_at_end || conf->ranges;
        reader->topic_name = strdup(conf->topic);
        if (!reader->topic_name)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reader of topic %s", conf->topic);
        r = make_handle(reader, conf, reterr);
        if (r < 0)
                return r;
        r = count_partitions(reader, conf, reterr);
        if (r < 0)
                return r;
        r = start(reader, conf, reterr);
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(reader);
        return 0;
}

static void stop_place(struct weir_reader *reader, int32_t partition)
{
        if (reader->places[partition].started)
                rd_kafka_consume_stop(reader->topic, partition);
        reader->places[partition].started = false;
}

static void end_place(struct weir_reader *reader, int32_t partition)
{
        if (!reader->places[partition].ended) {
                reader->places[partition].ended = true;
                reader->unended_count--;
        }
        if (reader->stop_at_end)
                stop_place(reader, partition);
}

static int fail_place(struct weir_reader *reader, const rd_kafka_message_t *message,
                      struct weir_record *ret, struct weir_error *reterr)
{
        struct place *place = &reader->places[message->partition];
        bool damage = message->err == RD_KAFKA_RESP_ERR__BAD_MSG ||
                      message->err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
                      message->err == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED ||
                      message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                      message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
        int r = weir_fail(reterr, damage ? WEIR_ELOG : WEIR_EKAFKA, (int)message->err,
                          "topic %s partition %d: reading stopped at offset %lld: %s",
                          reader->topic_name, (int)message->partition,
                          (long long)place->next_offset, rd_kafka_message_errstr(message));

        *ret = (struct weir_record){ .topic = reader->topic_name, .partition = message->partition };
        end_place(reader, message->partition);
        stop_place(reader, message->partition);
        return r;
}

/* What a message means: 1 record, 0 nothing for the caller, < 0 error. Takes @message unless 1. */
static int take(struct weir_reader *reader, rd_kafka_message_t *message, struct weir_record *ret,
                struct weir_error *reterr)
{
        struct place *place = &reader->places[message->partition];
        int r = 0;

        if (!place->started) { /* left over in the queue */
                rd_kafka_message_destroy(message);
                return 0;
        }
        if (message->err) {
                if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                        end_place(reader, message->partition);
                else
                        r = fail_place(reader, message, ret, reterr);
                rd_kafka_message_destroy(message);
                return r;
        }
        if (reader->stop_at_end && message->offset >= place->end_offset) {
                end_place(reader, message->partition);
                rd_kafka_message_destroy(message);
                return 0;
        }
        place->next_offset = message->offset + 1;
        *ret = (struct weir_record){
                .topic = reader->topic_name,
                .partition = message->partition,
                .offset = message->offset,
                .time_ms = rd_kafka_message_timestamp(message, NULL),
                .key = { message->key, message->key_len },
                .value = { message->payload, message->len },
                .message = message,
        };
        if (place->next_offset >= place->end_offset)
                end_place(reader, message->partition);
        return 1;
}

int weir_reader_read(struct weir_reader *reader, int timeout_ms, struct weir_record *ret,
                     struct weir_error *reterr)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;

        for (;;) {
                rd_kafka_message_t *message;
                int64_t left_ms;
                int r;

                if (reader->unended_count == 0 && !reader->end_said) {
                        reader->end_said = true;
                        return 2;
                }
                left_ms = (deadline_us - weir_clock_us()) / 1000;
                message = rd_kafka_consume_queue(reader->queue, left_ms > 0 ? (int)left_ms : 0);
                if (!message) {
                        rd_kafka_poll(reader->rk, 0); /* error callbacks */
                        if (weir_clock_us() >= deadline_us)
                                return 0;
                        continue;
                }
                r = take(reader, message, ret, reterr);
                if (r)
                        return r;
        }
}

void weir_reader_close(struct weir_reader *reader)
{
        if (!reader)
                return;
        for (int32_t p = 0; reader->places && p < reader->partition_count; p++)
                stop_place(reader, p);
        if (reader->queue)
                rd_kafka_queue_destroy(reader->queue);
        if (reader->topic)
                rd_kafka_topic_destroy(reader->topic);
        if (reader->rk)
                rd_kafka_destroy(reader->rk);
        weir_client_log_fini(&reader->log);
        free(reader->topic_name);
        free(reader->places);
        free(reader);
}
