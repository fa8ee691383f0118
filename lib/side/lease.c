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
        WALK_SHARE = 9,
        LEFT_LYING_US = 1000000,
        IDLE_US = 10000000,
        BUDGET_BYTES = 32 * 1024 * 1024,
        SHARE_BYTES = 64 * 1024,
        TOPIC_SET = 16384, /* rows of a reading, of all streams of a topic */
        TOPIC_ROWS_LEAST = 256,
        TOPIC_ROWS_MOST = 2048,
        TOPIC_KNOWN = 8192, /* of a stream: on their way, while more is read */
        FILE_ROWS = 200,
        URL_ROWS = 16
};

#define EACH_QUEUE(relay, outlet, queue)                                                           \
        for (struct weir_outlet *outlet = (relay)->outlets; outlet; outlet = outlet->next)         \
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)

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
                streams[i] = weir_queue_stream(list[i]);
        r = weir_stream_lease(relay->pg, relay->number, streams, count, ours, reterr);
        for (size_t i = 0; r == 0 && i < count; i++) {
                list[i]->asked_us = relay->now_us;
                if (!ours[i])
                        continue;
                list[i]->leased = true;
                list[i]->leaving = false;
                list[i]->waiting_us = list[i]->not_before_us = 0;
                weir_queue_begin(list[i]);
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
                                   relay->now_us + destination->wait_us,
                                   relay->now_us + destination->probe_us, relay->now_us);
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

int weir_relay_read_states(struct weir_relay *relay, struct weir_error *reterr)
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
                        return weir_relay_read_states(relay, reterr);
        return 0;
}

/* What is not open, and has a row for its probe, needs no look: hundreds of dead sinks are a step each, not 64. Nor does
 * what only others can send. */
