/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CLIENT_LOG_H
#define WEIR_KAFKA_CLIENT_LOG_H
/*
 * client_log - the log of one librdkafka handle: bounded, without repeats, the last error kept
 *
 * Only files of lib/kafka include this.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_CLIENT_RECENT 16

/* The log of one librdkafka handle; its rd_kafka_conf opaque points here, so it outlives the handle. */
struct weir_client_log {
        pthread_mutex_t mutex;
        const char *who; /* client id; for log lines */
        struct {
                uint64_t hash;
                int64_t at_us;
        } recent[WEIR_CLIENT_RECENT]; /* @mutex  texts said lately */
        int64_t window_us;            /* @mutex  start of the current window */
        uint32_t window_count;        /* @mutex  lines in it */
        uint64_t suppressed_count;    /* @mutex  lines not written since the last one */
        char error[200];              /* @mutex  last error of the connection, explained; "" none */
};

void weir_client_log_init(struct weir_client_log *log, const char *who);
void weir_client_log_fini(struct weir_client_log *log);

/* Remember and log an error of the connection, once per change. Any thread. */
void weir_client_log_error(struct weir_client_log *log, rd_kafka_resp_err_t err, const char *text);
/* The connection works again. Any thread. */
void weir_client_log_clear(struct weir_client_log *log);
/* Copy the last error. Any thread. */
void weir_client_log_last(struct weir_client_log *log, char *ret, size_t room);

/* Log and error callbacks of the handle to be made of @conf end in @log. */
void weir_client_log_hear(struct weir_client_log *log, rd_kafka_conf_t *conf);

#endif
