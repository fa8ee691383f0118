/* SPDX-License-Identifier: MIT */
/*
 * producer - every record handed in gets exactly one outcome, and the owner hears it
 *
 * Idempotent with acks=all: a retry inside librdkafka makes no double and keeps the order of a
 * partition. Keys are hashed as the Java client does (murmur2_random), so a key stays in its
 * partition whoever writes; records without a key are spread.
 *
 * Always true   PR1 done() is called once for each send() that returned 0, at the latest in free().
 *               PR2 what send() refused never reaches a broker.
 * Limits        a broker refuses a batch that is larger than its topic allows, and all records in it with it; those in
 *               the batches behind it arrive all the same. Who must keep order asks first, and sends in batches that
 *               fit: a single record is never split, so one that is refused was alone, and is the culprit.
 * Not chosen    events instead of a report callback: one allocation more per batch, same thread.
 * Threads       one owner; reports are served inside send and flush.
 */
#include "kafka/producer.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "kafka/client.h"
#include "kafka/cluster.h"

#define SERVE_EVERY 64 /* sends between two looks at the reports */
#define FREE_WAIT_MS 5000

struct weir_producer {
        struct weir_client_log log;
        rd_kafka_t *rk;
        rd_kafka_queue_t *answers; /* to questions for limits */
        char *client_id;
        struct weir_producer_conf conf; /* done and context only */
        uint32_t since_served_count;
        int report; /* error of the report in hand */
};

static void report_cb(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
        struct weir_client_log *log = opaque;
        struct weir_producer *producer = (struct weir_producer *)log; /* its first member */
        char text[420], last[sizeof log->error] = "";
        const char *error = NULL;

        (void)rk;
        if (!producer->conf.done)
                return;
        if (message->err) {
                if (weir_client_transient(message->err))
                        weir_client_log_last(log, last, sizeof last);
                snprintf(text, sizeof text, "%s%s%s", rd_kafka_err2str(message->err),
                         last[0] ? ": " : "", last);
                error = text;
        }
        producer->report = (int)message->err;
        producer->conf.done(producer->conf.context, message->_private,
                            rd_kafka_topic_name(message->rkt), message->partition, message->offset,
                            error);
}

_Static_assert(offsetof(struct weir_producer, log) == 0, "report_cb finds the producer by its log");

/* Does the owner want smaller ones than the operator? */
static bool smaller_batches(const struct weir_producer_conf *conf, char text[24])
{
        int64_t theirs = INT64_MAX;

        for (size_t i = 0; i < conf->property_count; i++)
                if (strcmp(conf->properties[i].name, "batch.size") == 0)
                        theirs = strtoll(conf->properties[i].value, NULL, 10);
        snprintf(text, 24, "%lld", (long long)conf->batch_bytes);
        return conf->batch_bytes > 0 && conf->batch_bytes < theirs;
}

int weir_producer_new(const struct weir_producer_conf *conf, struct weir_producer **ret,
                      struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_producer_freep)
        struct weir_producer *producer = calloc(1, sizeof *producer);
        char timeout_text[24], batch_text[24];
        const struct weir_client_setting defaults[] = {
                { "client.id", conf->client_id ? conf->client_id : "weir", false },
                { "linger.ms", "5", false },
                { "batch.size", "1000000", false },
                { "batch.num.messages", "10000", false },
                { "queue.buffering.max.messages", "500000", false },
                { "queue.buffering.max.kbytes", "131072", false },
                { "compression.type", conf->compression, false },
                { "partitioner", "murmur2_random", false },
                { "reconnect.backoff.ms", "50", false },
                { "reconnect.backoff.max.ms", "500", false },
                { "enable.metrics.push", "false", true },
                { "message.timeout.ms", conf->timeout_ms > 0 ? timeout_text : NULL, false },
        };
        const struct weir_client_setting fixed[] = {
                { "bootstrap.servers", conf->brokers, false },
                { "enable.idempotence", "true", false },
                { "acks", "all", false },
                { "batch.size", smaller_batches(conf, batch_text) ? batch_text : NULL, false },
        };
        rd_kafka_conf_t *rk_conf;
        int r;

        if (!producer)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "producer");
        snprintf(timeout_text, sizeof timeout_text, "%lld", (long long)conf->timeout_ms);
        producer->client_id = strdup(conf->client_id ? conf->client_id : "weir");
        weir_client_log_init(&producer->log, producer->client_id);
        producer->conf.done = conf->done;
        producer->conf.limit = conf->limit;
        producer->conf.context = conf->context;
        if (!producer->client_id)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "producer");
        r = weir_kafka_check_properties(conf->properties, conf->property_count, reterr);
        if (r < 0)
                return r;
        r = weir_client_conf(defaults, WEIR_COUNT_OF(defaults), conf->properties,
                             conf->property_count, fixed, WEIR_COUNT_OF(fixed), &producer->log,
                             &rk_conf, reterr);
        if (r < 0)
                return r;
        rd_kafka_conf_set_dr_msg_cb(rk_conf, report_cb);
        r = weir_client_open(RD_KAFKA_PRODUCER, &rk_conf, &producer->rk, reterr);
        if (r < 0)
                return r;
        producer->answers = rd_kafka_queue_new(producer->rk);
        *ret = WEIR_TAKE(producer);
        return 0;
}

