/* SPDX-License-Identifier: MIT */
/*
 * park - one key waits, the partition flows
 *
 * Always true   V1 V2 of store/parked.h.
 *               V3  an event whose key has a row in the table, or one before it in the batch, is not handed
 *                   to the handler before that one is decided: order holds within a key.
 *               V4  rows and marks together never exceed the bounds; what has no room waits in the log.
 *               V5  entries are those of the table as long as this lane holds the position.
 *               V6  an event is parked only where the rest of its record has room behind it: a record is passed as
 *                   a whole, and one that could not be would wait for a row that is never written.
 * The race      1. key k is parked, offset 7 of k is marked in the batch  2. while the lane waits for
 *               something else, the last parked row of k is applied  3. the batch goes on: 7 is marked anew and
 *               now free, or it was kept and is due at once. Either way after its predecessors.
 * Offsets       an operator may set a position back, or a topic be made anew, while events are parked: an
 *               offset that is parked already cannot be parked once more; such a record waits as if there
 *               were no room.
 * Not chosen    parking whole partitions behind a key (that is "block"); a table of keys in the database:
 *               it says nothing that the rows do not say.
 */
#include "flow/park.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"

void weir_park_init(struct weir_park *park, const struct weir_conf_worker *worker)
{
        *park = (struct weir_park){ .wanted = worker->retry_order == WEIR_RETRY_PARK,
                                    .max_keys = worker->retry_park_max_keys,
                                    .max_events = worker->retry_park_max_events,
                                    .max_offset = -1 };
}

void weir_park_fini(struct weir_park *park)
{
        free(park->entries);
        free(park->keys);
        park->entries = NULL;
        park->keys = NULL;
        park->count = park->room = park->key_count = park->key_room = 0;
}

/* ---- keys ---------------------------------------------------------------------------------- */

static size_t key_place(const struct weir_park *park, uint64_t hash)
{
        size_t low = 0, high = park->key_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (park->keys[middle].hash < hash)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct weir_park_key *key_find(struct weir_park *park, uint64_t hash)
{
        size_t place = key_place(park, hash);

        return hash && place < park->key_count && park->keys[place].hash == hash
                       ? &park->keys[place]
                       : NULL;
}

/* NULL = no memory. Not for hash 0. */
static struct weir_park_key *key_make(struct weir_park *park, uint64_t hash)
{
        struct weir_park_key *key = key_find(park, hash);
        size_t place = key_place(park, hash);

        if (key)
                return key;
        if (park->key_count == park->key_room) {
                size_t room = park->key_room ? 2 * park->key_room : 64;

                key = reallocarray(park->keys, room, sizeof *key);
                if (!key)
                        return NULL;
                park->keys = key;
                park->key_room = room;
        }
        key = &park->keys[place];
        memmove(key + 1, key, (park->key_count - place) * sizeof *key);
        park->key_count++;
        *key = (struct weir_park_key){ .hash = hash };
        return key;
}

static void forget_pending(struct weir_park *park)
{
        size_t kept = 0;

        for (size_t i = 0; i < park->key_count; i++) {
                park->keys[i].pending = 0;
                if (park->keys[i].rows)
                        park->keys[kept++] = park->keys[i];
        }
        park->key_count = kept;
        park->pending = park->reserved = 0;
}

/* ---- entries ------------------------------------------------------------------------------- */

static int make_room(struct weir_park *park, size_t need)
{
        size_t room = park->room ? park->room : 64;
        struct weir_park_entry *entries;

        if (need <= park->room)
                return 0;
        while (room < need)
                room *= 2;
        entries = reallocarray(park->entries, room, sizeof *entries);
        if (!entries)
                return WEIR_ENOMEM;
        park->entries = entries;
        park->room = room;
        return 0;
}

/* Room was made, and the key. */
static void append(struct weir_park *park, struct weir_park_entry entry)
{
        struct weir_park_key *key = key_find(park, entry.key_hash);

        entry.head = !key || key->rows == 0;
        if (key)
                key->rows++;
        park->entries[park->count++] = entry;
        if (entry.offset > park->max_offset)
                park->max_offset = entry.offset;
}

int weir_park_load(struct weir_park *park, struct weir_pg *pg, int32_t position,
                   struct weir_error *reterr)
{
        struct weir_parked *rows;
        int64_t now_us = weir_clock_us();
        size_t count;
        int r = weir_parked_load(pg, position, &rows, &count, reterr);

        if (r < 0)
                return r;
        park->count = park->key_count = 0;
        park->pending = park->reserved = 0;
        park->max_offset = -1;
        r = make_room(park, count);
        for (size_t i = 0; i < count && r == 0; i++)
                if (rows[i].key_hash && !key_make(park, rows[i].key_hash))
                        r = WEIR_ENOMEM;
        for (size_t i = 0; i < count && r == 0; i++)
                append(park, (struct weir_park_entry){ .id = rows[i].id,
                                                       .offset = rows[i].offset,
                                                       .item = rows[i].item,
                                                       .attempts = rows[i].attempts,
                                                       .key_hash = rows[i].key_hash,
                                                       .due_us = now_us + rows[i].wait_ms * 1000 });
        free(rows);
        if (r < 0)
                park->count = park->key_count = 0;
        return r == 0 ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "%zu parked events", count);
}