static bool needs_no_look(const struct weir_outlet *outlet, int64_t now_us)
{
        enum weir_breaker_answer answer = weir_breaker_ask(&outlet->breaker, now_us);

        if (outlet->type == WEIR_OUTLET_UNKNOWN)
                return true;
        if (!outlet->known || (answer != WEIR_BREAKER_WAIT && answer != WEIR_BREAKER_PROBE))
                return false;
        for (const struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                if (queue->leased && !queue->leaving && queue->has_rows)
                        return true;
        return false;
}

static int walk(struct weir_relay *relay, struct weir_error *reterr)
{
        WEIR_FREE struct weir_stream *passed = NULL;
        size_t all = 0, count = 0;

        for (const struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                all++;
        passed = calloc(all + 1, sizeof *passed);
        if (!passed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "look at %zu destinations", all);
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                if (needs_no_look(outlet, relay->now_us)) {
                        passed[count++] = (struct weir_stream){ .kind = outlet->kind,
                                                                .destination = outlet->name };
                        continue;
                }
                for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                        queue->has_rows = false;
        }
        return weir_stream_look(relay->pg, passed, count, see, relay, reterr);
}

/* The walk over all streams passes the entries of removed rows until vacuum has been there; where a transaction that
 * stays open keeps vacuum away, there are millions. So it gets a tenth of the time, and what is leased is read without. */
int weir_relay_look(struct weir_relay *relay, struct weir_error *reterr)
{
        int64_t begun_us;
        int r;

        if (relay->now_us < relay->walk_us) {
                EACH_QUEUE(relay, outlet, queue)
                {
                        queue->has_rows = queue->has_rows || queue->leased;
                }
                return lease(relay, reterr);
        }
        begun_us = weir_clock_us(); /* the round may have settled for long before it came here */
        r = walk(relay, reterr);
        relay->walk_us = weir_clock_us() + WALK_SHARE * (weir_clock_us() - begun_us);
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
                r = weir_relay_read_states(relay, reterr);
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
                streams[count++] = weir_queue_stream(queue);
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

struct window {
        struct weir_queue *queue;
        uint32_t limit, seen, fresh;
        int64_t last_id; /* whole up to there */
        bool cut;        /* a row waits, and what is behind it must not overtake */
};

struct fetching {
        struct weir_relay *relay;
        struct window windows[WEIR_OUTBOX_SHARDS];
        int64_t highest_id;
};

static int take_row(void *context, size_t number, struct weir_outbox_row *row)
{
        struct fetching *fetching = context;
        struct window *window = &fetching->windows[number];
        int64_t now_us = fetching->relay->now_us;
        int r;

        window->seen++;
        if (fetching->highest_id < row->id)
                fetching->highest_id = row->id;
        fetching->relay->awake_until_us = now_us + WEIR_OUTBOX_AWAKE_US;
        if (!window->cut && row->wait_us > 0) {
                window->cut = true;
                if (!window->fresh)
                        window->queue->not_before_us = now_us + row->wait_us;
        }
        if (window->cut) {
                free(row);
                return 0;
        }
        window->last_id = row->id;
        r = weir_queue_hold(window->queue, row);
        window->fresh += r == 0;
        return r < 0 ? r : 0;
}

/* May it be read while something of it is on its way? Y1 */
static bool reads_ahead(const struct weir_queue *queue)
{
        const struct weir_outlet *outlet = queue->outlet;

        return outlet->type == WEIR_OUTLET_TOPIC && queue->more && !queue->rewind &&
               queue->known_count < TOPIC_KNOWN && !weir_send_topic_unsettled(outlet) &&
               outlet->breaker.state == WEIR_DESTINATION_OPEN;
}

static bool hungry(const struct weir_queue *queue, int64_t now_us)
{
        return queue->leased && !queue->leaving && queue->has_rows && !holds(queue) &&
               queue->not_before_us <= now_us && (!queue->open || reads_ahead(queue)); /* Y1 */
}

static uint32_t rows_for(const struct weir_outlet *outlet, size_t queues, int64_t now_us)
{
        size_t rows = TOPIC_SET / queues;

        switch (weir_breaker_ask(&outlet->breaker, now_us)) {
        case WEIR_BREAKER_WAIT: return 0;
        case WEIR_BREAKER_PROBE: return 1;
        case WEIR_BREAKER_RETIRED: return FILE_ROWS;
        case WEIR_BREAKER_SEND:
        default:
                if (outlet->type != WEIR_OUTLET_TOPIC)
                        return outlet->type == WEIR_OUTLET_FILE ? FILE_ROWS : URL_ROWS;
                if (rows > TOPIC_ROWS_MOST)
                        return TOPIC_ROWS_MOST;
                return rows < TOPIC_ROWS_LEAST ? TOPIC_ROWS_LEAST : (uint32_t)rows;
        }
}

static struct weir_outbox_window open_window(struct window *window, uint32_t rows)
{
        struct weir_queue *queue = window->queue;

        if (!queue->open) { /* what is known has gone, or goes again */
                queue->known_count = 0;
                queue->rewind = false;
        }
        window->limit = rows + (uint32_t)queue->known_count;
        return (struct weir_outbox_window){ .stream = weir_queue_stream(queue),
                                            .after = queue->after_id,
                                            .rows = window->limit };
}

static void close_window(struct weir_relay *relay, const struct window *window,
                         const struct weir_outbox_sight *sight)
{
        struct weir_queue *queue = window->queue;
        int64_t sure_id = relay->horizon.sure_id;

        if (window->last_id)
                weir_queue_read(queue, window->last_id < sure_id ? window->last_id : sure_id);
        else if (!window->seen && sight->oldest)
                weir_queue_read(queue, sure_id);
        queue->more = window->seen >= window->limit && !window->cut;
        if (window->fresh) {
                queue->idle_us = 0;
        } else if (queue->not_before_us <= relay->now_us) {
                queue->has_rows = false;
                queue->idle_us = queue->open ? 0 : relay->now_us;
        }
}

static int fetch_outlet(struct weir_relay *relay, struct weir_outlet *outlet, uint64_t budget,
                        struct weir_error *reterr)
{
        struct weir_outbox_window windows[WEIR_OUTBOX_SHARDS];
        struct fetching fetching = { .relay = relay };
        struct weir_outbox_sight sight = weir_horizon_ask(&relay->horizon);
        size_t count = 0;
        uint64_t bytes;
        uint32_t rows;
        int r;

        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                if (hungry(queue, relay->now_us) && count < WEIR_OUTBOX_SHARDS)
                        fetching.windows[count++].queue = queue;
        rows = count ? rows_for(outlet, count, relay->now_us) : 0;
        if (rows == 0)
                return 0;
        for (size_t i = 0; i < count; i++)
                windows[i] = open_window(&fetching.windows[i], rows);
        bytes = budget / count > SHARE_BYTES ? budget / count : SHARE_BYTES;
        r = weir_outbox_fetch(relay->pg, windows, count, bytes, take_row, &fetching, &sight,
                              reterr);
        if (r < 0)
                return r;
        weir_horizon_see(&relay->horizon, &sight, fetching.highest_id);
        for (size_t i = 0; i < count; i++)
                close_window(relay, &fetching.windows[i], &sight);
        return 0;
}

/* Rows of a retired sink are buried, which nobody undoes: look once more whether an operator has opened it, behind the
 * reading. Before it, a row that was made with the opening, or after, could come in between. */
static bool must_ask(const struct weir_relay *relay)
{
        for (const struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next) {
                if (outlet->breaker.state != WEIR_DESTINATION_RETIRED || outlet->news)
                        continue;
                for (const struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                        if (holds(queue))
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
        for (struct weir_outlet *outlet = relay->outlets; r == 0 && outlet; outlet = outlet->next)
                if (outlet->leased)
                        r = fetch_outlet(relay, outlet, BUDGET_BYTES / (active ? active : 1),
                                         reterr);
        return r == 0 && must_ask(relay) ? weir_relay_read_states(relay, reterr) : r;
}
