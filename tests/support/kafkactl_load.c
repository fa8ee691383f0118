/* SPDX-License-Identifier: MIT */
/*
 * kafkactl_load - a producer that says of every record what became of it, while brokers come and go
 *
 * What was produced is what its delivery reports say, not what was meant: a checker that took the input for the truth would call
 * weir a loser for what the broker never got. So each line of input ends in exactly one line of output, "N acked PARTITION
 * OFFSET", "N failed WHY" (it is in no log) or "N unknown WHY" (it may be). A line of input without one, because this was killed, is
 * unknown too. Idempotent, so the client's own repetitions are none in the log; when the client gives up for good (a fatal error), what
 * it held is reported and another one goes on.
 *
 * An empty line waits until all before it is reported, and prints "flushed".
 *
 * Input: number TAB partition TAB key TAB headers TAB value. Key and value are "-" (null) or hex; headers are NAME=HEX, divided by ",".
 * dump prints what is in a topic in the same words: partition TAB offset TAB time_ms TAB key TAB headers TAB value.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafkactl.h"

enum { FIELDS = 5, HEADERS_MAX = 64, POLL_MS = 100 };

static bool fatal; /* the handle in use is of no use any more */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
        long long number = (long long)(intptr_t)message->_private;

        (void)rk;
        (void)opaque;
        if (!message->err)
                printf("%lld acked %d %" PRId64 "\n", number, message->partition, message->offset);
        else
                printf("%lld %s %s\n", number,
                       rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED
                               ? "failed"
                               : "unknown",
                       rd_kafka_err2name(message->err));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
        (void)rk;
        (void)opaque;
        if (err != RD_KAFKA_RESP_ERR__FATAL)
                return;
        fprintf(stderr, "kafkactl: load: %s: another client goes on\n", reason);
        fatal = true;
}

static rd_kafka_t *open_loader(const char *brokers, const char *timeout_ms)
{
        const char *const settings[][2] = {
                { "bootstrap.servers", brokers },
                { "log_level", "2" },
                { "enable.idempotence", "true" },
                { "linger.ms", "5" },
                { "message.timeout.ms", timeout_ms },
                { "reconnect.backoff.max.ms", "200" },
                { "socket.timeout.ms", "3000" },
                { "topic.metadata.refresh.interval.ms", "1000" },
        };
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_t *rk;
        char text[256];

        for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
                if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text))
                        kafkactl_die("load: %s", text);
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
        if (!rk)
                kafkactl_die("load: %s", text);
        fatal = false;
        return rk;
}

/* Everything that @rk holds is reported; it is gone then. */
static void close_loader(rd_kafka_t *rk)
{
        if (fatal)
                rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (rd_kafka_outq_len(rk) > 0 && !fatal)
                rd_kafka_poll(rk, POLL_MS);
        rd_kafka_flush(rk, TIMEOUT_MS);
        rd_kafka_destroy(rk);
        fflush(stdout);
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. False: null. */
static bool unhex(char *text, size_t *ret_size)
{
        size_t size = strlen(text) / 2;

        *ret_size = 0;
        if (!strcmp(text, "-"))
                return false;
        for (size_t i = 0; i < size; i++) {
                int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        kafkactl_die("load: %.20s: hex is wanted", text + 2 * i);
                text[i] = (char)(high << 4 | low);
        }
        *ret_size = size;
        return true;
}

static rd_kafka_headers_t *read_headers(char *text)
{
        rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
        char *next, *name = text;

        for (int i = 0; *text && i < HEADERS_MAX && name; i++, name = next) {
                char *value = strchr(name, '=');
                size_t size;

                next = strchr(name, ',');
                if (next)
                        *next++ = '\0';
                if (!value)
                        kafkactl_die("load: %s: NAME=HEX is wanted", name);
                *value++ = '\0';
                if (unhex(value, &size))
                        rd_kafka_header_add(headers, name, -1, value, (ssize_t)size);
                else
                        rd_kafka_header_add(headers, name, -1, NULL, 0);
        }
        return headers;
}

static void load_line(rd_kafka_t *rk, const char *topic, char *line)
{
        char *field[FIELDS] = { line };
        void *number;
        rd_kafka_headers_t *headers;
        size_t key_size, value_size;
        bool key, value;

        for (int i = 1; i < FIELDS; i++) {
                field[i] = strchr(field[i - 1], '\t');
                if (!field[i])
                        kafkactl_die("load: %s: %d fields, divided by TAB, are wanted", line,
                                     FIELDS);
                *field[i]++ = '\0';
        }
        number = (void *)(intptr_t)kafkactl_number(field[0]);
        key = unhex(field[2], &key_size);
        value = unhex(field[4], &value_size);
        headers = read_headers(field[3]);
        for (;;) {
                rd_kafka_resp_err_t err = rd_kafka_producev(
                        rk, RD_KAFKA_V_TOPIC(topic),
                        RD_KAFKA_V_PARTITION((int)kafkactl_number(field[1])),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_KEY(key ? field[2] : NULL, key_size),
                        RD_KAFKA_V_VALUE(value ? field[4] : NULL, value_size),
                        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(number), RD_KAFKA_V_END);

                if (!err)
                        break;
                if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || fatal) {
                        printf("%ld failed %s\n", (long)(intptr_t)number, rd_kafka_err2name(err));
                        rd_kafka_headers_destroy(headers);
                        break;
                }
                rd_kafka_poll(rk, POLL_MS);
        }
        rd_kafka_poll(rk, 0);
}

void kafkactl_load(const char *brokers, const char *topic, const char *timeout_ms)
{
        rd_kafka_t *rk = open_loader(brokers, timeout_ms);
        char *line = NULL;
        size_t room = 0;
        ssize_t size;

        setvbuf(stdout, NULL, _IOLBF, 0);
        while ((size = getline(&line, &room, stdin)) > 0) {
                if (line[size - 1] != '\n')
                        break; /* whoever wrote it died in the middle of it */
                line[size - 1] = '\0';
                while (size == 1 && !fatal && rd_kafka_outq_len(rk) > 0)
                        rd_kafka_poll(rk, POLL_MS);
                if (fatal) {
                        close_loader(rk);
                        rk = open_loader(brokers, timeout_ms);
                }
                if (size == 1)
                        puts("flushed");
                else
                        load_line(rk, topic, line);
        }
        close_loader(rk);
        free(line);
}

static void print_hex(const void *bytes, size_t size, bool there)
{
        static const char digits[] = "0123456789abcdef";
        const unsigned char *at = bytes;

        if (!there)
                putchar('-');
        for (size_t i = 0; there && i < size; i++) {
                putchar(digits[at[i] >> 4]);
                putchar(digits[at[i] & 15]);
        }
}

void kafkactl_print_dump(const rd_kafka_message_t *message)
{
        rd_kafka_headers_t *headers = NULL;
        const char *name;
        const void *value;
        size_t size;

        printf("%d\t%" PRId64 "\t%" PRId64 "\t", message->partition, message->offset,
               rd_kafka_message_timestamp(message, NULL));
        print_hex(message->key, message->key_len, message->key != NULL);
        putchar('\t');
        if (!rd_kafka_message_headers(message, &headers))
                for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size);
                     i++) {
                        printf("%s%s=", i ? "," : "", name);
                        print_hex(value, size, value != NULL);
                }
        putchar('\t');
        print_hex(message->payload, message->len, message->payload != NULL);
        putchar('\n');
}
