/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_CONSUMER_INTERNAL_H
#define WEIR_KAFKA_CONSUMER_INTERNAL_H
/*
 * consumer_internal - what consumer.c and assign.c (poll thread), partition.c and queue.c (lanes) share
 *
 * Who touches what is written on each field: @poll the poll thread only, @lane the lane only,
 * @mutex under the partition's (or consumer's) mutex, atomic from anywhere.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/thread.h"
#include "kafka/client.h"
#include "kafka/consumer.h"
#include "kafka/group.h"
#include "kafka/turns.h"

enum weir_phase {
        WEIR_PHASE_IDLE,     /* not fetching: never asked, or halted                        */
        WEIR_PHASE_WAITING,  /* fetch asked for; the poll thread has not assigned it yet     */
        WEIR_PHASE_FETCHING, /* read() may take from the queue                               */
        WEIR_PHASE_OUT,      /* put out of fetching until its turn comes (heavy.c)            */
        WEIR_PHASE_BROKEN    /* an error was read; the queue is not touched until a new fetch */
};

enum weir_want { WEIR_WANT_NOTHING, WEIR_WANT_FETCH, WEIR_WANT_HALT };

/* What records of a topic weigh (heavy.c). They are kept as long as the consumer. */
struct weir_sight {
        struct weir_sight *next;
        _Atomic uint64_t largest;  /* seen in this while; 0 = none */
        _Atomic uint32_t unsure;   /* so many records were read before anything was seen */
        struct weir_weight weight; /* @poll */
        uint64_t bytes;            /* @poll  what is reckoned with */
        char topic[];
};

struct weir_partition {
        _Atomic uint32_t refs;
        int32_t number;
        struct weir_consumer *consumer; /* counted */
        char *topic;
        void *_Atomic owner;

        /* Leaving: the poll thread sets gone and then looks at inside; a thread that wants to call
         * librdkafka raises inside and then looks at gone. One of the two sees the other. */
        _Atomic uint32_t inside; /* threads inside librdkafka for this partition */
        _Atomic bool revoked;    /* lanes stop                                   */
        _Atomic bool lost;       /* somebody else may own it: store nothing       */
        _Atomic bool gone;       /* no call reaches librdkafka any more          */
        _Atomic bool attention;  /* written under @mutex; read() must take the slow path   */
        bool woken;              /* @mutex */
        _Atomic bool doubted;    /* broken because the log may be another one           */
        bool in_client;          /* @poll  part of librdkafka's assignment                     */
        bool has_gaps;           /* @lane  the log has: two readings showed one             */
        _Atomic int64_t held;    /* records not released yet                     */

        pthread_mutex_t mutex;
        pthread_cond_t cond;       /* phase, woken, revoked                                 */
        enum weir_phase phase;     /* @mutex */
        enum weir_want want;       /* @mutex */
        int64_t want_offset;       /* @mutex */
        uint64_t request;          /* @mutex  number of the last fetch or halt              */
        struct weir_latch filled;  /* set by the client when an empty queue gets something  */
        rd_kafka_queue_t *queue;   /* @mutex to change; the lane reads through it            */
        rd_kafka_queue_t *renewed; /* @mutex  the lane takes it over before its next read    */
        struct weir_error broken;  /* @mutex  what read() says while BROKEN                  */
        rd_kafka_topic_partition_list_t *stored; /* @mutex  one element, reused (see store)   */
        int64_t owed_offset; /* @mutex  stored during an assign, to be said again; -1  */

        rd_kafka_topic_partition_list_t *asked; /* @lane  for position                        */
        _Atomic int64_t next_offset;  /* lowest offset read() may return; -1 before any fetch  */
        _Atomic int64_t end_offset;   /* log end as last heard, -1 unknown                     */
        int64_t heard_end;            /* @lane  log end that came with what is read, 0 unknown  */
        int64_t gap_start, gap_end;   /* @lane  one that a reading showed once                 */
        _Atomic int32_t leader_epoch; /* of the last record, -1 unknown                       */
        enum weir_want plan; /* @poll  what the assign under way does with it              */

