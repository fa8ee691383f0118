/* SPDX-License-Identifier: MIT */
/*
 * batch - decode on arrival, so that the transaction later only handles
 *
 * Records are decoded when they are taken from the queue: a record that is no CloudEvent is known
 * before the transaction starts and costs no rollback. Arrays only grow while the batch does: no allocation per event.
 *
 * The keys of a batch are made distinct here (store/apply.h A2). Slots are addressed by the key mixed
 * with a seed of the process: keys are SHA-256, but a producer could search for ids that collide.
 */
#include "flow/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ARENA_BLOCK_BYTES (64 * 1024)
/* What the client keeps of a record besides its bytes: 325 were measured. */
#define CLIENT_BYTES 400
/* Of an event: its item, and its place among the claims. */
#define ITEM_BYTES (sizeof(struct weir_item) + 64)

void weir_batch_init(struct weir_batch *batch, const char *worker, const struct weir_limits *limits,
                     bool accept_json_batch)
{
        *batch = (struct weir_batch){
                .worker = { worker, strlen(worker) },
                .decoder = { .accept_json_batch = accept_json_batch },
        };
        weir_arena_init(&batch->arena, ARENA_BLOCK_BYTES);
        if (limits)
                batch->decoder.limits = *limits;
}

void weir_batch_set_rules(struct weir_batch *batch, const char *worker,
                          const struct weir_batch_rules *rules)
{
        const char *space = rules ? rules->space : worker;

        assert(batch->record_count == 0);
        batch->worker = (struct weir_view){ space, strlen(space) };
        batch->replay = rules ? rules->replay : NULL;
        batch->filter = rules && !weir_filter_empty(rules->filter) ? rules->filter : NULL;
}

void weir_batch_fini(struct weir_batch *batch)
{
        weir_batch_reset(batch);
        weir_arena_fini(&batch->arena);
        free(batch->records);
        free(batch->items);
}

void weir_batch_reset(struct weir_batch *batch)
{
        for (size_t i = 0; i < batch->record_count; i++)
                weir_record_release(&batch->records[i].record);
        batch->record_count = batch->item_count = 0;
        batch->bytes = batch->largest_bytes = 0;
        weir_arena_reset(&batch->arena);
}

/* Twice the bytes: the client has them, and the rows that are not sent yet have them again. */
static uint64_t cost(uint64_t records, uint64_t items, uint64_t bytes, uint64_t arena_bytes)
{
        return records * (sizeof(struct weir_batch_record) + CLIENT_BYTES) + items * ITEM_BYTES +
               2 * bytes + arena_bytes;
}

uint64_t weir_batch_cost(const struct weir_batch *batch)
{
        return cost(batch->record_count, batch->item_count, batch->bytes, batch->arena.held_bytes);
}

static void *grow(void *list, size_t *room, size_t need, size_t element_bytes)
{
        size_t wanted = *room ? *room : 256;
        void *bigger;

        if (need <= *room)
                return list;
        while (wanted < need)
                wanted *= 2;
        bigger = reallocarray(list, wanted, element_bytes);
        if (bigger)
                *room = wanted;
        return bigger;
}

struct taking {
        struct weir_batch *batch;
        const struct weir_record *record;
};

static int take_event(void *context, const struct weir_event *event)
{
        struct taking *taking = context;
        struct weir_batch *batch = taking->batch;
        struct weir_item *items = grow(batch->items, &batch->item_room, batch->item_count + 1,
                                       sizeof *batch->items);
        struct weir_item *item;

        if (!items)
                return WEIR_ENOMEM;
        batch->items = items;
        item = &items[batch->item_count];
        item->event = *event;
        item->event.topic = taking->record->topic;
        item->event.partition = taking->record->partition;
        item->event.offset = taking->record->offset;
        item->event.record_time_ms = taking->record->time_ms;
        item->event.key = taking->record->key;
        item->event.headers = taking->record->headers;
        item->event.header_count = taking->record->header_count;
        item->event.attempt = 1;
        item->event.replay = batch->replay;
        item->record = (uint32_t)batch->record_count;
        item->attempts = item->deaths = 0;
        item->death = NULL;
        item->first_failed_us = item->try_at_us = item->parked_id = 0;
        item->dead = false;
        item->parked = WEIR_PARKED_NOT;
        item->klass = NULL;
        item->text = NULL;
        item->left_out = batch->filter && !weir_filter_match(batch->filter, &item->event);
        batch->item_count++;
        return item->left_out ? 0 : weir_key_of(batch->worker, &item->event, &item->key);
}

