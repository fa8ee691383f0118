/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_READER_H
#define WEIR_KAFKA_READER_H
/* reader - reads a topic without a group and commits nothing; for tail, check, replay previews */
#include "kafka/consumer.h"

struct weir_reader;
struct weir_conf_property;

enum weir_reader_from { WEIR_FROM_EARLIEST, WEIR_FROM_LATEST, WEIR_FROM_OFFSET, WEIR_FROM_TIME };

/* A part of a partition. What lies below the log's start was deleted: reading begins at the start, and says so. */
struct weir_reader_range {
        int32_t partition;
        int64_t from_offset, until_offset; /* the first that is not read */
        int64_t begin_offset; /* out: from_offset, or the log's start, or its end where from_offset is beyond that */
};

struct weir_reader_conf {
        const char *brokers, *client_id;
        const struct weir_conf_property *properties;
        size_t property_count;
        const char *topic;
        int32_t partition;                /* -1 = all */
        int from;                         /* enum weir_reader_from */
        int64_t from_value;               /* offset, or milliseconds since 1970 */
        int timeout_ms;                   /* for metadata and offsets */
        bool stop_at_end;                 /* never return a record past the end seen at open */
        struct weir_reader_range *ranges; /* these, instead of partition, from and stop_at_end */
        size_t range_count;
};

/* An offset outside of a partition's log: WEIR_EUSAGE for a single partition, else that partition
 * begins at its log's nearest end. No such topic: WEIR_EUSAGE. */
int weir_reader_open(const struct weir_reader_conf *conf, struct weir_reader **ret,
                     struct weir_error *reterr);
/* 1 record; 0 none within the time; 2 every partition was read to the end it had at open, or of its range (said once;
 * a caller that follows reads on); < 0 error: WEIR_ELOG or WEIR_EKAFKA for one partition, which is
 * not read any more (ret->partition names it); other partitions go on with the next call. */
int weir_reader_read(struct weir_reader *reader, int timeout_ms, struct weir_record *ret,
                     struct weir_error *reterr);
void weir_reader_close(struct weir_reader *reader);
WEIR_DEFINE_FREEP(struct weir_reader, weir_reader_close)

#endif