        _Atomic int64_t read_time_ms;   /* of the last record read; 0 = none, or it has none   */
        _Atomic uint64_t checks_begun;  /* number of the last check of the landmark ...        */
        _Atomic uint64_t checks_passed; /* ... and of the last that found the same log         */
        int64_t mark_time_ms;           /* @poll  the landmark: first offset from this time on */
        int64_t mark_offset;            /* @poll  <= 0: there is none                          */
        int64_t asked_time_ms;          /* @poll  of the check under way                       */

        struct weir_sight *sight;
        uint64_t mean_bytes;   /* @lane  of the records read last, odd ones left out      */
        uint32_t read_count;   /* @lane  so many of them                                  */
        struct weir_turn turn; /* @poll  runs: it is to be in the client                  */
        bool ran, over;        /* @poll  scratch: it had the turn, and had enough of it    */
        bool leaving;          /* @poll  its turn is over; it goes when its lane is at rest */
        bool stale;            /* @poll  its queue may hold what is no longer wanted       */
        bool out;              /* @poll  it is to be fetched, and its turn has not come    */
        int64_t leave_us;      /* @poll  leaving since                                      */
        int64_t turn_us, turn_offset; /* @poll  when and where its turn began               */
        int64_t dry_end;              /* @poll  there was nothing more up to this log end; -1     */
        uint64_t gauged_bytes;        /* @poll  in its queue, by the client's statistics          */
        int64_t left_offset;          /* @mutex  where the client stood when it was put out; -1   */
        _Atomic bool hungry;          /* its lane came to read while it was out                   */
        _Atomic int64_t waits_us; /* its lane said last that it waits for room; 0 = never      */
        _Atomic bool finished;    /* its lane reads no more                                   */

        int64_t plan_offset;                 /* @poll */
        uint64_t plan_request;               /* @poll */
        struct weir_partition *next_parting; /* @poll */
};

/* What the client may hold, in the terms of its properties (room.c). */
struct weir_room {
        uint64_t queue_bytes;    /* values in a partition's queue; at it, no more is fetched */
        uint64_t message_count;  /* and so many of them */
        uint64_t portion_bytes;  /* of one partition in one response */
        uint64_t response_bytes; /* 0 = the library's default */
};

struct weir_consumer {
        _Atomic uint32_t refs; /* the owner's, and one per partition */
        struct weir_client_log log;
        char *client_id;
        const struct weir_consumer_events *events;
        void *context;
        int64_t drain_us;
        bool cooperative;
        bool placed;          /* its partitions were given to it, by no group */
        uint64_t fetch_bytes; /* 0 = no bound */
        uint32_t room_for;    /* partitions that the queues were made for */
        uint32_t outgrown;    /* @poll  there are so many instead; 0 = not */
        int64_t ask_due_us;   /* @poll  how many there are */
        rd_kafka_topic_partition_list_t
                *topics; /* @poll  to be subscribed to, or placed; NULL = they are */
        bool unsettled;  /* an assign was made; the next one waits for its stops */

        rd_kafka_t *rk; /* until close; lanes reach it between enter and leave only  */
        pthread_mutex_t mutex;
        rd_kafka_queue_t *queue; /* @mutex for wake; else @poll */

        enum weir_group_state group;        /* @poll */
        bool polled;                        /* @poll */
        struct weir_partition **partitions; /* @poll  assigned, each counted */
        struct weir_partition **taken;      /* @poll  scratch of a revocation, as large */
        struct weir_turn **turns;           /* @poll  scratch, as large */
        size_t partition_count, partition_room;
        struct weir_sight *sights; /* @poll */
        uint64_t light_bytes;      /* a record within it takes no turns */
        int64_t turns_due_us;      /* @poll  somebody waits: look again; INT64_MAX: nobody does */
        bool leaving;              /* @poll  some are */
        struct weir_partition
                *parting;        /* @poll  revoked, not yet free of lanes or records; counted */
        int64_t assign_due_us;   /* @poll  not before */
        int64_t kick_due_us;     /* @poll  next refresh of log ends */
        int64_t kick_allowed_us; /* @poll  no kick before: pace, or the broker is away */
        int64_t owed_due_us;     /* @poll */
        int64_t mark_due_us;     /* @poll  next check of landmarks */
        char fatal[320];         /* @poll */

