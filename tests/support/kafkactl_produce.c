/* SPDX-License-Identifier: MIT */
/* kafkactl_produce - records as a test wants them, in one transaction if it wants that */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kafkactl.h"

enum { HEADERS_MAX = 16 };

struct record {
        const char *topic, *key, *id, *end;
        int partition;
        int64_t time_ms; /* 0 = now, -1 = none */
        char *headers[HEADERS_MAX];
        size_t header_count;
        bool tombstone;
        size_t filled; /* 0 = not */
};

static void parse_record(int argc, char **argv, struct record *ret)
{
        int c;

        while ((c = getopt(argc, argv, "k:h:T:x:f:0")) != -1)
                switch (c) {
                case 'k': ret->key = optarg; break;
                case 'T':
                        ret->time_ms = strcmp(optarg, "none") ? kafkactl_number(optarg) : -1;
                        break;
                case 'f': ret->filled = (size_t)kafkactl_number(optarg); break;
                case '0': ret->tombstone = true; break;
                case 'h':
                        if (!strchr(optarg, '=') || ret->header_count == HEADERS_MAX)
                                kafkactl_die("-h %s: NAME=VALUE is wanted, %d at most", optarg,
                                             HEADERS_MAX);
                        ret->headers[ret->header_count++] = optarg;
                        break;
                case 'x':
                        ret->id = optarg;
                        ret->end = optind < argc ? argv[optind++] : "";
                        if (strcmp(ret->end, "commit") && strcmp(ret->end, "abort") &&
                            strcmp(ret->end, "leave"))
                                kafkactl_die("-x %s: commit, abort or leave is wanted", ret->id);
                        break;
                default: kafkactl_die("produce: see the head of kafkactl.c");
                }
        if (optind < argc)
                kafkactl_die("produce: unexpected '%s'", argv[optind]);
}

static void send_record(rd_kafka_t *rk, const struct record *record, const char *id,
                        const char *value, size_t size)
{
        rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);
        rd_kafka_resp_err_t err;

        for (size_t i = 0; i < record->header_count; i++) {
                const char *equals = strchr(record->headers[i], '=');

                rd_kafka_header_add(headers, record->headers[i], equals - record->headers[i],
                                    equals + 1, -1);
        }
        if (id)
                rd_kafka_header_add(headers, "ce_id", -1, id, -1);
        do {
                err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(record->topic),
                                        RD_KAFKA_V_PARTITION(record->partition),
                                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                        RD_KAFKA_V_KEY(record->key,
                                                       record->key ? strlen(record->key) : 0),
                                        RD_KAFKA_V_VALUE((void *)(uintptr_t)value, size),
                                        RD_KAFKA_V_TIMESTAMP(record->time_ms),
                                        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
                rd_kafka_poll(rk, err == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
        } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        if (err)
                kafkactl_die("%s/%d: %s", record->topic, record->partition, rd_kafka_err2str(err));
}

static void send_input(rd_kafka_t *rk, const struct record *record)
{
        char *line = NULL, *value = record->filled ? malloc(record->filled) : NULL;
        size_t room = 0;
        ssize_t size;

        if (value)
                memset(value, 'x', record->filled);
        while ((size = getline(&line, &room, stdin)) >= 0) {
                if (size && line[size - 1] == '\n')
                        line[--size] = '\0';
                if (value)
                        send_record(rk, record, line, value, record->filled);
                else
                        send_record(rk, record, NULL, line, (size_t)size);
        }
        free(value);
        free(line);
}

static void check(const char *what, rd_kafka_error_t *error)
{
        if (error)
                kafkactl_die("%s: %s", what, rd_kafka_error_string(error));
}

void kafkactl_produce(const char *brokers, int argc, char **argv)
{
        struct record record = { .topic = argv[0], .partition = (int)kafkactl_number(argv[1]) };
        rd_kafka_resp_err_t err;
        rd_kafka_t *rk;

        parse_record(argc - 1, argv + 1, &record);
        rk = kafkactl_open(brokers, NULL, record.id);
        kafkactl_partitions(
                rk,
                record.topic); /* a topic just made: ask first, else the first send waits a second */
        if (record.id) {
                check("init_transactions", rd_kafka_init_transactions(rk, TIMEOUT_MS));
                check("begin_transaction", rd_kafka_begin_transaction(rk));
        }
        if (record.tombstone)
                send_record(rk, &record, NULL, NULL, 0);
        else
                send_input(rk, &record);
        err = rd_kafka_flush(rk, TIMEOUT_MS); /* abort would drop what was not sent yet */
        if (err)
                kafkactl_die("%s/%d: %s", record.topic, record.partition, rd_kafka_err2str(err));
        if (record.id && !strcmp(record.end, "commit"))
                check("commit_transaction", rd_kafka_commit_transaction(rk, TIMEOUT_MS));
        else if (record.id && !strcmp(record.end, "abort"))
                check("abort_transaction", rd_kafka_abort_transaction(rk, TIMEOUT_MS));
        else if (record.id)
                _exit(0); /* as a producer that died: the broker keeps it open */
        rd_kafka_destroy(rk);
}
