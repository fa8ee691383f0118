/* SPDX-License-Identifier: MIT */
/*
 * cluster - questions and orders to the brokers, each bounded, each answered in words
 *
 * A metadata call that fails says "Local: Broker transport failure", whatever the cause. The cause
 * came earlier, as an error event that nobody repeats: it is fetched from the main queue and put
 * into the text, because "certificate verify failed" has three cures and a transport failure none.
 *
 * Always true   Q1  a question never creates a topic: the handle is a consumer's, a producer's
 *                   metadata request would.
 *               Q2  an error inside a result (librdkafka reports NO_ERROR for the whole) is found.
 *               Q3  a question about a group has a handle with that group.id, which never joins: told
 *                   that the coordinator has moved, 2.0.2 tells its own group member, and without one
 *                   that is a NULL pointer.
 *               Q4  a coordinator that loads its groups (every broker just started) is asked again
 *                   within the time of the question, as consumers do.
 * Not chosen    one handle kept for the process: it is needed for seconds, at start and by commands.
 * Threads       one owner.
 */
#include "kafka/cluster_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "kafka/compat.h"

static int make_settings(const struct weir_cluster_conf *conf, struct weir_client_log *log,
                         rd_kafka_conf_t **ret, struct weir_error *reterr)
{
        const struct weir_client_setting defaults[] = {
                { "client.id", "weir-admin", false },
                { "reconnect.backoff.ms", "50", false },
                { "reconnect.backoff.max.ms", "500", false },
                { "enable.metrics.push", "false", true },
        };
        const struct weir_client_setting fixed[] = {
                { "bootstrap.servers", conf->brokers, false },
                { "allow.auto.create.topics", "false", false },
        };
        int r = weir_kafka_check_properties(conf->properties, conf->property_count, reterr);

        return r < 0 ? r
                     : weir_client_conf(defaults, WEIR_COUNT_OF(defaults), conf->properties,
                                        conf->property_count, fixed, WEIR_COUNT_OF(fixed), log, ret,
                                        reterr);
}

int weir_cluster_open(const struct weir_cluster_conf *conf, struct weir_cluster **ret,
                      struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = calloc(1, sizeof *cluster);
        rd_kafka_conf_t *settings;
        int r;

        if (!cluster)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "Kafka client");
        weir_client_log_init(&cluster->log, "weir-admin");
        cluster->timeout_ms = conf->timeout_ms > 0 ? conf->timeout_ms : 5000;
        cluster->brokers = strdup(conf->brokers);
        if (!cluster->brokers)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "Kafka client");
        r = make_settings(conf, &cluster->log, &cluster->settings, reterr);
        if (r < 0)
                return r;
        settings = rd_kafka_conf_dup(cluster->settings);
        r = weir_client_open(RD_KAFKA_CONSUMER, &settings, &cluster->rk, reterr);
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(cluster);
        return 0;
}

void weir_cluster_close(struct weir_cluster *cluster)
{
        if (!cluster)
                return;
        if (cluster->rk)
                rd_kafka_destroy(cluster->rk);
        if (cluster->settings)
                rd_kafka_conf_destroy(cluster->settings);
        weir_client_log_fini(&cluster->log);
        free(cluster->brokers);
        free(cluster);
}

int weir_cluster_fail(struct weir_cluster *cluster, rd_kafka_resp_err_t err, const char *what,
                      const char *name, struct weir_error *reterr)
{
        /* The cause is a callback that waits to be served. */
        for (int i = 0; i < 20; i++)
                rd_kafka_poll(cluster->rk, 0);
        return weir_client_fail(&cluster->log, err, reterr, "%s %s at %s", what, name,
                                cluster->brokers);
}

int weir_cluster_partitions(struct weir_cluster *cluster, const char *topic,
                            struct weir_error *reterr)
{
        int count = 0;
        rd_kafka_resp_err_t err = weir_client_partitions(cluster->rk, topic, cluster->timeout_ms,
                                                         &count);

        return err ? weir_cluster_fail(cluster, err, "metadata of topic", topic, reterr) : count;
}

/* Wait for the result of an admin call. NULL = not within the time; the caller destroys it. */
rd_kafka_event_t *weir_cluster_await(rd_kafka_queue_t *queue, int type, int timeout_ms)
{
        int64_t deadline_us = weir_clock_us() + timeout_ms * 1000LL;

        for (;;) {
                int64_t left_ms = (deadline_us - weir_clock_us()) / 1000;
                rd_kafka_event_t *event = rd_kafka_queue_poll(queue,
                                                              left_ms > 0 ? (int)left_ms : 0);

                if (event && rd_kafka_event_type(event) == type)
                        return event;
                if (event)
                        rd_kafka_event_destroy(event);
                if (left_ms <= 0)
                        return NULL;
        }
}

rd_kafka_AdminOptions_t *weir_cluster_options(rd_kafka_t *rk, rd_kafka_admin_op_t op,
                                              int timeout_ms)
{
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
        char text[128];

        if (options)
                rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof text);
        return options;
}

