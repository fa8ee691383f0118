/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CLUSTER_H
#define WEIR_KAFKA_CLUSTER_H
/* cluster - questions and orders to the brokers; and the development broker for `weir dev` */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct weir_conf_property;
struct weir_cluster_conf {
        const char *brokers;
        const struct weir_conf_property *properties;
        size_t property_count;
        int timeout_ms;
};
struct weir_cluster;

int weir_cluster_open(const struct weir_cluster_conf *conf, struct weir_cluster **ret,
                      struct weir_error *reterr);
void weir_cluster_close(struct weir_cluster *cluster);
WEIR_DEFINE_FREEP(struct weir_cluster, weir_cluster_close)
/* Partitions of @topic; 0 = no such topic; < 0 error that says in words which of CA, host name, expiry,
 * password, listener it may be (REALKAFKA section 9). */
int weir_cluster_partitions(struct weir_cluster *cluster, const char *topic,
                            struct weir_error *reterr);
/* 0 created; 1 exists already. The development broker creates on first use instead. */
int weir_cluster_create_topic(struct weir_cluster *cluster, const char *topic, int partitions,
                              struct weir_error *reterr);
/* Committed offset of a group, -1 none. Waits for a coordinator that starts or moves, within timeout_ms. */
int weir_cluster_committed(struct weir_cluster *cluster, const char *group, const char *topic,
                           int32_t partition, int64_t *ret, struct weir_error *reterr);
/* For how long a record may lie in @topic: retention.ms and segment.ms, since a segment goes as a whole; -1 for ever,
 * also where it is compacted. 0; 1 = no such topic; 2 = the cluster does not say: no right to ask, or not a question
 * that it knows, @reterr has its words. */
int weir_cluster_topic_keeps(struct weir_cluster *cluster, const char *topic, int64_t *ret_ms,
                             struct weir_error *reterr);

/* offsets.c: many places at a time. @offset in and out, -1: there is none. */
struct weir_cluster_offset {
        const char *topic;
        int32_t partition;
        int64_t offset;
};
#define WEIR_OFFSETS_START (-2)
#define WEIR_OFFSETS_END (-1)
/* The first offset at or after @when_ms (-1: there is no such record), or where the log begins or ends. An open transaction
 * ends it. The development broker knows no times: WEIR_EUSAGE. */
int weir_cluster_offsets(struct weir_cluster *cluster, struct weir_cluster_offset *offsets,
                         size_t count, int64_t when_ms, struct weir_error *reterr);
/* Committed offsets of @group. */
int weir_cluster_committed_all(struct weir_cluster *cluster, const char *group,
                               struct weir_cluster_offset *offsets, size_t count,
                               struct weir_error *reterr);
/* Write them as committed offsets of @group, which must have no members, and read them back. @words (may be NULL) stay
 * beside them, as far as WEIR_CLUSTER_NOTE_BYTES. Kafka compares them with no log. */
#define WEIR_CLUSTER_NOTE_BYTES 1024
int weir_cluster_commit(struct weir_cluster *cluster, const char *group,
                        const struct weir_cluster_offset *offsets, size_t count, const char *words,
                        struct weir_error *reterr);
/* Who is in @group now. One that does not exist is "Dead", with 0; that of a development broker "unknown", with 0. */
struct weir_cluster_group {
        size_t count;
        char state[32];
};
int weir_cluster_group(struct weir_cluster *cluster, const char *group,
                       struct weir_cluster_group *ret, struct weir_error *reterr);

/* Library facts. */
const char *weir_kafka_version(void);
uint32_t weir_kafka_version_number(void);
/* Refuse what this librdkafka does not know, does not take, or cannot do (SCRAM below 2.6.1: #4895). Asks the
 * library, no broker. 0 or WEIR_ECONF with the ways out: "name: …"; the second one looks at all, the first that
 * fails, as "kafka property name: …". */
int weir_kafka_check_property(const struct weir_conf_property *property, struct weir_error *reterr);
int weir_kafka_check_properties(const struct weir_conf_property *properties, size_t count,
                                struct weir_error *reterr);

/* The development broker: librdkafka's mock cluster, in memory, loopback only. */
struct weir_devbroker;
int weir_devbroker_start(const char *const *topics, size_t topic_count, int partitions,
                         struct weir_devbroker **ret, struct weir_error *reterr);
const char *weir_devbroker_address(const struct weir_devbroker *broker);
void weir_devbroker_stop(struct weir_devbroker *broker);
WEIR_DEFINE_FREEP(struct weir_devbroker, weir_devbroker_stop)

#endif
