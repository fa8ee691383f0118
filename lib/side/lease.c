/* SPDX-License-Identifier: MIT */
/*
 * lease - which streams are ours, and what of them is read
 *
 * Fair: of a destination's streams a relay keeps what its share is among the sessions that can send there, and gives
 * the rest back once nothing of it is open; idle streams go back too. What nobody takes for a second is taken beyond
 * the share: better one busy relay than rows that lie.
 *
 * A dead destination holds no memory: what was read for it is dropped when it waits, and one row a stream is read for
 * its probe (Y2). The table has the rows, so dropping is free.
 */
#include "side/relay_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
        ASK_AGAIN_US = 500000,
        LEFT_LYING_US = 1000000,
        IDLE_US = 10000000,
        BUDGET_BYTES = 32 * 1024 * 1024,
        SHARE_BYTES = 64 * 1024,
        TOPIC_ROWS = 400,
        FILE_ROWS = 200,
        URL_ROWS = 16
};

#define EACH_QUEUE(relay, outlet, queue)                                                           \
        for (struct weir_outlet *outlet = (relay)->outlets; outlet; outlet = outlet->next)         \
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)

static struct weir_stream stream_of(const struct weir_queue *queue)
{
        return (struct weir_stream){ .kind = queue->outlet->kind,
                                     .destination = queue->outlet->name,
                                     .shard = queue->shard };
}

static bool holds(const struct weir_queue *queue)
{
        return queue->head < queue->count;
}

/* ---- look and lease ------------------------------------------------------------------------- */

static int see(void *context, const struct weir_stream *stream)
{
        struct weir_relay *relay = context;
        struct weir_queue *queue = weir_outlet_queue(relay, stream);

        if (!queue)
                return WEIR_ENOMEM;
        queue->has_rows = true;
        queue->idle_us = 0;
        return 0;
}

/* Streams that we want now. */
static bool wanted(struct weir_queue *queue, size_t chosen, int64_t now_us)
{
        const struct weir_outlet *outlet = queue->outlet;

        if (queue->leased || !queue->has_rows || outlet->type == WEIR_OUTLET_UNKNOWN) {
                queue->waiting_us = 0;
                return false;
        }
        if (!queue->waiting_us)
                queue->waiting_us = now_us;
        if (now_us - queue->asked_us < ASK_AGAIN_US)
                return false;
        return outlet->leased + chosen < outlet->share ||
               now_us - queue->waiting_us >= LEFT_LYING_US;
}

static int compare(const void *a, const void *b)
{
        const struct weir_queue *x = *(struct weir_queue *const *)a;
        const struct weir_queue *y = *(struct weir_queue *const *)b;
        int order = x->outlet->kind - y->outlet->kind;

        if (order == 0)
                order = strcmp(x->outlet->name, y->outlet->name);
        return order ? order : x->shard - y->shard;
}

static int lease(struct weir_relay *relay, struct weir_error *reterr)
{
        WEIR_FREE struct weir_queue **list = NULL;
        WEIR_FREE struct weir_stream *streams = NULL;
        WEIR_FREE bool *ours = NULL;
        size_t all = 0, count = 0;
        int r;

        EACH_QUEUE(relay, outlet, queue)
        all++;
        list = calloc(all + 1, sizeof(struct weir_queue *));
        streams = calloc(all + 1, sizeof *streams);
        ours = calloc(all + 1, sizeof *ours);
        if (!list || !streams || !ours)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "lease of %zu streams", all);
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                size_t before = count;

                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                        if (wanted(queue, count - before, relay->now_us))
                                list[count++] = queue;
        }
        if (count == 0)
                return 0;
        qsort(list, count, sizeof(struct weir_queue *), compare);
        for (size_t i = 0; i < count; i++)
                streams[i] = stream_of(list[i]);
        r = weir_stream_lease(relay->pg, relay->number, streams, count, ours, reterr);
        for (size_t i = 0; r == 0 && i < count; i++) {
                list[i]->asked_us = relay->now_us;
                if (!ours[i])
                        continue;
                list[i]->leased = true;
                list[i]->leaving = false;
                list[i]->waiting_us = list[i]->not_before_us = 0;
                list[i]->outlet->leased++;
        }
        return r;
}

/* ---- shares --------------------------------------------------------------------------------- */

