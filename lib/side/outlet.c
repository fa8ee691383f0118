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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "side/relay_state.h"

/* 32 hex digits of SHA-256: a url may hold a token, and the table is read by more people than the configuration. */
static int hash_of(const char *const *parts, size_t count, char ret[33])
{
        struct weir_hash_part all[4];
        uint8_t digest[32];
        int r;

        for (size_t i = 0; i < count; i++)
                all[i] = (struct weir_hash_part){ parts[i], strlen(parts[i]) };
        r = weir_hash_parts(all, count, digest);
        for (size_t i = 0; r == 0 && i < 16; i++)
                snprintf(ret + 2 * i, 3, "%02x", digest[i]);
        return r;
}

/* What its state belongs to, and its consent. A topic that is named directly has no other address than its name. */
static int name_address(struct weir_outlet *outlet)
{
        const struct weir_conf_sink *sink = outlet->sink;
        const char *address[2], *consent[3];
        int r;

        if (!sink)
                return 0;
        address[0] = sink->url ? "url" : sink->file ? "file" : "topic";
        address[1] = sink->url ? sink->url : sink->file ? sink->file : sink->topic;
        consent[0] = sink->name;
        consent[1] = address[1];
        consent[2] = sink->origin ? sink->origin : "";
        r = hash_of(address, 2, outlet->target);
        return r < 0 ? r : hash_of(consent, 3, outlet->consent);
}

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
        if (name_address(outlet) < 0) {
                free(outlet->name);
                free(outlet);
                return NULL;
        }
        outlet->next = relay->outlets;
        relay->outlets = outlet;
        return outlet;
}

/*
 * librdkafka remembers for a second or so that a topic was not there, and says so without asking. Rows that are sent
 * again just after it was made would be condemned by that memory, so it must have said so for longer, without a pause.
 * Meanwhile a row is tried again; no probe is lost for it, since the destination is not at fault.
 */
bool weir_outlet_may_be_made(struct weir_outlet *outlet, int64_t now_us)
{
        enum { SURE_US = 3000000, PAUSE_US = 10000000 };

        if (!outlet->unknown_us || now_us - outlet->unknown_last_us > PAUSE_US)
                outlet->unknown_us = now_us;
        outlet->unknown_last_us = now_us;
        return now_us - outlet->unknown_us < SURE_US;
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
