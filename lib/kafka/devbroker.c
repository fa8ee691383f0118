/* SPDX-License-Identifier: MIT */
/*
 * devbroker - librdkafka's mock cluster as a broker for `weir dev` and for tests
 *
 * Starts in milliseconds and needs no Java. It is not Kafka: it keeps 5 MiB or 100,000 batches a
 * partition, forgets everything at its end, answers no question for an offset by time (always the
 * end), knows no TLS, and lets the first group form after 3 s. It is bound to the loopback only.
 * Not chosen    a broker of our own: the wire protocol is not the place to be original.
 * Known         a group member with session.timeout.ms of 3000 or less is evicted while the first
 *               join waits; each later rebalance takes session.timeout.ms - 1000. Use 3500-6000.
 */
#include "kafka/devbroker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#include "kafka/client.h"
#include "kafka/cluster.h"

struct weir_devbroker {
        struct weir_client_log log;
        rd_kafka_t *rk; /* the mock cluster lives in a client's threads */
        rd_kafka_mock_cluster_t *cluster;
};

int weir_devbroker_start(const char *const *topics, size_t topic_count, int partitions,
                         struct weir_devbroker **ret, struct weir_error *reterr)
{
        /* The client that carries the mock has no broker to go to, and would warn of it each time. */
        static const struct weir_client_setting quiet[] = { { "log_level", "3", false } };
        WEIR_CLEANUP(weir_devbroker_stopp)
        struct weir_devbroker *broker = calloc(1, sizeof *broker);
        rd_kafka_conf_t *conf;
        int r;

        if (!broker)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "development broker");
        weir_client_log_init(&broker->log, "devbroker");
        r = weir_client_conf(quiet, WEIR_COUNT_OF(quiet), NULL, 0, NULL, 0, &broker->log, &conf,
                             reterr);
        if (r < 0)
                return r;
        r = weir_client_open(RD_KAFKA_PRODUCER, &conf, &broker->rk, reterr);
        if (r < 0)
                return r;
        broker->cluster = rd_kafka_mock_cluster_new(broker->rk, 1);
        if (!broker->cluster)
                return weir_fail(reterr, WEIR_EKAFKA, 0,
                                 "development broker: librdkafka cannot start its mock cluster on "
                                 "the loopback interface");
        for (size_t i = 0; i < topic_count; i++) {
                rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(broker->cluster, topics[i],
                                                                     partitions > 0 ? partitions
                                                                                    : 4,
                                                                     1);

                if (err)
                        return weir_client_fail(NULL, err, reterr, "development broker: topic %s",
                                                topics[i]);
        }
        *ret = WEIR_TAKE(broker);
        return 0;
}

const char *weir_devbroker_address(const struct weir_devbroker *broker)
{
        return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void weir_devbroker_set_down(struct weir_devbroker *broker, bool down)
{
        if (down)
                rd_kafka_mock_broker_set_down(broker->cluster, 1);
        else
                rd_kafka_mock_broker_set_up(broker->cluster, 1);
}

void weir_devbroker_fail(struct weir_devbroker *broker, enum weir_devbroker_api api, int16_t error,
                         uint32_t count)
{
        if (count == 0)
                rd_kafka_mock_clear_request_errors(broker->cluster, (int16_t)api);
        while (count-- > 0)
                rd_kafka_mock_push_request_errors(broker->cluster, (int16_t)api, 1,
                                                  (rd_kafka_resp_err_t)error);
}

void weir_devbroker_forget(struct weir_devbroker *broker, enum weir_devbroker_api api, int delay_ms)
{
        rd_kafka_mock_broker_push_request_error_rtts(broker->cluster, 1, (int16_t)api, 1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, delay_ms);
}

int weir_devbroker_orphan(struct weir_devbroker *broker, const char *topic, int32_t partition,
                          struct weir_error *reterr)
{
        rd_kafka_resp_err_t err = rd_kafka_mock_partition_set_leader(broker->cluster, topic,
                                                                     partition, -1);

        return err ? weir_client_fail(NULL, err, reterr, "development broker: topic %s", topic) : 0;
}

void weir_devbroker_stop(struct weir_devbroker *broker)
{
        if (!broker)
                return;
        if (broker->cluster)
                rd_kafka_mock_cluster_destroy(broker->cluster);
        if (broker->rk)
                rd_kafka_destroy(broker->rk);
        weir_client_log_fini(&broker->log);
        free(broker);
}
