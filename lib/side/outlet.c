/* SPDX-License-Identifier: MIT */
/*
 * outlet - destinations and streams in memory
 *
 * Both lists grow with what was ever seen in the table: destinations are names that somebody configured or wrote into
 * a plugin, streams are 64 each. Searching them is a walk; a relay with hundreds of destinations spends its time in
 * the network, not here.
 *
 * Owner    a parcel belongs to its queue while it is held, to the sender while it is under way, to the list of the
 *          settled ones after that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "side/relay_state.h"

static void know_sink(struct weir_relay *relay, struct weir_outlet *outlet)
{
        outlet->sink = weir_conf_sink_find(relay->conf, outlet->name);
        if (!outlet->sink) {
                outlet->type = WEIR_OUTLET_UNKNOWN;
                weir_log(WEIR_LOG_WARN, "relay.sink_unknown", LOG_S("sink", outlet->name),
                         LOG_S("action", "its rows wait for a process that is configured with it"));
                return;
        }
        outlet->topic = outlet->sink->topic;
        outlet->type = outlet->sink->url    ? WEIR_OUTLET_URL
                       : outlet->sink->file ? WEIR_OUTLET_FILE
                                            : WEIR_OUTLET_TOPIC;
}

struct weir_outlet *weir_outlet_find(struct weir_relay *relay, int kind, const char *name)
{
        for (struct weir_outlet *outlet = relay->outlets; outlet; outlet = outlet->next)
                if (outlet->kind == kind && strcmp(outlet->name, name) == 0)
                        return outlet;
        return NULL;
}

static struct weir_outlet *add_outlet(struct weir_relay *relay, const struct weir_stream *stream)
{
        struct weir_outlet *outlet = calloc(1, sizeof *outlet);

        if (!outlet)
                return NULL;
        outlet->name = strdup(stream->destination);
        if (!outlet->name) {
                free(outlet);
                return NULL;
        }
        outlet->kind = stream->kind;
        outlet->share = WEIR_OUTBOX_SHARDS;
        outlet->ask.outlet = outlet;
        outlet->batch_size = (struct weir_batch_size){ .step = -1, .next = -1 };
        if (stream->kind == WEIR_OUTBOX_TOPIC) {
                outlet->type = WEIR_OUTLET_TOPIC;
                outlet->topic = outlet->name;
        } else {
                know_sink(relay, outlet);
        }
        outlet->next = relay->outlets;
        relay->outlets = outlet;
        return outlet;
}

struct weir_queue *weir_outlet_queue(struct weir_relay *relay, const struct weir_stream *stream)
{
        struct weir_outlet *outlet = weir_outlet_find(relay, stream->kind, stream->destination);
        struct weir_queue *queue;

        if (!outlet)
                outlet = add_outlet(relay, stream);
        if (!outlet)
                return NULL;
        for (queue = outlet->queues; queue; queue = queue->next)
                if (queue->shard == stream->shard)
                        return queue;
        queue = calloc(1, sizeof *queue);
        if (!queue)
                return NULL;
        queue->outlet = outlet;
        queue->shard = stream->shard;
        queue->asked_us = INT64_MIN / 2;
        queue->next = outlet->queues;
        outlet->queues = queue;
        return queue;
}

struct weir_stream weir_queue_stream(const struct weir_queue *queue)
{
        return (struct weir_stream){ .kind = queue->outlet->kind,
                                     .destination = queue->outlet->name,
                                     .shard = queue->shard };
}

void weir_parcel_free(struct weir_parcel *parcel)
{
        free(parcel->row);
        free(parcel);
}

/* ---- what was read of a stream --------------------------------------------------------------- */

