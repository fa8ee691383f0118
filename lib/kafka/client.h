/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CLIENT_H
#define WEIR_KAFKA_CLIENT_H
/*
 * client - what consumer, producer, reader and cluster share: settings, questions, words for errors
 *
 * Only files of lib/kafka include this.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kafka/client_log.h"

struct weir_conf_property;

/* Does this librdkafka know the name and take the value? WEIR_ECONF: "@name: reason", without a secret's value. */
int weir_client_try(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret,
                    struct weir_error *reterr);

struct weir_client_setting {
        const char *name, *value; /* @value NULL = skip */
        bool optional;            /* newer libraries only: skipped where unknown */
};

/**
 * Make the settings of a handle: @defaults, then the user's @properties, then @fixed, which nobody
 * overrides; log and error callbacks end in @log.
 *
 * Owner    the caller owns *ret until rd_kafka_new() took it.
 * Errors   WEIR_ECONF names the property and repeats librdkafka's reason; the value of a secret is
 *          never shown. WEIR_ENOMEM.
 */
int weir_client_conf(const struct weir_client_setting *defaults, size_t default_count,
                     const struct weir_conf_property *properties, size_t property_count,
                     const struct weir_client_setting *fixed, size_t fixed_count,
                     struct weir_client_log *log, rd_kafka_conf_t **ret, struct weir_error *reterr);
/* Take *conf, make the handle. WEIR_ECONF with librdkafka's reason. */
int weir_client_open(rd_kafka_type_t type, rd_kafka_conf_t **conf, rd_kafka_t **ret,
                     struct weir_error *reterr);

/* Say in words what to look at when librdkafka reports @err with @text (REALKAFKA: a wrong CA, a
 * wrong host name and an expired certificate have one text). */
void weir_client_explain(rd_kafka_resp_err_t err, const char *text, char *ret, size_t room);

/* WEIR_EKAFKA: "@what: reason", with the last connection error of @log where it says more. */
int weir_client_fail(struct weir_client_log *log, rd_kafka_resp_err_t err,
                     struct weir_error *reterr, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* True: what an unreachable or busy cluster answers; asking again may help. */
bool weir_client_transient(rd_kafka_resp_err_t err);

/* Property given by the user, NULL = not given. */
const char *weir_client_property(const struct weir_conf_property *properties, size_t count,
                                 const char *name);

/* Is it the development broker of `weir dev` (librdkafka's mock)? An old broker at heart: it makes every topic that it
 * is asked about by name, and knows no time of any record. Waits up to @timeout_ms for a first answer.
 * 1, 0, or -1: no answer. */
int weir_client_is_devbroker(rd_kafka_t *rk, int timeout_ms);
/* *ret = partitions of @topic, 0 = there is no such topic. Never creates it. Errors: librdkafka's. */
rd_kafka_resp_err_t weir_client_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms,
                                           int *ret);

/**
 * Ask the offsets of @list for the times in its elements (-2 log start, -1 log end) and write them
 * there. Elements that are refused for a leader that moves are asked again until @deadline_us.
 *
 * Blocks   up to @deadline_us; *stop (may be NULL) is looked at between slices of a second.
 * Errors   WEIR_EKAFKA names topic, partition and reason; WEIR_ESTOP when *stop was seen.
 */
int weir_client_offsets(rd_kafka_t *rk, struct weir_client_log *log,
                        rd_kafka_topic_partition_list_t *list, int64_t deadline_us,
                        const _Atomic bool *stop, struct weir_error *reterr);

/* rd_kafka_destroy*() in a helper thread. 0; 1: not done at @deadline_us, the helper goes on. */
int weir_client_destroy(rd_kafka_t *rk, int flags, int64_t deadline_us);

#endif