/* The development broker has no controller and creates a topic when a producer asks for it. */
static int create_by_use(struct weir_cluster *cluster, const char *topic, struct weir_error *reterr)
{
        const struct weir_client_setting fixed[] = {
                { "bootstrap.servers", cluster->brokers, false },
        };
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        rd_kafka_topic_t *handle;
        rd_kafka_conf_t *conf;
        rd_kafka_t *rk;
        int r;

        /* Without the user's properties: that broker knows no TLS and no login. */
        r = weir_client_conf(NULL, 0, NULL, 0, fixed, WEIR_COUNT_OF(fixed), &cluster->log, &conf,
                             reterr);
        if (r == 0)
                r = weir_client_open(RD_KAFKA_PRODUCER, &conf, &rk, reterr);
        if (r < 0)
                return r;
        handle = rd_kafka_topic_new(rk, topic, NULL);
        if (handle)
                err = rd_kafka_metadata(rk, 0, handle, &metadata, cluster->timeout_ms);
        if (metadata) {
                err = metadata->topic_cnt == 1 ? metadata->topics[0].err : err;
                rd_kafka_metadata_destroy(metadata);
        }
        if (handle)
                rd_kafka_topic_destroy(handle);
        rd_kafka_destroy(rk);
        return err ? weir_client_fail(NULL, err, reterr, "topic %s: create by use", topic) : 0;
}

static int read_created(struct weir_cluster *cluster, rd_kafka_event_t *event, const char *topic,
                        struct weir_error *reterr)
{
        const rd_kafka_topic_result_t **topics = NULL;
        const rd_kafka_CreateTopics_result_t *result;
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        const char *why = rd_kafka_event_error_string(event);
        size_t count = 0;

        if (err)
                return weir_cluster_fail(cluster, err, "create topic", topic, reterr);
        result = rd_kafka_event_CreateTopics_result(event);
        if (result)
                topics = rd_kafka_CreateTopics_result_topics(result, &count);
        for (size_t i = 0; i < count; i++) {
                err = rd_kafka_topic_result_error(topics[i]);
                why = rd_kafka_topic_result_error_string(topics[i]);
        }
        if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                return 1;
        if (err)
                return weir_fail(reterr, WEIR_EKAFKA, (int)err, "create topic %s at %s: %s", topic,
                                 cluster->brokers, why ? why : rd_kafka_err2str(err));
        return 0;
}

int weir_cluster_create_topic(struct weir_cluster *cluster, const char *topic, int partitions,
                              struct weir_error *reterr)
{
        rd_kafka_AdminOptions_t *options;
        rd_kafka_NewTopic_t *wish;
        rd_kafka_queue_t *queue;
        rd_kafka_event_t *event;
        char text[200];
        int r = weir_cluster_partitions(cluster, topic, reterr);

        if (r)
                return r < 0 ? r : 1;
        if (rd_kafka_controllerid(cluster->rk, 0) < 0)
                return create_by_use(cluster, topic, reterr);
        wish = rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof text);
        if (!wish)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "create topic %s: %s", topic, text);
        options = weir_cluster_options(cluster->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS,
                                       cluster->timeout_ms);
        queue = rd_kafka_queue_new(cluster->rk);
        rd_kafka_CreateTopics(cluster->rk, &wish, 1, options, queue);
        event = weir_cluster_await(queue, RD_KAFKA_EVENT_CREATETOPICS_RESULT,
                                   cluster->timeout_ms + 1000);
        r = event ? read_created(cluster, event, topic, reterr)
                  : weir_cluster_fail(cluster, RD_KAFKA_RESP_ERR__TIMED_OUT, "create topic", topic,
                                      reterr);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        rd_kafka_NewTopic_destroy(wish);
        return r;
}

static int read_committed(struct weir_cluster *cluster, rd_kafka_event_t *event, const char *group,
                          int64_t *ret, struct weir_error *reterr)
{
        const rd_kafka_ListConsumerGroupOffsets_result_t *result;
        const rd_kafka_group_result_t **groups = NULL;
        const rd_kafka_topic_partition_list_t *list;
        rd_kafka_resp_err_t err = rd_kafka_event_error(event);
        size_t count = 0;

        if (err)
                return weir_cluster_fail(cluster, err, "committed offsets of group", group, reterr);
        result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
        if (result)
                groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
        if (count != 1)
                return weir_cluster_fail(cluster, RD_KAFKA_RESP_ERR__FAIL,
                                         "committed offsets of group", group, reterr);
        if (rd_kafka_group_result_error(groups[0]))
                return weir_cluster_fail(cluster,
                                         rd_kafka_error_code(
                                                 rd_kafka_group_result_error(groups[0])),
                                         "committed offsets of group", group, reterr);
        list = rd_kafka_group_result_partitions(groups[0]);
        if (!list || list->cnt != 1) {
                *ret = -1;
                return 0;
        }
        if (list->elems[0].err)
                return weir_cluster_fail(cluster, list->elems[0].err, "committed offsets of group",
                                         group, reterr);
        *ret = list->elems[0].offset < 0 ? -1 : list->elems[0].offset;
        return 0;
}

