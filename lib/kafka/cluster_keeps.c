/* SPDX-License-Identifier: MIT */
/*
 * cluster_keeps - for how long may a record lie in a topic?
 *
 * Kafka removes whole segments, when their youngest record is older than retention.ms; a segment takes records for
 * segment.ms at most. So the oldest record of a log is as old as both together, and retention.bytes can only make it
 * younger. A compacted topic keeps the last record of a key for ever.
 *
 * As in cluster.c (Q1 to Q4). The development broker has no controller, who is the one that answers: it is not asked, or
 * each start of `weir dev` would wait for its silence.
 */
#include <stdlib.h>
#include <string.h>

#include "kafka/cluster_internal.h"

static bool will_not_say(rd_kafka_resp_err_t err)
{
        return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
               err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
               err == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION ||
               err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE;
}

static int read_settings(const rd_kafka_ConfigResource_t *resource, int64_t *ret_ms)
{
        int64_t retention_ms = -1, segment_ms = 0;
        bool compacted = false;
        size_t count = 0;
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

        for (size_t i = 0; i < count; i++) {
                const char *name = rd_kafka_ConfigEntry_name(entries[i]);
                const char *value = rd_kafka_ConfigEntry_value(entries[i]);

                if (!name || !value)
                        continue;
                if (!strcmp(name, "retention.ms"))
                        retention_ms = strtoll(value, NULL, 10);
                else if (!strcmp(name, "segment.ms"))
                        segment_ms = strtoll(value, NULL, 10);
                else if (!strcmp(name, "cleanup.policy"))
                        compacted = !strstr(value, "delete");
        }
        if (compacted || retention_ms < 0 || segment_ms < 0 ||
            segment_ms > INT64_MAX - retention_ms) /* either may be the largest number there is */
                *ret_ms = -1;
        else
                *ret_ms = retention_ms + segment_ms;
        return 0;
}

/* Q2: an error of the whole, or of the one topic in it. */
static int judge(struct weir_cluster *cluster, rd_kafka_event_t *event, const char *topic,
                 int64_t *ret_ms, struct weir_error *reterr)
{
        rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event)
                                        : RD_KAFKA_RESP_ERR__TIMED_OUT;
        const rd_kafka_DescribeConfigs_result_t *result = NULL;
        const rd_kafka_ConfigResource_t **resources = NULL;
        size_t count = 0;

        if (!err)
                result = rd_kafka_event_DescribeConfigs_result(event);
        if (result)
                resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
        if (!err)
                err = count == 1 ? rd_kafka_ConfigResource_error(resources[0])
                                 : RD_KAFKA_RESP_ERR__FAIL;
        if (!err)
                return read_settings(resources[0], ret_ms);
        if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
                return 1;
        weir_cluster_fail(cluster, err, "settings of topic", topic, reterr);
        return will_not_say(err) ? 2 : WEIR_EKAFKA;
}

static int ask(struct weir_cluster *cluster, const char *topic, int64_t *ret_ms,
               struct weir_error *reterr)
{
        rd_kafka_ConfigResource_t *wish = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC,
                                                                      topic);
        rd_kafka_AdminOptions_t *options;
        rd_kafka_queue_t *queue;
        rd_kafka_event_t *event;
        int r;

        if (!wish)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "settings of a topic without a name");
        options = weir_cluster_options(cluster->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
                                       cluster->timeout_ms);
        queue = rd_kafka_queue_new(cluster->rk);
        rd_kafka_DescribeConfigs(cluster->rk, &wish, 1, options, queue);
        event = weir_cluster_await(queue, RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT,
                                   cluster->timeout_ms + 1000);
        r = judge(cluster, event, topic, ret_ms, reterr);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        rd_kafka_ConfigResource_destroy(wish);
        return r;
}

int weir_cluster_topic_keeps(struct weir_cluster *cluster, const char *topic, int64_t *ret_ms,
                             struct weir_error *reterr)
{
        int count = weir_cluster_partitions(cluster, topic, reterr);

        if (count <= 0)
                return count < 0 ? count : 1;
        if (weir_client_is_devbroker(cluster->rk, cluster->timeout_ms) < 1)
                return ask(cluster, topic, ret_ms, reterr);
        weir_fail(reterr, WEIR_EKAFKA, 0,
                  "settings of topic %s at %s: no question for the development broker", topic,
                  cluster->brokers);
        return 2;
}