        _Atomic bool requests; /* some partition wants something */
        _Atomic bool starving;
        _Atomic bool owing;
        _Atomic bool joined;
        _Atomic uint32_t assigned_count;
        _Atomic uint64_t rebalances;
};

void weir_consumer_unref(struct weir_consumer *consumer);

/* ---- partition.c, for queue.c ---------------------------------------------------------------- */

/* May this thread call librdkafka for the partition now? Then it is inside until exit (see @inside). */
static inline bool weir_partition_enter(struct weir_partition *partition)
{
        atomic_fetch_add(&partition->inside, 1);
        if (!atomic_load(&partition->gone))
                return true;
        atomic_fetch_sub(&partition->inside, 1);
        return false;
}

static inline void weir_partition_exit(struct weir_partition *partition)
{
        atomic_fetch_sub(&partition->inside, 1);
}

/* Caller holds mutex, and changed something that read() has to know. */
static inline void weir_partition_attend(struct weir_partition *partition)
{
        atomic_store(&partition->attention, partition->phase != WEIR_PHASE_FETCHING ||
                                                    partition->renewed || partition->revoked ||
                                                    partition->woken);
}

/* File a request with the poll thread and wake it; @phase holds until it was carried out. @thread lane. */
void weir_partition_request(struct weir_partition *partition, enum weir_want want,
                            enum weir_phase phase, int64_t offset);

/* ---- record.c, for queue.c ------------------------------------------------------------------- */

/* Make @record of @message, which it owns from here on, and count it. */
void weir_record_fill(struct weir_record *record, struct weir_partition *partition,
                      rd_kafka_message_t *message);

/* ---- queue.c, for the poll thread ----------------------------------------------------------- */

/* Get the partition's queue un-forwarded before an assign. < 0: WEIR_EKAFKA. */
int weir_partition_renew(struct weir_partition *partition, struct weir_error *reterr);
/* Before the last handle of @queue is given back. */
void weir_partition_unwatch(rd_kafka_queue_t *queue);
/* Free what librdkafka had prefetched for a partition that is not assigned any more. */
void weir_partition_purge(struct weir_partition *partition);

/* ---- partition.c, for the poll thread ------------------------------------------------------- */

/* One reference for the registry, none for the owner yet. NULL = no memory. */
struct weir_partition *weir_partition_new(struct weir_consumer *consumer, const char *topic,
                                          int32_t number);
/* Take what the lane wants into plan, plan_offset, plan_request. True = it wants something. */
bool weir_partition_take(struct weir_partition *partition);
/* The plan was carried out: a waiting read goes on. */
void weir_partition_planned(struct weir_partition *partition);
/* Say again what an assign under way made librdkafka ignore. True = still owed. */
bool weir_partition_repay(struct weir_partition *partition);
bool weir_partition_owes(struct weir_partition *partition);
/* It was said and did not reach the coordinator. */
void weir_partition_owe(struct weir_partition *partition, int64_t next_offset);
/* A partition that is read from yields @error, as doubted, and nothing more until its lane fetches anew. If the lane
 * asked for something else meanwhile, nothing happens: it looks at the log anyway. */
void weir_partition_doubt(struct weir_partition *partition, const struct weir_error *error);
void weir_partition_revoke(struct weir_partition *partition, bool lost);
void weir_partition_leave(struct weir_partition *partition); /* sets gone */
/* Give back every librdkafka handle if no lane is inside and no record is out. True = done. */
bool weir_partition_strip(struct weir_partition *partition);

/* ---- rebalance.c, poll thread --------------------------------------------------------------- */