static void take_share(void *context, const struct weir_stream_share *share)
{
        struct weir_relay *relay = context;
        struct weir_outlet *outlet = weir_outlet_find(relay, share->kind, share->destination);

        if (outlet && share->relays > 1)
                outlet->share = (share->leased + share->relays - 1) / share->relays;
}

/* Idle ones first: they cost nobody a pause. */
static void mark_surplus(struct weir_outlet *outlet)
{
        size_t leaving = 0;

        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                leaving += queue->leased && queue->leaving;
        for (int idle = 1; idle >= 0; idle--)
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next) {
                        if (outlet->leased - leaving <= outlet->share)
                                return;
                        if (!queue->leased || queue->leaving ||
                            idle != (!queue->has_rows && !queue->open))
                                continue;
                        queue->leaving = true;
                        leaving++;
                }
}

/* What the table says of this address. A state that was seen at another one is not ours; at the first look it is
 * told so, later it is a relay with another configuration that has written, and each keeps to what it sees. */
static void learn(void *context, const struct weir_destination *destination)
{
        struct weir_relay *relay = context;
        struct weir_outlet *outlet = weir_outlet_find(relay, destination->kind, destination->name);

        if (!outlet || outlet->news)
                return;
        if (!destination->target[0] || strcmp(destination->target, outlet->target) == 0)
                weir_breaker_learn(&outlet->breaker, destination->state, destination->failures,
                                   relay->now_us + destination->wait_us, relay->now_us);
        else if (!outlet->known)
                outlet->news = relay->news = true;
        outlet->allowed_until_us = 0;
        if (destination->allowed_us == INT64_MIN ||
            strcmp(destination->allowed_for, outlet->consent) != 0)
                return;
        outlet->allowed_until_us = relay->now_us + destination->allowed_us;
        outlet->allowed_rate = destination->allowed_rate > 0 ? (uint32_t)destination->allowed_rate
                                                             : 0;
}

static int read_states(struct weir_relay *relay, struct weir_error *reterr)
{
        int r = weir_destination_read(relay->pg, learn, relay, reterr);

        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next)
                outlet->known = true;
        return r;
}

/* A destination that is met for the first time may be retired, or wait, since before we were started. */
static int meet(struct weir_relay *relay, struct weir_error *reterr)
{
        for (const struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                if (!outlet->known)
                        return read_states(relay, reterr);
        return 0;
}

int weir_relay_look(struct weir_relay *relay, struct weir_error *reterr)
{
        int r;

        EACH_QUEUE(relay, outlet, queue)
        {
                queue->has_rows = false;
        }
        r = weir_stream_look(relay->pg, see, relay, reterr);
        if (r == 0)
                r = meet(relay, reterr);
        return r < 0 ? r : lease(relay, reterr);
}

int weir_relay_balance(struct weir_relay *relay, struct weir_error *reterr)
{
        int r;

        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                outlet->share = WEIR_OUTBOX_SHARDS;
        r = weir_stream_shares(relay->pg, take_share, relay, reterr);
        if (r == 0)
                r = read_states(relay, reterr);
        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next)
                mark_surplus(outlet);
        EACH_QUEUE(relay, outlet, queue)
        {
                if (queue->leased && queue->idle_us && !queue->has_rows &&
                    relay->now_us - queue->idle_us > IDLE_US)
                        queue->leaving = true;
        }
        return r < 0 ? r : weir_relay_give_back(relay, false, reterr);
}

void weir_relay_forget_waits(struct weir_relay *relay)
{
        relay->balance_us = 0;
        EACH_QUEUE(relay, outlet, queue)
        {
                queue->not_before_us = 0; /* the table knows which rows still wait */
        }
}

int weir_relay_give_back(struct weir_relay *relay, bool all, struct weir_error *reterr)
{
        WEIR_FREE struct weir_queue **list = NULL;
        WEIR_FREE struct weir_stream *streams = NULL;
        size_t count = 0, room = 0;
        int r;

        EACH_QUEUE(relay, outlet, queue)
        room += queue->leased;
        list = calloc(room + 1, sizeof(struct weir_queue *));
        streams = calloc(room + 1, sizeof *streams);
        if (!list || !streams)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu leases", room);
        EACH_QUEUE(relay, outlet, queue)
        {
                if (!queue->leased || !(all || (queue->leaving && !queue->open)))
                        continue;
                list[count] = queue;
                streams[count++] = stream_of(queue);
        }
        if (count == 0)
                return 0;
        r = weir_stream_release(relay->pg, relay->number, streams, count, reterr);
        for (size_t i = 0; r == 0 && i < count; i++) {
                weir_queue_drop(list[i]);
                list[i]->leased = list[i]->leaving = false;
                list[i]->asked_us = relay->now_us; /* the others first */
                list[i]->outlet->leased--;
        }
        return r;
}