static int ask_committed(struct weir_cluster *cluster, rd_kafka_t *rk, const char *group,
                         const rd_kafka_topic_partition_list_t *list, int timeout_ms, int64_t *ret,
                         struct weir_error *reterr)
{
        rd_kafka_ListConsumerGroupOffsets_t *wish = rd_kafka_ListConsumerGroupOffsets_new(group,
                                                                                          list);
        rd_kafka_AdminOptions_t *options;
        rd_kafka_queue_t *queue;
        rd_kafka_event_t *event;
        int r;

        options = weir_cluster_options(rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms);
        queue = rd_kafka_queue_new(rk);
        rd_kafka_ListConsumerGroupOffsets(rk, &wish, 1, options, queue);
        event = weir_cluster_await(queue, RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT,
                                   timeout_ms + 1000);
        for (int i = 0; i < 20; i++) /* as weir_cluster_fail() does with the other handle */
                rd_kafka_poll(rk, 0);
        r = event ? read_committed(cluster, event, group, ret, reterr)
                  : weir_cluster_fail(cluster, RD_KAFKA_RESP_ERR__TIMED_OUT,
                                      "committed offsets of group", group, reterr);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        rd_kafka_ListConsumerGroupOffsets_destroy(wish);
        return r;
}

/* What a broker answers while the group's coordinator starts or moves: seconds, on every restart. */
static bool coordinator_moves(const struct weir_error *error)
{
        return error->code == WEIR_EKAFKA &&
               (error->sys == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
                error->sys == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
                error->sys == RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
}

static int ask_in_time(struct weir_cluster *cluster, rd_kafka_t *rk, const char *group,
                       const rd_kafka_topic_partition_list_t *list, int64_t *ret,
                       struct weir_error *reterr)
{
        int64_t deadline_ms = weir_clock_ms() + cluster->timeout_ms;

        for (uint32_t attempt = 1;; attempt++) {
                int64_t left_ms = deadline_ms - weir_clock_ms();
                int64_t wait_ms = weir_backoff_ms(50, 500, attempt);
                struct weir_error error = { 0 };
                int r = ask_committed(cluster, rk, group, list, left_ms > 1 ? (int)left_ms : 1, ret,
                                      &error);

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

int weir_cluster_committed(struct weir_cluster *cluster, const char *group, const char *topic,
                           int32_t partition, int64_t *ret, struct weir_error *reterr)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_conf_t *conf = rd_kafka_conf_dup(cluster->settings);
        rd_kafka_t *rk;
        int r;

        rd_kafka_topic_partition_list_add(list, topic, partition);
        r = weir_client_try(conf, "group.id", group, false, reterr);
        if (r < 0)
                rd_kafka_conf_destroy(conf);
        else
                r = weir_client_open(RD_KAFKA_CONSUMER, &conf, &rk, reterr);
        if (r == 0) {
                r = ask_in_time(cluster, rk, group, list, ret, reterr);
                rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
        rd_kafka_topic_partition_list_destroy(list);
        return r;
}

/* ---- facts of the library ------------------------------------------------------------------- */

const char *weir_kafka_version(void)
{
        return rd_kafka_version_str();
}

uint32_t weir_kafka_version_number(void)
{
        return (uint32_t)rd_kafka_version();
}

int weir_kafka_check_property(const struct weir_conf_property *property, struct weir_error *reterr)
{
        rd_kafka_conf_t *conf;
        int r;

        if (rd_kafka_version() < WEIR_KAFKA_2_6_1 &&
            (!strcmp(property->name, "sasl.mechanism") ||
             !strcmp(property->name, "sasl.mechanisms")) &&
            strcasestr(property->value, "SCRAM"))
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s=%s: librdkafka %s cannot log in to Kafka 4 with "
                                 "SCRAM, right password or not (librdkafka #4895); use librdkafka "
                                 "2.6.1 or later, or sasl.mechanisms=PLAIN over "
                                 "security.protocol=SASL_SSL, or client certificates "
                                 "(security.protocol=SSL)",
                                 property->name, property->secret ? "(not shown)" : property->value,
                                 rd_kafka_version_str());
        conf = rd_kafka_conf_new();
        if (!conf)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "settings of a Kafka client");
        r = weir_client_try(conf, property->name, property->value, property->secret, reterr);
        rd_kafka_conf_destroy(conf);
        return r;
}

int weir_kafka_check_properties(const struct weir_conf_property *properties, size_t count,
                                struct weir_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < count; i++)
                r = weir_kafka_check_property(&properties[i], reterr);
        return r < 0 ? weir_error_prefix(reterr, "kafka property ") : 0;
}