static int decode(struct weir_batch *batch, struct weir_batch_record *entry)
{
        struct weir_record *record = &entry->record;
        struct weir_message message = { .key = record->key, .value = record->value };
        struct taking taking = { batch, record };
        struct weir_refusal refusal;
        int mode, r;

        r = weir_record_headers(record, &batch->arena);
        if (r < 0)
                return r;
        message.headers = record->headers;
        message.header_count = record->header_count;
        entry->first_item = (uint32_t)batch->item_count;
        entry->refusal = NULL;
        entry->key_hash = 0;
        batch->decoder.arena = &batch->arena;
        r = weir_decode_kafka(&batch->decoder, &message, take_event, &taking, &mode, &refusal);
        if (r < 0) {
                batch->item_count = entry->first_item;
                return r;
        }
        entry->item_count = (uint32_t)(batch->item_count - entry->first_item);
        entry->refused = r > 0;
        if (r > 0 && !batch->filter) { /* what it is nobody knows, so it is not what was meant */
                entry->refusal = weir_arena_alloc(&batch->arena, sizeof refusal);
                if (!entry->refusal)
                        return WEIR_ENOMEM;
                *entry->refusal = refusal;
        }
        return 0;
}

/* The record behind the last is whole. */
static void add_up(struct weir_batch *batch, size_t arena_before)
{
        const struct weir_batch_record *entry = &batch->records[batch->record_count++];
        uint64_t bytes = entry->record.value.size + entry->record.key.size;
        uint64_t all = cost(1, entry->item_count, bytes, batch->arena.held_bytes - arena_before);

        batch->bytes += bytes;
        if (all > batch->largest_bytes)
                batch->largest_bytes = all;
}

int weir_batch_add(struct weir_batch *batch, struct weir_record *record, struct weir_error *reterr)
{
        size_t before = batch->arena.held_bytes;
        struct weir_batch_record *records, *entry;

        assert(batch->record_count == 0 ||
               record->offset > batch->records[batch->record_count - 1].record.offset); /* B1 */
        records = grow(batch->records, &batch->record_room, batch->record_count + 1,
                       sizeof *batch->records);
        if (records) {
                batch->records = records;
                entry = &records[batch->record_count];
                entry->record = *record;
                if (decode(batch, entry) == 0) {
                        add_up(batch, before);
                        return 0;
                }
        }
        return weir_fail(reterr, WEIR_ENOMEM, 0, "record %s/%d offset %lld of %zu bytes",
                         record->topic, record->partition, (long long)record->offset,
                         record->value.size);
}

void weir_batch_describe(struct weir_batch *batch, struct weir_item *item, const char *reason,
                         const char *text)
{
        snprintf(item->reason, sizeof item->reason, "%s", reason);
        if (!item->text)
                item->text = weir_arena_alloc(&batch->arena, WEIR_ERROR_TEXT_BYTES);
        if (item->text)
                snprintf(item->text, WEIR_ERROR_TEXT_BYTES, "%s", text);
}

void weir_batch_condemn(struct weir_item *item, const char *klass)
{
        item->dead = true;
        item->klass = klass;
        item->parked = WEIR_PARKED_NOT;
        item->try_at_us = 0;
}

enum weir_fate weir_batch_fate(const struct weir_batch *batch, size_t record)
{
        const struct weir_batch_record *entry = &batch->records[record];
        enum weir_fate fate = entry->refusal ? WEIR_FATE_DEAD : WEIR_FATE_GOOD;

