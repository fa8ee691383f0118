/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_RELAY_STATE_H
#define WEIR_SIDE_RELAY_STATE_H
/*
 * relay_state - what the files of the relay share; nobody else includes this
 *
 * outlet   a destination: how it stands, how much is under way to it
 * queue    a stream: rows read and not sent, leased or not
 * parcel   a row on its way, from reading to the statement that settles it
 * Thread   the relay's; the fields of the other side are marked @main.
 *  Y1  a queue is read again when nothing of it is held. Either nothing is on its way or unsettled either, or the
 *      reading is one of what follows: behind after_id, known ids left out, and none that must go again.
 *  Y2  what is under way to a destination is bounded by destination: memory, requests, records.
 */
#include <stdatomic.h>

#include "base/thread.h"
#include "kafka/producer.h"
#include "side/breaker.h"
#include "side/horizon.h"
#include "side/relay.h"
#include "side/webhook.h"
#include "store/stream.h"
#include "store/vacuum.h"

#define WEIR_BATCH_STEPS 8

enum weir_outlet_type {
        WEIR_OUTLET_UNKNOWN, /* a sink that this configuration does not have: others may */
        WEIR_OUTLET_TOPIC,
        WEIR_OUTLET_FILE,
        WEIR_OUTLET_URL
};

/* How large the batches to a topic are: a step of the producers. send_topic.c */
struct weir_batch_size {
        int step;                        /* in use while something is under way; -1 = none yet */
        int next;                        /* when nothing is under way any more */
        int most;                        /* since a batch was refused; until when */
        int64_t most_until_us, asked_us; /* asked_us: of the question that is open, 0 = none */
        int64_t ask_us;                  /* when to ask again */
        bool refused;
};

struct weir_queue;
struct weir_parcel {
        struct weir_outbox_row *row; /* NULL: a question for consent */
        struct weir_queue *queue;
        struct weir_outlet *outlet;
        int64_t begun_us;
        struct weir_parcel *next; /* of the settled ones */
        int outcome;              /* enum weir_parcel_outcome */
        bool host_at_fault;
        bool answered;         /* FAILED: at a receiver that is there, and fails at this one */
        bool counted;          /* the last try is in the table */
        int64_t not_before_ms; /* -1 = nothing was asked for */
        char reason[40], text[256];
};

enum weir_parcel_outcome {
        WEIR_PARCEL_DELIVERED,
        WEIR_PARCEL_REPLIED, /* delivered, and the answer is in relay->replies */
        WEIR_PARCEL_FAILED,
        WEIR_PARCEL_REFUSED,
        WEIR_PARCEL_RETIRED,
        WEIR_PARCEL_GIVEN_UP /* the row stays as it is */
};

struct weir_outlet {
        struct weir_outlet *next;
        int kind;
        char *name;
        const char *topic; /* of TOPIC */
        const struct weir_conf_sink *sink;
        enum weir_outlet_type type;
        char target[33], consent[33]; /* hashes: of the address; of name, url and origin */
        bool known; /* what the table says of it was read: nothing is sent before */
        struct weir_breaker breaker;
        size_t in_flight;    /* sent, no outcome yet */
        size_t record_bytes; /* of them, where they are records */
        size_t leased;       /* queues of it that are ours */
        size_t share;        /* how many should be */
        struct weir_batch_size batch_size;
        int64_t unknown_us, unknown_last_us; /* a topic: no broker knew it, from and to; 0 = none */
        bool torn;                           /* FILE: what was written last ends in half a line */
        struct weir_queue *queues;
        /* rate */
        uint32_t moments;  /* reserved and not used */
        int64_t moment_us; /* the first of them */
        /* consent */
        int64_t allowed_until_us;
        uint32_t allowed_rate, asked_rate; /* a minute, 0 = any */
        struct weir_parcel ask;
        bool asking;
        bool probed;          /* by us, and its outcome is not in the table yet */
        bool news;            /* the table does not know yet how it stands */
        bool answered;        /* … nor that consent was given (allowed_until_us) or refused (0) */
        int64_t delivered_us; /* the last event that arrived */
        char news_text[256];
};

