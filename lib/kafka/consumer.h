/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CONSUMER_H
#define WEIR_KAFKA_CONSUMER_H
/*
 * consumer - one member of a consumer group, and the partitions it is given
 *
 * The member's life is one written state machine (group.h). Every group call happens on the poll
 * thread, inside weir_consumer_serve() and weir_consumer_close(). A lane reads its own partition
 * queue and nothing else.
 *
 * Rules kept here (each was measured against librdkafka 2.0.2 and Apache Kafka 4.1):
 *  C1  one un-forwarded queue per partition, read one message at a time
 *  C2  backpressure is not reading; a partition is never paused
 *  C3  offsets are stored by the lane after COMMIT and committed by the interval; never explicitly
 *  C4  fetching starts and is revived only by an assign with explicit offsets (eager: the full list)
 *  C5  a revoked partition is unassigned only after its lane is out of librdkafka, or given up at
 *      the deadline; its queue is polled once and destroyed
 *  C6  a fatal error ends the client at once
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/event.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/error.h"

struct weir_consumer;
struct weir_partition; /* one assignment of one partition; counted references */

/* A record in hand. Views live until weir_record_release(). Header values are NUL-terminated. */
struct weir_record {
        const char *topic;
        int32_t partition;
        int64_t offset;
        int64_t time_ms;
        struct weir_view key, value;
        struct weir_header *headers; /* by weir_record_headers(), in the caller's arena */
        size_t header_count;
        void *message;               /* librdkafka's */
        struct weir_partition *from; /* counts it until release; NULL: a reader's */
};

/* Where the log begins and ends (read_committed: the last stable offset), as the broker said. */
struct weir_log_range {
        int64_t start_offset, end_offset;
};

/* What the owner is told. Poll thread, inside serve or close. */
struct weir_consumer_events {
        /* The group gave us @partition. Start its lane; the lane calls weir_partition_fetch() when it
         * knows where. The reference belongs to the callee until weir_partition_unref(). */
        void (*assigned)(void *context, struct weir_partition *partition);
        /* The group takes @count partitions back. Return when their lanes have left librdkafka or at
         * @deadline_us (weir_clock_us) at the latest. @lost: somebody else may own them already. */
        void (*revoked)(void *context, struct weir_partition *const *partitions, size_t count,
                        bool lost, int64_t deadline_us);
};

struct weir_consumer_place {
        const char *topic;
        int32_t partition;
};

struct weir_consumer_conf {
        const char *brokers, *group, *client_id;
        const char *instance_id; /* group.instance.id; NULL = as the properties say */
        const struct weir_conf_property *properties; /* pass-through, from conf/conf.h */
        size_t property_count;
        const char *const *topics;
        size_t topic_count;
        /* Instead of topics: these partitions, for as long as it lives. No group is joined and no offset committed; the
         * group's name is only the one that the library wants, so it needs no other right than its members. */
        const struct weir_consumer_place *places;
        size_t place_count;
        uint64_t queue_bytes; /* fetched ahead per partition, at most */
        uint64_t fetch_bytes; /* … of all partitions together; 0 = no bound */
        uint32_t partitions;  /* to divide it among; 0: to be counted, see weir_consumer_serve() */
        int64_t drain_ms;     /* how long revoked() may take */
        const struct weir_consumer_events *events;
        void *context;
};

/* Does not block; connection errors come later, as log lines and in weir_consumer_error(). */
int weir_consumer_new(const struct weir_consumer_conf *conf, struct weir_consumer **ret,
                      struct weir_error *reterr);

/* Poll thread: serve group events and requests of lanes for up to @timeout_ms; call it again at
 * once. Returns 0, or WEIR_EFATAL: the client is at its end, close it. Or 1: its queues were made for fewer
 * partitions than there are; close it, and make another one for weir_consumer_outgrown(). Starving partitions are
 * kicked here, and their log ends refreshed. */
int weir_consumer_serve(struct weir_consumer *consumer, int timeout_ms, struct weir_error *reterr);
/* Poll thread. How many partitions there are; 0 = no more than it was made for. */
uint32_t weir_consumer_outgrown(const struct weir_consumer *consumer);

/* Make a running weir_consumer_serve() return early. Any thread. */
void weir_consumer_wake(struct weir_consumer *consumer);

/* Poll thread. Stop lanes through revoked(), commit what is stored, leave the group, destroy the
 * client, all before @deadline_us. 0, or 1: the deadline passed before the client was closed (what is
 * left must be ended by _exit). Frees nothing that a reference still holds. */
