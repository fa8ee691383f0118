/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_COMPAT_H
#define WEIR_KAFKA_COMPAT_H
/*
 * compat - what newer librdkafka versions offer, found at run time
 *
 * Built against 2.0.2, one binary runs on later libraries. Functions are weak declarations, NULL
 * where the library lacks them; properties are asked for with rd_kafka_conf_get(). The versions
 * are librdkafka's own encoding (0xMMmmrrpp).
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#define WEIR_KAFKA_2_6_1 0x020601ff /* cooperative loop #4783 and SCRAM nonce #4895 fixed */

/* Since 2.1. 2.1.0-2.2.x never commit a stored offset without it (#4442). */
extern int32_t rd_kafka_message_leader_epoch(const rd_kafka_message_t *message)
        __attribute__((weak));
extern void rd_kafka_topic_partition_set_leader_epoch(rd_kafka_topic_partition_t *element,
                                                      int32_t leader_epoch) __attribute__((weak));

static inline bool weir_compat_has_property(rd_kafka_conf_t *conf, const char *name)
{
        size_t size = 0;

        return rd_kafka_conf_get(conf, name, NULL, &size) != RD_KAFKA_CONF_UNKNOWN;
}

static inline bool weir_compat_has_epochs(void)
{
        return rd_kafka_message_leader_epoch && rd_kafka_topic_partition_set_leader_epoch;
}

#endif