struct weir_queue {
        struct weir_queue *next; /* of the outlet */
        struct weir_outlet *outlet;
        int shard;
        bool has_rows; /* in the table, at the last look */
        bool leased, leaving;
        int64_t not_before_us; /* the first row's next try */
        int64_t failed_us;     /* the last event that did not arrive */
        int64_t asked_us;      /* last attempt to lease */
        int64_t waiting_us;    /* since when it was seen and not taken, 0 = not */
        int64_t idle_us;       /* since when it has nothing */
        struct weir_parcel **held;
        size_t head, count, room; /* held[head, count) are read and not sent */
        size_t in_flight, open;   /* open: sent and not settled */
        int64_t after_id;         /* HZ2: nothing of it at or below, but what is known */
        int64_t *known;           /* ids above after_id that were read, in order */
        size_t known_count, known_room;
        bool more;   /* the last reading was full */
        bool rewind; /* something of it goes again: nothing is read until nothing is open */
        struct weir_parcel *flying; /* to a webhook: the one under way */
};

struct weir_tidy { /* tidy.c */
        struct weir_vacuum *vacuum;
        size_t removed;            /* rows, by us, since the last one */
        int64_t begun_us, next_us; /* 0 = none is under way; not before */
        bool last;                 /* the one under way was begun in a quiet moment, and shrinks */
        bool loose;                /* none has shrunk the file since */
        bool said;
};

struct weir_relay {
        const struct weir_conf *conf;
        char owner[96];
        pthread_t thread;
        struct weir_latch wake;  /* stop was asked for, or a record's outcome is there */
        struct weir_latch abort; /* @main ends every wait for PostgreSQL */
        struct weir_latch ended; /* set by the thread as its last act */
        atomic_bool stopping;
        _Atomic int64_t deadline_us;
        bool started;

        struct weir_pg *pg; /* NULL = not connected */
        int64_t number;     /* owner of our leases */
        uint32_t attempt;   /* sessions in vain, one after the other */
        int64_t well_us;    /* since when this session does what it should, 0 = not yet */
        bool said;          /* that it ended, and not yet that it is back */
        char refused[6];    /* SQLSTATE of the statement that was refused; "" = connection lost */
        struct weir_horizon horizon; /* of this session */
        struct weir_tidy tidy;
        struct weir_producer *producers[WEIR_BATCH_STEPS]; /* NULL = not used yet */
        bool lost[WEIR_BATCH_STEPS];
        struct weir_webhook *webhook;
        struct weir_outlet *outlets;
        struct weir_outbox_writer *replies;

        struct weir_parcel *settled, **settled_end;
        size_t settled_count;
        int64_t settled_us;           /* since when something waits to be settled */
        size_t records, record_bytes; /* under way to Kafka */
        size_t in_flight;             /* all kinds */
        int64_t now_us, awake_until_us, look_us, balance_us;
        int64_t walk_us;    /* not before: the next look at all streams */
        int64_t connect_us; /* not connected: when to try */
        bool news;          /* of some outlet */
        bool purging;
};

/* outlet.c */
struct weir_queue *weir_outlet_queue(struct weir_relay *relay, const struct weir_stream *stream);
struct weir_stream weir_queue_stream(const struct weir_queue *queue);
struct weir_outlet *weir_outlet_find(struct weir_relay *relay, int kind, const char *name);
/* No broker knows the topic: may it be there all the same, or soon? */
bool weir_outlet_may_be_made(struct weir_outlet *outlet, int64_t now_us);
void weir_outlets_free(struct weir_relay *relay);
/* @row is taken over, also on failure. 1: it was known; 0: held. */
int weir_queue_hold(struct weir_queue *queue, struct weir_outbox_row *row);
/* A reading of it has ended; @to_id: it was whole up to there. */
void weir_queue_read(struct weir_queue *queue, int64_t to_id);
/* @id of it will be read again. */
void weir_queue_rewind(struct weir_queue *queue, int64_t id);
/* It is ours from now on: nothing is known of it. */
void weir_queue_begin(struct weir_queue *queue);
struct weir_parcel *weir_queue_take(struct weir_queue *queue); /* NULL = nothing held */
void weir_queue_drop(struct weir_queue *queue); /* what is held; it is still in the table */
void weir_parcel_free(struct weir_parcel *parcel);