/* ---- a batch ------------------------------------------------------------------------------- */

static bool offset_parked(const struct weir_park *park, int64_t offset, int32_t item)
{
        if (offset > park->max_offset) /* as always, unless somebody went back */
                return false;
        for (size_t i = 0; i < park->count; i++)
                if (park->entries[i].offset == offset && park->entries[i].item == item)
                        return true;
        return false;
}

static bool has_room(const struct weir_park *park, const struct weir_batch *batch, uint32_t index)
{
        return park->count + park->pending + park->reserved < park->max_events &&
               !offset_parked(park, batch->items[index].event.offset,
                              weir_batch_item_index(batch, index));
}

static bool read_hash(struct weir_batch_record *entry)
{
        return entry->key_hash || weir_parked_key_hash(entry->record.key, &entry->key_hash);
}

static int count_pending(struct weir_park *park, uint64_t hash)
{
        struct weir_park_key *key = hash ? key_make(park, hash) : NULL;

        if (hash && !key)
                return WEIR_ENOMEM;
        if (key)
                key->pending++;
        park->pending++;
        return 0;
}

/* 0; 1 = an event of it needs room that there is not; < 0. */
static int mark_record(struct weir_park *park, struct weir_batch *batch,
                       struct weir_batch_record *entry)
{
        if (!read_hash(entry))
                return WEIR_ENOMEM;
        for (uint32_t i = entry->first_item; i < entry->first_item + entry->item_count; i++) {
                struct weir_item *item = &batch->items[i];

                if (item->dead || item->left_out)
                        continue;
                if (item->parked != WEIR_PARKED_FAILED) {
                        item->parked = WEIR_PARKED_NOT;
                        if (!key_find(park, entry->key_hash))
                                continue;
                        if (!has_room(park, batch, i))
                                return 1;
                        item->parked = WEIR_PARKED_BEHIND; /* V3 */
                } else {
                        park->reserved--;
                }
                if (count_pending(park, entry->key_hash) < 0)
                        return WEIR_ENOMEM;
        }
        return 0;
}

/* V4: those that failed have their places already; what stands before them may not take them. */
static uint32_t failed_from(const struct weir_batch *batch, size_t first)
{
        uint32_t failed = 0;

        for (size_t i = first; i < batch->record_count; i++)
                for (uint32_t k = 0; k < batch->records[i].item_count; k++)
                        failed += batch->items[batch->records[i].first_item + k].parked ==
                                          WEIR_PARKED_FAILED &&
                                  !batch->items[batch->records[i].first_item + k].dead;
        return failed;
}

int weir_park_mark(struct weir_park *park, struct weir_batch *batch, size_t first,
                   size_t *ret_stuck, struct weir_error *reterr)
{
        *ret_stuck = SIZE_MAX;
        if (!park->count && !park->marked)
                return 0;
        forget_pending(park);
        park->reserved = failed_from(batch, first);
        park->marked = true; /* until a whole pass has shown that there are none */
        for (size_t i = first; i < batch->record_count; i++) {
                int r = mark_record(park, batch, &batch->records[i]);

                if (r < 0)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "parked keys");
                if (r > 0) {
                        *ret_stuck = i;
                        return 0;
                }
        }
        park->marked = park->pending > 0;
        return 0;
}

/* Events of its record behind @index that would go there with it: they have its key (V3). */
static size_t followers(const struct weir_batch *batch, uint32_t index)
{
        const struct weir_batch_record *entry = &batch->records[batch->items[index].record];
        size_t count = 0;

        for (uint32_t i = index + 1; i < entry->first_item + entry->item_count; i++)
                count += !batch->items[i].dead && !batch->items[i].parked &&
                         !batch->items[i].left_out;
        return entry->key_hash ? count : 0;
}

