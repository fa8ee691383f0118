/* SPDX-License-Identifier: MIT */
/*
 * send - what may leave now, destination by destination
 *
 * No destination waits for another: each has its own breaker, its own limit of what is under way and its own rows in
 * memory (Y2); nothing here blocks. Within a destination the streams take turns: where a limit ends the round, the
 * next one begins.
 */
#include "side/relay_state.h"

#include <string.h>

enum {
        PROBE_TOPIC_US = 30000000, /* how long others leave a probe alone */
        PROBE_MORE_US = 5000000,
        YIELD_US = 1000000
};

static bool has_room(struct weir_relay *relay, struct weir_outlet *outlet)
{
        switch (outlet->type) {
        case WEIR_OUTLET_TOPIC: return weir_send_topic_room(relay, outlet);
        case WEIR_OUTLET_URL:
                return outlet->in_flight <
                       (outlet->sink->max_concurrent ? outlet->sink->max_concurrent : 1);
        default: return true;
        }
}

/* One row of @queue. 0, or < 0. */
static int send_one(struct weir_relay *relay, struct weir_queue *queue, struct weir_error *reterr)
{
        struct weir_parcel *parcel = weir_queue_take(queue);

        weir_parcel_begin(relay, parcel);
        return queue->outlet->type == WEIR_OUTLET_URL ? weir_send_hook(relay, parcel, reterr)
                                                      : weir_send_topic(relay, parcel);
}

static bool ready(const struct weir_queue *queue)
{
        return queue->head < queue->count &&
               (queue->outlet->type != WEIR_OUTLET_URL || queue->in_flight == 0);
}

/* The next round begins at @queue. */
static void begin_at(struct weir_outlet *outlet, struct weir_queue *queue)
{
        struct weir_queue *last = queue, *before = outlet->queues;

        if (!queue || before == queue)
                return;
        while (last->next)
                last = last->next;
        last->next = outlet->queues;
        while (before->next != queue)
                before = before->next;
        before->next = NULL;
        outlet->queues = queue;
}

static struct weir_queue *first_ready(struct weir_outlet *outlet)
{
        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                if (ready(queue))
                        return queue;
        return NULL;
}

/* Until nothing is left, or the next moment lies ahead, or the file cannot be written. */
static int send_lines(struct weir_relay *relay, struct weir_outlet *outlet,
                      struct weir_error *reterr)
{
        int r;

        do {
                r = weir_outlet_reserve(relay, outlet, reterr);
                if (r == 0)
                        weir_send_file(relay, outlet, false);
                if (outlet->queues) /* a rate leaves rows behind: not always those of the same streams */
                        begin_at(outlet, outlet->queues->next);
        } while (r == 0 && first_ready(outlet) && !outlet->breaker.failures && !outlet->moments);
        return r;
}

static int send_all(struct weir_relay *relay, struct weir_outlet *outlet, struct weir_error *reterr)
{
        int r = 0;

        if (outlet->type == WEIR_OUTLET_FILE)
                return send_lines(relay, outlet, reterr);
        for (struct weir_queue *queue = outlet->queues; r == 0 && queue; queue = queue->next)
                while (r == 0 && ready(queue)) {
                        bool room = has_room(relay, outlet);

                        if (room)
                                r = weir_outlet_reserve(relay, outlet, reterr);
                        if (r == 0 && (!room || !weir_outlet_token(outlet, relay->now_us))) {
                                begin_at(outlet, queue);
                                return 0;
                        }
                        if (r == 0)
                                r = send_one(relay, queue, reterr);
                }
        return r;
}

/* K2, among all relays: who moves the moment on in the table may probe. */
static int probe(struct weir_relay *relay, struct weir_outlet *outlet, struct weir_error *reterr)
{
        struct weir_queue *queue = first_ready(outlet);
        int64_t hold_us = outlet->type == WEIR_OUTLET_URL
                                  ? outlet->sink->timeout_ms * 1000 + PROBE_MORE_US
                                  : PROBE_TOPIC_US;
        int r;

        if (!queue || outlet->in_flight || !has_room(relay, outlet))
                return 0;
        r = weir_outlet_reserve(relay, outlet, reterr);
        if (r < 0)
                return r;
        if (!weir_outlet_token(outlet, relay->now_us)) { /* a probe is an event like any other */
                weir_breaker_yield(&outlet->breaker, weir_outlet_token_at_us(outlet));
                return 0;
        }
        r = weir_destination_probe(relay->pg, outlet->kind, outlet->name, outlet->target, hold_us,
                                   reterr);
        if (r < 0)
                return r;
        if (r == 0) {
                weir_breaker_yield(&outlet->breaker, relay->now_us + YIELD_US);
                return 0;
        }
        weir_breaker_probe(&outlet->breaker);
        outlet->probed = true;
        begin_at(outlet,
                 queue->next); /* another stream probes next time: one event may be the reason */
        if (outlet->type == WEIR_OUTLET_FILE) {
                weir_send_file(relay, outlet, true);
                return 0;
        }
        if (outlet->type == WEIR_OUTLET_URL && !weir_send_hook_allowed(relay, outlet))
                return 0; /* the question is the probe */
        return send_one(relay, queue, reterr);
}

static void drop_all(struct weir_outlet *outlet)
{
        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                weir_queue_drop(queue);
}

static void bury_all(struct weir_relay *relay, struct weir_outlet *outlet)
{
        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                for (struct weir_parcel *parcel; (parcel = weir_queue_take(queue));) {
                        weir_parcel_begin(relay, parcel);
                        weir_parcel_end(relay, parcel, WEIR_PARCEL_REFUSED, "retired",
                                        "the receiver had answered 410 Gone before; `weir relay "
                                        "open` opens it again");
                }
}

int weir_relay_send(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = 0;

        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next) {
                if (outlet->type == WEIR_OUTLET_UNKNOWN)
                        continue;
                switch (weir_breaker_ask(&outlet->breaker, relay->now_us)) {
                case WEIR_BREAKER_RETIRED: bury_all(relay, outlet); break;
                case WEIR_BREAKER_WAIT: drop_all(outlet); break;
                case WEIR_BREAKER_PROBE: r = probe(relay, outlet, reterr); break;
                case WEIR_BREAKER_SEND:
                default:
                        if (first_ready(outlet) && (outlet->type != WEIR_OUTLET_URL ||
                                                    weir_send_hook_allowed(relay, outlet)))
                                r = send_all(relay, outlet, reterr);
                }
        }
        return r;
}
