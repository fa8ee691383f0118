/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_KAFKACTL_H
#define WEIR_TESTS_KAFKACTL_H
/* kafkactl - what its files share; every failure ends the program with its reason */
#include <librdkafka/rdkafka.h>
#include <stdint.h>

enum { TIMEOUT_MS = 10000 };

__attribute__((noreturn, format(printf, 1, 2))) void kafkactl_die(const char *format, ...);
long kafkactl_number(const char *text);
/* A consumer if there is a @group, else a producer. @id: of its transactions, or NULL. */
rd_kafka_t *kafkactl_open(const char *brokers, const char *group, const char *id);
int kafkactl_partitions(rd_kafka_t *rk, const char *topic);
rd_kafka_topic_partition_list_t *kafkactl_list(rd_kafka_t *rk, const char *topic, int64_t offset);
void kafkactl_print(const rd_kafka_topic_partition_list_t *list);
/* From start to end, a partition after the other. */
void kafkactl_records(const char *brokers, const char *topic,
                      void (*print)(const rd_kafka_message_t *));

/* kafkactl_group.c */
void kafkactl_ledger(const char *brokers, const char *group);
void kafkactl_commit(rd_kafka_t *rk, const char *topic, int partition, int64_t offset);
void kafkactl_consume(const char *brokers, const char *topic, const char *group, long count);
void kafkactl_delete_group(rd_kafka_t *rk, const char *group);
void kafkactl_words(rd_kafka_t *rk, const char *topic);
void kafkactl_committed(rd_kafka_t *rk, const char *topic);

/* kafkactl_produce.c: @argv of the options and words behind TOPIC PARTITION, those included. */
void kafkactl_produce(const char *brokers, int argc, char **argv);

/* kafkactl_load.c: the lines of standard input, until its end; and what the dump of a topic prints. */
void kafkactl_load(const char *brokers, const char *topic, const char *timeout_ms);
void kafkactl_print_dump(const rd_kafka_message_t *message);

#endif