int weir_park_fail(struct weir_park *park, struct weir_batch *batch, uint32_t index,
                   int64_t wait_ms, struct weir_error *reterr)
{
        struct weir_item *item = &batch->items[index];
        struct weir_batch_record *entry = &batch->records[item->record];

        if (!park->wanted || !has_room(park, batch, index))
                return 0;
        if (!read_hash(entry))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parked keys");
        if (park->count + park->pending + park->reserved + followers(batch, index) >=
            park->max_events)
                return 0; /* V6 */
        if (entry->key_hash && !key_find(park, entry->key_hash) &&
            park->key_count >= park->max_keys)
                return 0;
        if (count_pending(park, entry->key_hash) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parked keys");
        park->marked = true;
        item->parked = WEIR_PARKED_FAILED;
        item->try_at_us = weir_clock_us() + wait_ms * 1000;
        return 1;
}

static int keep_item(struct weir_pg *pg, struct weir_batch *batch, uint32_t index, int32_t position,
                     struct weir_error *reterr)
{
        struct weir_item *item = &batch->items[index];
        const struct weir_record *record = &batch->records[item->record].record;
        bool failed = item->parked == WEIR_PARKED_FAILED;
        int64_t left_us = failed ? item->try_at_us - weir_clock_us() : 0;
        const struct weir_kept_record kept = { record->time_ms, record->key, record->value,
                                               record->headers, record->header_count };
        const struct weir_parked_new parked = {
                .position = position,
                .topic = record->topic,
                .partition = record->partition,
                .offset = record->offset,
                .item = weir_batch_item_index(batch, index),
                .record = &kept,
                .source = item->event.source,
                .event_id = item->event.id,
                .attempts = item->attempts,
                .first_failed_us = item->first_failed_us,
                .reason = failed ? item->reason : "behind",
                .text = failed && item->text ? item->text
                                             : "another event of its key waits before it",
                .wait_ms = left_us > 0 ? left_us / 1000 : 0,
        };

        return weir_parked_insert(pg, &parked, &item->parked_id, reterr);
}

int weir_park_keep(struct weir_park *park, struct weir_pg *pg, struct weir_batch *batch,
                   size_t first, size_t count, int32_t position, struct weir_error *reterr)
{
        uint32_t begin = batch->records[first].first_item;
        uint32_t end = batch->records[first + count - 1].first_item +
                       batch->records[first + count - 1].item_count;

        /* Room for what will be known after COMMIT: then there is no way to fail (V5). */
        if (make_room(park, park->count + (end - begin)) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parked events");
        for (uint32_t i = begin; i < end; i++)
                if (batch->items[i].parked && !batch->items[i].dead) {
                        int r = keep_item(pg, batch, i, position, reterr);

                        if (r < 0)
                                return r;
                }
        WEIR_FAILPOINT("park.kept");
        return 0;
}

void weir_park_kept(struct weir_park *park, const struct weir_batch *batch, size_t first,
                    size_t count)
{
        int64_t now_us = weir_clock_us();

        for (size_t i = first; i < first + count; i++) {
                const struct weir_batch_record *entry = &batch->records[i];

                for (uint32_t k = 0; k < entry->item_count; k++) {
                        const struct weir_item *item = &batch->items[entry->first_item + k];
                        struct weir_park_key *key;

                        if (!item->parked || item->dead)
                                continue;
                        append(park, (struct weir_park_entry){
                                             .id = item->parked_id,
                                             .offset = item->event.offset,
                                             .item = (int32_t)k,
                                             .attempts = item->attempts,
                                             .key_hash = entry->key_hash,
                                             .due_us = item->parked == WEIR_PARKED_FAILED
                                                               ? item->try_at_us
                                                               : now_us });
                        park->pending--;
                        key = key_find(park, entry->key_hash);
                        if (key)
                                key->pending--;
                }
        }
}

/* ---- what waits ---------------------------------------------------------------------------- */

struct weir_park_entry *weir_park_due(struct weir_park *park, int64_t now_us)
{
        for (size_t i = 0; i < park->count; i++)
                if (park->entries[i].head && park->entries[i].due_us <= now_us)
                        return &park->entries[i];
        return NULL;
}

void weir_park_remove(struct weir_park *park, struct weir_park_entry *entry)
{
        struct weir_park_key *key = key_find(park, entry->key_hash);
        uint64_t hash = entry->key_hash;
        size_t at = (size_t)(entry - park->entries);

        memmove(entry, entry + 1, (park->count - at - 1) * sizeof *entry);
        park->count--;
        if (park->count == 0)
                park->max_offset = -1;
        if (!key)
                return;
        if (--key->rows == 0 && key->pending == 0) {
                memmove(key, key + 1,
                        (size_t)(park->keys + park->key_count - key - 1) * sizeof *key);
                park->key_count--;
        }
        for (size_t i = at; i < park->count; i++)
                if (park->entries[i].key_hash == hash) {
                        park->entries[i].head = true; /* the next in line */
                        break;
                }
}