int weir_consumer_close(struct weir_consumer *consumer, int64_t deadline_us);
void weir_consumer_free(struct weir_consumer *consumer); /* after close returned 0 */
WEIR_DEFINE_FREEP(struct weir_consumer, weir_consumer_free)

/* Last error of the connection and whether the group is joined; any thread. Empty text = none. */
struct weir_consumer_state {
        bool joined;
        uint32_t assigned_count;
        uint64_t rebalances;
        char error[200];
};
void weir_consumer_state(struct weir_consumer *consumer, struct weir_consumer_state *ret);

/* ---- partition: what a lane holds; lane thread unless said otherwise ------------------------ */

const char *weir_partition_topic(const struct weir_partition *partition);
int32_t weir_partition_number(const struct weir_partition *partition);
void weir_partition_ref(struct weir_partition *partition);
void weir_partition_unref(struct weir_partition *partition);
/* The owner's pointer (its lane). */
void weir_partition_set_owner(struct weir_partition *partition, void *owner);
void *weir_partition_owner(const struct weir_partition *partition);

/* Ask the log's range from the broker (offsets_for_times -2/-1). Blocks up to @timeout_ms.
 * 0; WEIR_EKAFKA: not to be had now. */
int weir_partition_range(struct weir_partition *partition, int timeout_ms,
                         struct weir_log_range *ret, struct weir_error *reterr);
/* First offset at or after @time_ms; the log end where there is none. Same errors. */
int weir_partition_offset_at(struct weir_partition *partition, int64_t time_ms, int timeout_ms,
                             int64_t *ret_offset, struct weir_error *reterr);

/* Start (or revive) fetching at exactly @offset. Returns at once: the poll thread does it. After it,
 * records below @offset are never returned by weir_partition_read(). Any error before is forgotten. */
void weir_partition_fetch(struct weir_partition *partition, int64_t offset);
/* Take the partition out of fetching (a halted lane). Returns at once. */
void weir_partition_halt(struct weir_partition *partition);
/* This lane reads no more of it, for good: where partitions take turns it holds nobody up. */
void weir_partition_finish(struct weir_partition *partition);

/* Wait until there is something to be read, without taking it: as long as it lies in the queue, the client fetches no
 * more than that. 1: read on, without waiting (it may yet be nothing for us). 0 and < 0: as below. */
int weir_partition_await(struct weir_partition *partition, int timeout_ms,
                         struct weir_error *reterr);
/* Its records are large, and others have the turn: nothing comes before it has it again. */
bool weir_partition_out(struct weir_partition *partition);
/* Next record. 1: *ret filled. 0: none within @timeout_ms, or woken. < 0: the partition is broken
 * (WEIR_ELOG: CRC, bad batch, out of range; WEIR_EKAFKA: anything else) and yields nothing until
 * weir_partition_fetch(); the offset inside an error message is never believed. */
int weir_partition_read(struct weir_partition *partition, int timeout_ms, struct weir_record *ret,
                        struct weir_error *reterr);
/* Copy the headers into @arena and point @record at them. Once per record. 0 or WEIR_ENOMEM. */
int weir_record_headers(struct weir_record *record, struct weir_arena *arena);
void weir_record_release(struct weir_record *record);

/* Wake a lane out of weir_partition_read(). Any thread. */
void weir_partition_wake(struct weir_partition *partition);
/* After COMMIT: tell Kafka that everything below @next_offset is done. A partition that is no longer
 * ours is ignored. */
void weir_partition_store(struct weir_partition *partition, int64_t next_offset);
/* One past what was read, transaction markers included; -1 before the first record. */
int64_t weir_partition_position(struct weir_partition *partition);
/* Last known log end, -1 unknown. Any thread. */
int64_t weir_partition_end(const struct weir_partition *partition);
/* The log was found to be another one, maybe: that is why read() said WEIR_ELOG. Said once. */
bool weir_partition_doubted(struct weir_partition *partition);
/* Checks of the log's identity are numbered: the last begun, the last passed. A record read before check n began,
 * and n passed: it is of this log. */
void weir_partition_checks(const struct weir_partition *partition, uint64_t *ret_begun,
                           uint64_t *ret_passed);
/* Records prefetched and not read yet. */
size_t weir_partition_queued(const struct weir_partition *partition);
/* Say that the queue runs dry although the log goes on: the poll thread kicks the broker thread. */
void weir_partition_starves(struct weir_partition *partition);
/* Say that there are records, and that it waits for room to take one: its turn is not over before it has. Again every
 * second. */
void weir_partition_waits(struct weir_partition *partition);
/* True once revoked or lost: stop, store nothing, leave. Any thread. */
bool weir_partition_revoked(const struct weir_partition *partition);

#endif