/* Where @id stands among the known ones, or would. */
static size_t place_of(const struct weir_queue *queue, int64_t id)
{
        size_t low = 0, high = queue->known_count;

        if (high && queue->known[high - 1] < id)
                return high; /* nearly always */
        while (low < high) {
                size_t middle = (low + high) / 2;

                if (queue->known[middle] < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool grow(void **list, size_t *room, size_t used, size_t each)
{
        size_t more = *room ? *room * 2 : 16;
        void *grown;

        if (used < *room)
                return true;
        grown = realloc(*list, more * each);
        if (!grown)
                return false;
        *list = grown;
        *room = more;
        return true;
}

int weir_queue_hold(struct weir_queue *queue, struct weir_outbox_row *row)
{
        size_t place = place_of(queue, row->id);
        struct weir_parcel *parcel;

        if (place < queue->known_count && queue->known[place] == row->id) {
                free(row);
                return 1;
        }
        parcel = calloc(1, sizeof *parcel);
        if (!parcel ||
            !grow((void **)&queue->held, &queue->room, queue->count, sizeof *queue->held) ||
            !grow((void **)&queue->known, &queue->known_room, queue->known_count,
                  sizeof *queue->known)) {
                free(parcel);
                free(row);
                return WEIR_ENOMEM;
        }
        memmove(queue->known + place + 1, queue->known + place,
                (queue->known_count - place) * sizeof *queue->known);
        queue->known[place] = row->id;
        queue->known_count++;
        *parcel = (struct weir_parcel){ .row = row, .queue = queue, .outlet = queue->outlet };
        queue->held[queue->count++] = parcel;
        return 0;
}

void weir_queue_read(struct weir_queue *queue, int64_t to_id)
{
        size_t passed;

        if (to_id <= queue->after_id)
                return;
        passed = place_of(queue, to_id + 1);
        memmove(queue->known, queue->known + passed,
                (queue->known_count - passed) * sizeof *queue->known);
        queue->known_count -= passed;
        queue->after_id = to_id;
}

void weir_queue_rewind(struct weir_queue *queue, int64_t id)
{
        if (queue->after_id >= id)
                queue->after_id = id - 1;
        queue->rewind = true;
}

void weir_queue_begin(struct weir_queue *queue)
{
        queue->after_id = 0;
        queue->rewind = queue->open > 0;
        queue->more = false;
        queue->known_count = 0;
}

struct weir_parcel *weir_queue_take(struct weir_queue *queue)
{
        struct weir_parcel *parcel;

        if (queue->head == queue->count)
                return NULL;
        parcel = queue->held[queue->head++];
        if (queue->head == queue->count)
                queue->head = queue->count = 0;
        return parcel;
}

void weir_queue_drop(struct weir_queue *queue)
{
        while (queue->head < queue->count) {
                weir_queue_rewind(queue, queue->held[queue->head]->row->id);
                weir_parcel_free(queue->held[queue->head++]);
        }
        queue->head = queue->count = 0;
}

void weir_outlets_free(struct weir_relay *relay)
{
        while (relay->outlets) {
                struct weir_outlet *outlet = relay->outlets;

                relay->outlets = outlet->next;
                while (outlet->queues) {
                        struct weir_queue *queue = outlet->queues;

                        outlet->queues = queue->next;
                        weir_queue_drop(queue);
                        if (queue->flying)
                                weir_parcel_free(queue->flying);
                        free(queue->held);
                        free(queue->known);
                        free(queue);
                }
                free(outlet->name);
                free(outlet);
        }
}

/* ---- rate ----------------------------------------------------------------------------------- */

/* The smaller of what the configuration allows and what the receiver granted, per second; 0 = any. */
static double rate_of(const struct weir_outlet *outlet)
{
        double own = outlet->sink ? outlet->sink->rate_per_s : 0;
        double granted = outlet->allowed_rate / 60.0;

        return own > 0 && (granted <= 0 || own < granted) ? own : granted;
}

/* A bucket holds what a tenth of a second brings, one at least: no burst after a pause. */
bool weir_outlet_token(struct weir_outlet *outlet, int64_t now_us)
{
        double rate = rate_of(outlet), most = rate / 10 > 1 ? rate / 10 : 1;

        if (rate <= 0)
                return true;
        outlet->tokens += outlet->tokens_us ? (double)(now_us - outlet->tokens_us) * rate / 1e6 : 1;
        outlet->tokens_us = now_us;
        if (outlet->tokens > most)
                outlet->tokens = most;
        if (outlet->tokens < 1)
                return false;
        outlet->tokens -= 1;
        return true;
}

int64_t weir_outlet_token_at_us(const struct weir_outlet *outlet)
{
        double rate = rate_of(outlet);

        if (rate <= 0 || outlet->tokens >= 1)
                return 0;
        return outlet->tokens_us + (int64_t)((1 - outlet->tokens) / rate * 1e6) + 1;
}