/* ---- fetch ---------------------------------------------------------------------------------- */

struct fetching {
        struct weir_relay *relay;
        struct weir_queue **list;
};

static int take_row(void *context, size_t stream, struct weir_outbox_row *row)
{
        struct fetching *fetching = context;
        struct weir_queue *queue = fetching->list[stream];

        fetching->relay->awake_until_us = fetching->relay->now_us + WEIR_OUTBOX_AWAKE_US;
        queue->idle_us = 0;
        /* A row that waits stops its stream: what is behind it must not overtake. */
        if (queue->not_before_us > fetching->relay->now_us || row->wait_us > 0) {
                if (!holds(queue) && queue->not_before_us <= fetching->relay->now_us)
                        queue->not_before_us = fetching->relay->now_us + row->wait_us;
                free(row);
                return 0;
        }
        return weir_queue_hold(queue, row);
}

static bool hungry(const struct weir_queue *queue, int64_t now_us)
{
        return queue->leased && !queue->leaving && queue->has_rows && !holds(queue) &&
               !queue->open && queue->not_before_us <= now_us; /* Y1 */
}

static uint32_t rows_for(const struct weir_outlet *outlet, int64_t now_us)
{
        switch (weir_breaker_ask(&outlet->breaker, now_us)) {
        case WEIR_BREAKER_WAIT: return 0;
        case WEIR_BREAKER_PROBE: return 1;
        case WEIR_BREAKER_RETIRED: return FILE_ROWS;
        case WEIR_BREAKER_SEND:
        default:
                return outlet->type == WEIR_OUTLET_TOPIC  ? TOPIC_ROWS
                       : outlet->type == WEIR_OUTLET_FILE ? FILE_ROWS
                                                          : URL_ROWS;
        }
}

static int fetch_outlet(struct weir_relay *relay, struct weir_outlet *outlet, uint64_t budget,
                        struct weir_error *reterr)
{
        struct weir_queue *list[WEIR_OUTBOX_SHARDS];
        struct weir_stream streams[WEIR_OUTBOX_SHARDS];
        struct fetching fetching = { relay, list };
        uint32_t rows = rows_for(outlet, relay->now_us);
        size_t count = 0;
        uint64_t bytes;
        int r;

        if (rows == 0)
                return 0;
        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                if (hungry(queue, relay->now_us) && count < WEIR_OUTBOX_SHARDS) {
                        list[count] = queue;
                        streams[count++] = stream_of(queue);
                }
        if (count == 0)
                return 0;
        bytes = budget / count > SHARE_BYTES ? budget / count : SHARE_BYTES;
        r = weir_outbox_fetch(relay->pg, streams, count, rows, bytes, take_row, &fetching, reterr);
        for (size_t i = 0; r == 0 && i < count; i++) {
                if (holds(list[i]) || list[i]->not_before_us > relay->now_us)
                        continue;
                list[i]->has_rows = false;
                list[i]->idle_us = relay->now_us;
        }
        return r;
}

/* Rows of a retired sink are buried, which nobody undoes: look once more whether an operator has opened it. */
static bool must_ask(const struct weir_relay *relay)
{
        for (const struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                if (outlet->breaker.state != WEIR_DESTINATION_RETIRED || outlet->news)
                        continue;
                for (const struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                        if (hungry(queue, relay->now_us))
                                return true;
        }
        return false;
}

int weir_relay_fetch(struct weir_relay *relay, struct weir_error *reterr)
{
        uint64_t active = 0;
        int r = 0;

        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                active += outlet->leased > 0;
        if (must_ask(relay))
                r = read_states(relay, reterr);
        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next)
                if (outlet->leased)
                        r = fetch_outlet(relay, outlet, BUDGET_BYTES / (active ? active : 1),
                                         reterr);
        return r;
}