/* rate.c: how many may leave a second, over all relays */
/* Moments for rows that are held, where none are left. */
int weir_outlet_reserve(struct weir_relay *relay, struct weir_outlet *outlet,
                        struct weir_error *reterr);
/* May one more leave now? Takes the moment. */
bool weir_outlet_token(struct weir_outlet *outlet, int64_t now_us);
/* The next moment that is ours; 0 = none is, or none is needed. */
int64_t weir_outlet_token_at_us(const struct weir_outlet *outlet);

/* session.c */
int weir_relay_connect(struct weir_relay *relay, struct weir_error *reterr);
void weir_relay_disconnect(struct weir_relay *relay, const struct weir_error *error);
void weir_relay_went_well(struct weir_relay *relay); /* a round */

/* lease.c: which streams are ours, and how their destinations stand */
int weir_relay_look(struct weir_relay *relay, struct weir_error *reterr);
/* What the table says of the destinations. */
int weir_relay_read_states(struct weir_relay *relay, struct weir_error *reterr);
int weir_relay_balance(struct weir_relay *relay, struct weir_error *reterr);
/* An operator has opened something: read the states, and rows that were to wait, before anything leaves. */
void weir_relay_forget_waits(struct weir_relay *relay);
int weir_relay_give_back(struct weir_relay *relay, bool all, struct weir_error *reterr);
int weir_relay_fetch(struct weir_relay *relay, struct weir_error *reterr);

/* tidy.c: says what fails, and goes on */
void weir_relay_tidy(struct weir_relay *relay);

/* send.c, send_topic.c, send_file.c, send_hook.c */
int weir_relay_send(struct weir_relay *relay, struct weir_error *reterr);
int weir_send_topic_open(struct weir_relay *relay, struct weir_error *reterr);
/* May one more record leave? */
bool weir_send_topic_room(struct weir_relay *relay, struct weir_outlet *outlet);
/* Does the outlet settle what its batches may be? Nothing is read ahead then. */
bool weir_send_topic_unsettled(const struct weir_outlet *outlet);
void weir_send_topic_serve(struct weir_relay *relay);
/* Producers that have failed for good are replaced; their records come to their end, and go again. */
int weir_send_topic_renew(struct weir_relay *relay, struct weir_error *reterr);
void weir_send_topic_close(struct weir_relay *relay);
int weir_send_topic(struct weir_relay *relay, struct weir_parcel *parcel);
/* @paid: the moment of the first line has been taken. */
void weir_send_file(struct weir_relay *relay, struct weir_outlet *outlet, bool paid);
int weir_send_hook_open(struct weir_relay *relay, struct weir_error *reterr);
int weir_send_hook(struct weir_relay *relay, struct weir_parcel *parcel, struct weir_error *reterr);
/* true: the sink lets us, or wants no question. Else the question is under way. */
bool weir_send_hook_allowed(struct weir_relay *relay, struct weir_outlet *outlet);

/* settle.c: outcomes. weir_parcel_end() may be called from a sender's callback; the database comes later. */
void weir_parcel_begin(struct weir_relay *relay, struct weir_parcel *parcel);
void weir_parcel_end(struct weir_relay *relay, struct weir_parcel *parcel, int outcome,
                     const char *reason, const char *text);
int weir_relay_settle(struct weir_relay *relay, struct weir_error *reterr);
int weir_outlet_tell(struct weir_relay *relay, struct weir_outlet *outlet, const char *text,
                     struct weir_error *reterr);

#endif