/* Do what the table says to a rebalance event and answer it. No drain goes past @limit_us. */
void weir_rebalance_answer(struct weir_consumer *consumer, rd_kafka_event_t *event,
                           int64_t limit_us);
/* The partitions that were given to a consumer without a group begin, once. */
void weir_rebalance_place(struct weir_consumer *consumer);
/* Call lanes back, bounded; then answer. @list NULL = everything. @answer false: the client is
 * dead and hears no answer. */
void weir_rebalance_drain(struct weir_consumer *consumer,
                          const rd_kafka_topic_partition_list_t *list, bool lost, bool answer,
                          int64_t deadline_us);
/* Free what revoked partitions still hold of librdkafka, as far as lanes let go of it. */
void weir_rebalance_sweep(struct weir_consumer *consumer);

/* ---- room.c ---------------------------------------------------------------------------------- */

/* @fetch_bytes among @partitions; 0 = no bound. */
void weir_room_divide(uint64_t queue_bytes, uint64_t fetch_bytes, uint32_t partitions,
                      struct weir_room *ret);
/* Poll thread, before the group is joined: 0 = there is room for all partitions of the topics; 1 = there are more, see
 * outgrown; < 0 = the brokers do not say how many there are, ask again. */
int weir_room_check(struct weir_consumer *consumer, int64_t now_us);

/* What a partition has of @fetch_bytes for its queue. */
uint64_t weir_room_share(uint64_t fetch_bytes, uint32_t partitions);

/* ---- heavy.c --------------------------------------------------------------------------------- */

/* Of @topic, made if need be. NULL = no memory. @thread poll. */
struct weir_sight *weir_sight_get(struct weir_consumer *consumer, const char *topic);
/* A record of @bytes was read. @thread lane. */
void weir_sight_see(struct weir_partition *partition, uint64_t bytes);
/* @count records lie in its queue. @thread lane. */
void weir_sight_hold(struct weir_partition *partition, size_t count);
/* @count records lie in its queue, and take @bytes. @thread poll. */
void weir_sight_gauge(struct weir_partition *partition, uint64_t bytes, uint64_t count);
/* Set turn.runs of all partitions, as planned. @thread poll. */
void weir_heavy_choose(struct weir_consumer *consumer, int64_t now_us);
/* The lane waits from here on. @thread poll, before the assign. */
void weir_heavy_put_out(struct weir_partition *partition);

/* ---- gauge.c, poll thread ------------------------------------------------------------------- */

#define WEIR_MESSAGE_BYTES                                                                         \
        325 /* that the library takes for a message besides its value (measured) */

/* How often the client tells its statistics; 0 = never. */
uint32_t weir_gauge_interval_ms(uint64_t fetch_bytes, uint32_t partitions);
/* What the client says about its queues. */
void weir_gauge_read(struct weir_consumer *consumer, const char *text);

/* ---- assign.c, poll thread ------------------------------------------------------------------ */

/* Carry out what lanes asked for, in one assign. Returns when to look again (weir_clock_us). */
int64_t weir_assign_serve(struct weir_consumer *consumer, int64_t now_us);
/* The offsets in @list could not be committed. */
void weir_assign_owe(struct weir_consumer *consumer, const rd_kafka_topic_partition_list_t *list);
/* Complete a rebalance: nothing fetches yet. */
void weir_assign_begin(struct weir_consumer *consumer);
/* Answer a revocation of @taken (eager: everything). */
void weir_assign_revoke(struct weir_consumer *consumer, struct weir_partition *const *taken,
                        size_t count);
/* Answer what should not have come: give everything back. */
void weir_assign_nothing(struct weir_consumer *consumer);
/* Refresh log ends, and wake the broker threads of starving partitions. Returns when next. */
int64_t weir_assign_kick(struct weir_consumer *consumer, int64_t now_us);

/* ---- landmark.c, poll thread ---------------------------------------------------------------- */

/* Every few seconds: does each partition still read from the log that it began with? */
void weir_landmark_serve(struct weir_consumer *consumer, int64_t now_us);

#endif
