/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CLUSTER_INTERNAL_H
#define WEIR_KAFKA_CLUSTER_INTERNAL_H
/* cluster_internal - what the files of the cluster share; within lib/kafka/ only */
#include <librdkafka/rdkafka.h>

#include "kafka/client.h"
#include "kafka/cluster.h"

struct weir_cluster {
        struct weir_client_log log;
        rd_kafka_t *rk;
        rd_kafka_conf_t *settings; /* what @rk was made with */
        char *brokers;
        int timeout_ms;
};

/* WEIR_EKAFKA: "@what @name at …", and what librdkafka said of it. */
int weir_cluster_fail(struct weir_cluster *cluster, rd_kafka_resp_err_t err, const char *what,
                      const char *name, struct weir_error *reterr);
/* Wait for the result of an admin call. NULL = not within the time; the caller destroys it. */
rd_kafka_event_t *weir_cluster_await(rd_kafka_queue_t *queue, int type, int timeout_ms);
rd_kafka_AdminOptions_t *weir_cluster_options(rd_kafka_t *rk, rd_kafka_admin_op_t op,
                                              int timeout_ms);

#endif
