/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_PRODUCER_H
#define WEIR_KAFKA_PRODUCER_H
/*
 * producer - idempotent, acks=all, every record accounted for
 *
 * Thread   one owner; delivery reports are served inside send and flush.
 */
#include <stdbool.h>
#include <stdint.h>
#include <weir/event.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/thread.h"

struct weir_producer;
struct weir_conf_property;

struct weir_producer_conf {
        const char *brokers, *client_id;
        const struct weir_conf_property *properties;
        size_t property_count;
        const char *compression; /* NULL = library default */
        int64_t timeout_ms;      /* until a record counts as failed */
        int64_t batch_bytes;     /* batches of several records are at most so large; 0 = default */
        /* Told of each outcome, on the owner's thread. @error NULL = acknowledged at @offset. */
        void (*done)(void *context, void *tag, const char *topic, int32_t partition, int64_t offset,
                     const char *error);
        /* The answer to weir_producer_ask_limit(), on the owner's thread; -1 = it cannot be known. */
        void (*limit)(void *context, void *tag, int64_t bytes);
        void *context;
};

int weir_producer_new(const struct weir_producer_conf *conf, struct weir_producer **ret,
                      struct weir_error *reterr);
/* Queue a record (copied). Blocks while the queue is full. @partition -1 = by key. @time_ms 0 = now. */
int weir_producer_send(struct weir_producer *producer, const char *topic, int32_t partition,
                       struct weir_view key, struct weir_view value,
                       const struct weir_header *headers, size_t header_count, int64_t time_ms,
                       void *tag, struct weir_error *reterr);
/* Which batches does @topic take (its max.message.bytes)? The answer comes to limit(), by a later serve. */
int weir_producer_ask_limit(struct weir_producer *producer, const char *topic, int timeout_ms,
                            void *tag, struct weir_error *reterr);
/* Serve reports for up to @timeout_ms; 0 = everything sent has its outcome, 1 = some are open. */
int weir_producer_flush(struct weir_producer *producer, int timeout_ms);
/* Serve the reports that are there; never waits. */
void weir_producer_serve(struct weir_producer *producer);
/* Set @latch whenever a report comes in, so that the owner can wait for other things too. It must live as long. */
void weir_producer_wake(struct weir_producer *producer, struct weir_latch *latch);
/* Inside done(): the number of its error, 0 = none. weir_error.sys has it after a send() that failed. */
int weir_producer_report(const struct weir_producer *producer);
/* Would the same record be refused again? True for what is wrong with it or with its topic; false for what a cluster,
 * its administrator or time may heal. */
bool weir_producer_refuses(int number);
/* Is it said of all records of a batch, and perhaps true of one only? */
bool weir_producer_refuses_batch(int number);
/* Does it say that there is no such topic, or does not know yet that there is? */
bool weir_producer_misses_topic(int number);
const char *weir_producer_error_name(int number); /* "MSG_SIZE_TOO_LARGE" */
void weir_producer_free(struct weir_producer *producer);
WEIR_DEFINE_FREEP(struct weir_producer, weir_producer_free)

#endif
