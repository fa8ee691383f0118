/* SPDX-License-Identifier: MIT */
/*
 * kafka - the n-th call of librdkafka that may fail does
 *
 * It is not made at all, and answers as its manual says: an error code, an error object, NULL. Reading from a queue
 * finds nothing. Calls that give back (destroy, commit of what is stored, yield) are left alone: they have no failure.
 */
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>

#include "torture.h"

#define WRAP(type, name, parameters, arguments, failed)                                            \
        type torture_##name parameters;                                                            \
        type torture_##name parameters                                                             \
        {                                                                                          \
                return torture_fails(TORTURE_KAFKA) ? (failed) : name arguments;                   \
        }

#define BROKEN RD_KAFKA_RESP_ERR__TRANSPORT
#define AN_ERROR rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "tortured")

WRAP(rd_kafka_resp_err_t, rd_kafka_subscribe,
     (rd_kafka_t * rk, const rd_kafka_topic_partition_list_t *list), (rk, list), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_assign,
     (rd_kafka_t * rk, const rd_kafka_topic_partition_list_t *list), (rk, list), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_assignment,
     (rd_kafka_t * rk, rd_kafka_topic_partition_list_t **ret), (rk, ret), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_position,
     (rd_kafka_t * rk, rd_kafka_topic_partition_list_t *list), (rk, list), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_offsets_store,
     (rd_kafka_t * rk, rd_kafka_topic_partition_list_t *list), (rk, list), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_offsets_for_times,
     (rd_kafka_t * rk, rd_kafka_topic_partition_list_t *list, int timeout_ms),
     (rk, list, timeout_ms), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_metadata,
     (rd_kafka_t * rk, int all, rd_kafka_topic_t *topic, const struct rd_kafka_metadata **ret,
      int timeout_ms),
     (rk, all, topic, ret, timeout_ms), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_flush, (rd_kafka_t * rk, int timeout_ms), (rk, timeout_ms),
     RD_KAFKA_RESP_ERR__TIMED_OUT)
WRAP(rd_kafka_resp_err_t, rd_kafka_poll_set_consumer, (rd_kafka_t * rk), (rk), BROKEN)
WRAP(rd_kafka_resp_err_t, rd_kafka_header_add,
     (rd_kafka_headers_t * headers, const char *name, ssize_t name_size, const void *value,
      ssize_t size),
     (headers, name, name_size, value, size), RD_KAFKA_RESP_ERR__READ_ONLY)
WRAP(rd_kafka_error_t *, rd_kafka_incremental_assign,
     (rd_kafka_t * rk, const rd_kafka_topic_partition_list_t *list), (rk, list), AN_ERROR)
WRAP(rd_kafka_error_t *, rd_kafka_incremental_unassign,
     (rd_kafka_t * rk, const rd_kafka_topic_partition_list_t *list), (rk, list), AN_ERROR)
WRAP(rd_kafka_error_t *, rd_kafka_consumer_close_queue, (rd_kafka_t * rk, rd_kafka_queue_t *queue),
     (rk, queue), AN_ERROR)
WRAP(rd_kafka_error_t *, rd_kafka_produceva, (rd_kafka_t * rk, const rd_kafka_vu_t *list, size_t n),
     (rk, list, n), AN_ERROR)
WRAP(rd_kafka_event_t *, rd_kafka_queue_poll, (rd_kafka_queue_t * queue, int timeout_ms),
     (queue, timeout_ms), NULL)
WRAP(rd_kafka_message_t *, rd_kafka_consume_queue, (rd_kafka_queue_t * queue, int timeout_ms),
     (queue, timeout_ms), NULL)
WRAP(rd_kafka_resp_err_t, rd_kafka_event_error, (rd_kafka_event_t * event), (event), BROKEN)
WRAP(rd_kafka_topic_t *, rd_kafka_topic_new,
     (rd_kafka_t * rk, const char *name, rd_kafka_topic_conf_t *conf), (rk, name, conf), NULL)
WRAP(int, rd_kafka_consume_start_queue,
     (rd_kafka_topic_t * topic, int32_t partition, int64_t offset, rd_kafka_queue_t *queue),
     (topic, partition, offset, queue), -1)

rd_kafka_t *torture_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                 size_t size);
rd_kafka_t *torture_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                 size_t size)
{
        if (!torture_fails(TORTURE_KAFKA))
                return rd_kafka_new(type, conf, why, size);
        snprintf(why, size, "tortured");
        return NULL; /* and conf is still the caller's */
}

rd_kafka_conf_res_t torture_rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name,
                                              const char *value, char *why, size_t size);
rd_kafka_conf_res_t torture_rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name,
                                              const char *value, char *why, size_t size)
{
        if (!torture_fails(TORTURE_KAFKA))
                return rd_kafka_conf_set(conf, name, value, why, size);
        if (why)
                snprintf(why, size, "tortured");
        return RD_KAFKA_CONF_INVALID;
}
