/* SPDX-License-Identifier: MIT */
/*
 * retry - attempts are counted where a crash cannot reset them, and cost nothing where there are none
 *
 * Always true   J1 J2 of store/attempt.h.
 *               J3  the rows in memory are those of the table, as long as this lane holds the position:
 *                   nobody else may write them (epoch), and this lane changes both together.
 * Not chosen    asking the table for each batch: a query for nothing in a million batches.
 */
#include "flow/retry.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"

#define ARENA_BLOCK_BYTES (16 * 1024)

void weir_retry_fini(struct weir_retry *retry)
{
        free(retry->rows);
        if (retry->arena_ready)
                weir_arena_fini(&retry->arena);
        *retry = (struct weir_retry){ .rows = NULL };
}

int weir_retry_load(struct weir_retry *retry, struct weir_pg *pg,
                    const struct weir_position *position, struct weir_error *reterr)
{
        struct weir_attempt *rows;
        size_t count;
        int r;

        if (!retry->arena_ready)
                weir_arena_init(&retry->arena, ARENA_BLOCK_BYTES);
        retry->arena_ready = true;
        retry->count = 0; /* their words go with the arena */
        weir_arena_reset(&retry->arena);
        r = weir_attempt_load(pg, position, &retry->arena, &rows, &count, reterr);
        if (r < 0)
                return r;
        free(retry->rows);
        retry->rows = rows;
        retry->count = retry->room = count;
        retry->loaded_us = weir_clock_us();
        return 0;
}

/* The record of @offset among the batch's, which are sorted; NULL = not there. */
static const struct weir_batch_record *record_at(const struct weir_batch *batch, int64_t offset)
{
        size_t low = 0, high = batch->record_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (batch->records[middle].record.offset < offset)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < batch->record_count && batch->records[low].record.offset == offset
                       ? &batch->records[low]
                       : NULL;
}

/* Deaths of the record as a whole hold for each of its events. */
static void meet_deaths(const struct weir_attempt *row, const struct weir_batch_record *entry,
                        struct weir_batch *batch)
{
        for (uint32_t i = 0; row->deaths && i < entry->item_count; i++) {
                struct weir_item *item = &batch->items[entry->first_item + i];

                if (row->item >= 0 && (uint32_t)row->item != i)
                        continue;
                item->deaths += row->deaths;
                item->death = row->death;
        }
}

void weir_retry_meet(const struct weir_retry *retry, struct weir_batch *batch)
{
        for (size_t i = 0; i < retry->count; i++) {
                const struct weir_attempt *row = &retry->rows[i];
                const struct weir_batch_record *entry = record_at(batch, row->offset);
                struct weir_item *item;

                if (!entry)
                        continue;
                meet_deaths(row, entry, batch);
                if (row->item < 0 || (uint32_t)row->item >= entry->item_count || !row->attempts)
                        continue;
                item = &batch->items[entry->first_item + (uint32_t)row->item];
                item->attempts = row->attempts;
                item->event.attempt = row->attempts + 1;
                item->first_failed_us = row->first_failed_us;
                item->try_at_us = row->wait_ms ? retry->loaded_us + row->wait_ms * 1000 : 0;
        }
}

static struct weir_attempt *find(struct weir_retry *retry, int64_t offset, int32_t item)
{
        for (size_t i = 0; i < retry->count; i++)
                if (retry->rows[i].offset == offset && retry->rows[i].item == item)
                        return &retry->rows[i];
        return NULL;
}

/* Room before the row is written: afterwards it could not be forgotten (J3). */
static int make_room(struct weir_retry *retry)
{
        size_t room = retry->room ? 2 * retry->room : 16;
        struct weir_attempt *rows;

        if (retry->count < retry->room)
                return 0;
        rows = reallocarray(retry->rows, room, sizeof *rows);
        if (!rows)
                return WEIR_ENOMEM;
        retry->rows = rows;
        retry->room = room;
        return 0;
}

int weir_retry_note(struct weir_retry *retry, struct weir_pg *pg,
                    const struct weir_position *position, struct weir_batch *batch, uint32_t index,
                    int64_t wait_ms, struct weir_error *reterr)
{
        struct weir_item *item = &batch->items[index];
        struct weir_attempt row = { .offset = item->event.offset,
                                    .item = weir_batch_item_index(batch, index),
                                    .attempts = item->attempts,
                                    .wait_ms = wait_ms };
        struct weir_attempt *known;
        int r;

        if (make_room(retry) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "attempts of offset %lld",
                                 (long long)row.offset);
        WEIR_FAILPOINT("attempt.failed");
        r = weir_attempt_save(pg, position, &row, item->reason, item->text ? item->text : "",
                              reterr);
        if (r != WEIR_KEPT_DONE)
                return r;
        WEIR_FAILPOINT("attempt.saved");
        item->first_failed_us = row.first_failed_us;
        item->try_at_us = weir_clock_us() + wait_ms * 1000;
        row.wait_ms = (item->try_at_us - retry->loaded_us) /
                      1000; /* as if it had been loaded then */
        known = find(retry, row.offset, row.item);
        if (!known)
                known = &retry->rows[retry->count++];
        row.deaths = item->deaths; /* the statement left them as they are */
        row.death = item->death;
        *known = row;
        return WEIR_KEPT_DONE;
}

int weir_retry_pass(const struct weir_retry *retry, struct weir_pg *pg, int32_t position,
                    int64_t next_offset, struct weir_error *reterr)
{
        for (size_t i = 0; i < retry->count; i++)
                if (retry->rows[i].offset < next_offset)
                        return weir_attempt_pass(pg, position, next_offset, reterr);
        return 0;
}

void weir_retry_passed(struct weir_retry *retry, int64_t next_offset)
{
        size_t kept = 0;

        for (size_t i = 0; i < retry->count; i++)
                if (retry->rows[i].offset >= next_offset)
                        retry->rows[kept++] = retry->rows[i];
        retry->count = kept;
}