        for (uint32_t i = entry->first_item; i < entry->first_item + entry->item_count; i++) {
                if (batch->items[i].dead)
                        return WEIR_FATE_DEAD;
                if (batch->items[i].parked)
                        fate = WEIR_FATE_PARKED;
        }
        return fate;
}

/* ---- claims ------------------------------------------------------------------------------- */

static uint64_t slot_of(const struct weir_key *key)
{
        static uint64_t seed; /* the same value for every caller; a race writes it twice at worst */
        uint64_t mixed, chosen = __atomic_load_n(&seed, __ATOMIC_RELAXED);

        if (!chosen) {
                uint64_t random, none = 0;

                if (getrandom(&random, sizeof random, 0) != sizeof random)
                        random = (uintptr_t)key;
                random |= 1;
                __atomic_compare_exchange_n(&seed, &none, random, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED);
                chosen = __atomic_load_n(&seed, __ATOMIC_RELAXED);
        }
        memcpy(&mixed, key->bytes, sizeof mixed);
        mixed = (mixed ^ chosen) * 0x9e3779b97f4a7c15u;
        return mixed ^ (mixed >> 32);
}

static int make_room(struct weir_claims *claims, size_t need)
{
        size_t room = claims->room ? claims->room : 256;
        size_t slots;

        if (!claims->room || need > claims->room) {
                while (room < need)
                        room *= 2;
                weir_claims_fini(claims);
                claims->keys = calloc(room, sizeof *claims->keys);
                claims->offsets = calloc(room, sizeof *claims->offsets);
                claims->items = calloc(room, sizeof *claims->items);
                claims->fresh = calloc(room, sizeof *claims->fresh);
                claims->slots = calloc(2 * room, sizeof *claims->slots);
                if (!claims->keys || !claims->offsets || !claims->items || !claims->fresh ||
                    !claims->slots)
                        return WEIR_ENOMEM;
                claims->room = room;
        }
        for (slots = 64; slots < 2 * need;) /* only as many as this call needs: clearing costs */
                slots *= 2;
        claims->slot_count = slots < 2 * claims->room ? slots : 2 * claims->room;
        memset(claims->slots, 0, claims->slot_count * sizeof *claims->slots);
        return 0;
}

static void add_key(struct weir_claims *claims, const struct weir_item *item, uint32_t index)
{
        size_t mask = claims->slot_count - 1;
        size_t slot = slot_of(&item->key) & mask;

        while (claims->slots[slot]) {
                if (!memcmp(&claims->keys[claims->slots[slot] - 1], &item->key, sizeof item->key))
                        return; /* a duplicate inside the batch: the first one is it */
                slot = (slot + 1) & mask;
        }
        claims->keys[claims->count] = item->key;
        claims->offsets[claims->count] = item->event.offset;
        claims->items[claims->count] = index;
        claims->slots[slot] = (uint32_t)++claims->count;
}

int weir_claims_collect(struct weir_claims *claims, const struct weir_batch *batch, size_t first,
                        size_t count, struct weir_error *reterr)
{
        const struct weir_batch_record *last = &batch->records[first + count - 1];
        uint32_t begin = batch->records[first].first_item;
        uint32_t end = last->first_item + last->item_count;

        if (make_room(claims, end - begin) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "claims of %u events", end - begin);
        claims->count = claims->event_count = claims->dead_count = claims->parked_count = 0;
        for (size_t i = first; i < first + count; i++)
                claims->dead_count += batch->records[i].refusal != NULL;
        for (uint32_t i = begin; i < end; i++) {
                if (batch->items[i].left_out)
                        continue;
                if (batch->items[i].dead) {
                        claims->dead_count++;
                        continue;
                }
                if (batch->items[i].parked) { /* V2: no claim until it is applied */
                        claims->parked_count++;
                        continue;
                }
                claims->event_count++;
                add_key(claims, &batch->items[i], i);
        }
        return 0;
}

void weir_claims_fini(struct weir_claims *claims)
{
        free(claims->keys);
        free(claims->offsets);
        free(claims->items);
        free(claims->fresh);
        free(claims->slots);
        *claims = (struct weir_claims){ 0 };
}