static int make_headers(const struct weir_header *headers, size_t count, rd_kafka_headers_t **ret,
                        struct weir_error *reterr)
{
        rd_kafka_headers_t *list;

        if (!count) {
                *ret = NULL;
                return 0;
        }
        list = rd_kafka_headers_new(count);
        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu headers", count);
        for (size_t i = 0; i < count; i++) {
                rd_kafka_resp_err_t err = rd_kafka_header_add(list, headers[i].name, -1,
                                                              headers[i].value,
                                                              headers[i].value
                                                                      ? (ssize_t)headers[i].size
                                                                      : 0);

                if (err) {
                        rd_kafka_headers_destroy(list);
                        return weir_client_fail(NULL, err, reterr, "header %s", headers[i].name);
                }
        }
        *ret = list;
        return 0;
}

static int fail_send(struct weir_producer *producer, rd_kafka_resp_err_t err, const char *topic,
                     size_t size, struct weir_error *reterr)
{
        char text[300];

        switch (err) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                return weir_fail(reterr, WEIR_EUSAGE, (int)err,
                                 "topic %s: a record of %zu bytes is over message.max.bytes; raise "
                                 "it here and max.message.bytes of the topic",
                                 topic, size);
        case RD_KAFKA_RESP_ERR__FATAL:
                err = rd_kafka_fatal_error(producer->rk, text, sizeof text);
                return weir_fail(reterr, WEIR_EFATAL, (int)err,
                                 "topic %s: the producer is at its end: %s: %s", topic,
                                 rd_kafka_err2name(err), text);
        default: return weir_client_fail(&producer->log, err, reterr, "topic %s: send", topic);
        }
}

int weir_producer_send(struct weir_producer *producer, const char *topic, int32_t partition,
                       struct weir_view key, struct weir_view value,
                       const struct weir_header *headers, size_t header_count, int64_t time_ms,
                       void *tag, struct weir_error *reterr)
{
        rd_kafka_headers_t *list = NULL;
        rd_kafka_resp_err_t err;
        int r = make_headers(headers, header_count, &list, reterr);

        if (r < 0)
                return r;
        if (++producer->since_served_count >= SERVE_EVERY) {
                producer->since_served_count = 0;
                rd_kafka_poll(producer->rk, 0);
        }
        for (;;) {
                /* A null key or value is absent; an empty one is not: the pointer tells. */
                rd_kafka_vu_t with[] = {
                        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
                        { .vtype = RD_KAFKA_VTYPE_PARTITION,
                          .u.i32 = partition < 0 ? RD_KAFKA_PARTITION_UA : partition },
                        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
                        { .vtype = RD_KAFKA_VTYPE_KEY,
                          .u.mem = { .ptr = (void *)key.ptr, .size = key.ptr ? key.size : 0 } },
                        { .vtype = RD_KAFKA_VTYPE_VALUE,
                          .u.mem = { .ptr = (void *)value.ptr,
                                     .size = value.ptr ? value.size : 0 } },
                        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = time_ms },
                        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = tag },
                        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = list },
                };
                size_t count = WEIR_COUNT_OF(with) - (list ? 0 : 1);
                rd_kafka_error_t *error = rd_kafka_produceva(producer->rk, with, count);

                if (!error)
                        return 0; /* the headers are librdkafka's now */
                err = rd_kafka_error_code(error);
                rd_kafka_error_destroy(error);
                if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                        break;
                rd_kafka_poll(producer->rk, 100); /* message.timeout.ms empties it at the latest */
        }
        if (list)
                rd_kafka_headers_destroy(list);
        return fail_send(producer, err, topic, key.size + value.size, reterr);
}

/* ---- limits --------------------------------------------------------------------------------- */

int weir_producer_ask_limit(struct weir_producer *producer, const char *topic, int timeout_ms,
                            void *tag, struct weir_error *reterr)
{
        rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC,
                                                                          topic);
        rd_kafka_AdminOptions_t *options =
                rd_kafka_AdminOptions_new(producer->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
        char text[128];

        if (resource && options) {
                rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof text);
                rd_kafka_AdminOptions_set_opaque(options, tag);
                rd_kafka_DescribeConfigs(producer->rk, &resource, 1, options, producer->answers);
        }
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        if (resource)
                rd_kafka_ConfigResource_destroy(resource);
        return resource && options ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "limit of %s", topic);
}

static int64_t limit_in(rd_kafka_event_t *event)
{
        const rd_kafka_DescribeConfigs_result_t *result;
        const rd_kafka_ConfigResource_t **resources;
        const rd_kafka_ConfigEntry_t **entries;
        size_t count = 0;

        if (rd_kafka_event_error(event))
                return -1;
        result = rd_kafka_event_DescribeConfigs_result(event);
        resources = result ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
        if (count != 1 || rd_kafka_ConfigResource_error(resources[0]))
                return -1;
        entries = rd_kafka_ConfigResource_configs(resources[0], &count);
        for (size_t i = 0; i < count; i++) {
                const char *value = rd_kafka_ConfigEntry_value(entries[i]);

                if (value &&
                    strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0)
                        return strtoll(value, NULL, 10);
        }
        return -1;
}

static void serve_answers(struct weir_producer *producer)
{
        rd_kafka_event_t *event;

        while ((event = rd_kafka_queue_poll(producer->answers, 0)) != NULL) {
                if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT &&
                    producer->conf.limit)
                        producer->conf.limit(producer->conf.context, rd_kafka_event_opaque(event),
                                             limit_in(event));
                rd_kafka_event_destroy(event);
        }
}

/* ---- reports -------------------------------------------------------------------------------- */

int weir_producer_flush(struct weir_producer *producer, int timeout_ms)
{
        producer->since_served_count = 0;
        return rd_kafka_flush(producer->rk, timeout_ms) ? 1 : 0;
}

void weir_producer_serve(struct weir_producer *producer)
{
        producer->since_served_count = 0;
        rd_kafka_poll(producer->rk, 0);
        serve_answers(producer);
}

void weir_producer_wake(struct weir_producer *producer, struct weir_latch *latch)
{
        const uint64_t one = 1; /* what an eventfd takes */
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer->rk);

        rd_kafka_queue_io_event_enable(queue, latch->fd, &one, sizeof one);
        rd_kafka_queue_destroy(queue);
        rd_kafka_queue_io_event_enable(producer->answers, latch->fd, &one, sizeof one);
}

int weir_producer_report(const struct weir_producer *producer)
{
        return producer->report;
}

/* Rights are not here: they are given, and then the record goes. */
bool weir_producer_refuses(int number)
{
        switch (number) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT: return true;
        default: return false;
        }
}

bool weir_producer_refuses_batch(int number)
{
        switch (number) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD: return true;
        default: return false;
        }
}

bool weir_producer_misses_topic(int number)
{
        return number == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
               number == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
               number == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

const char *weir_producer_error_name(int number)
{
        return rd_kafka_err2name((rd_kafka_resp_err_t)number);
}

void weir_producer_free(struct weir_producer *producer)
{
        if (!producer)
                return;
        if (producer->rk) {
                /* What is still open gets its outcome (PR1): purged. */
                rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
                if (rd_kafka_flush(producer->rk, FREE_WAIT_MS))
                        weir_log(WEIR_LOG_WARN, "producer.unreported",
                                 LOG_S("client", producer->client_id),
                                 LOG_I("records", rd_kafka_outq_len(producer->rk)));
                if (producer->answers)
                        rd_kafka_queue_destroy(producer->answers);
                rd_kafka_destroy(producer->rk);
        }
        weir_client_log_fini(&producer->log);
        free(producer->client_id);
        free(producer);
}
