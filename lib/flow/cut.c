/* SPDX-License-Identifier: MIT */
/*
 * cut - from the front, up to what is at fault
 *
 * Always true   records are only ever taken from the front (I3).
 *               an event that was tried before is in a transaction alone with its record: what it does next is
 *               its own, and the good ones before it do not wait for its turn.
 *               one of which processes died is so even when nobody calls it any more: what is written of it
 *               must not be rolled back by the death of its neighbour.
 * Halving       of a batch in which nobody can be named takes log2 of its size in rolled back transactions to
 *               come to the culprit; doubling afterwards brings the rest back to full size as fast.
 */
#include "flow/cut.h"

#include "base/clock.h"

#define STUCK_LOOK_US 250000 /* is there room by now? */

/* The next record of which an event was tried before. */
static size_t next_tried(const struct weir_batch *batch, const struct weir_retry *retry,
                         size_t from)
{
        if (!retry->count || from >= batch->record_count)
                return SIZE_MAX;
        for (size_t i = batch->records[from].first_item; i < batch->item_count; i++) {
                const struct weir_item *item = &batch->items[i];

                if ((item->deaths || (item->attempts && !item->dead)) && !item->parked)
                        return item->record;
        }
        return SIZE_MAX;
}

void weir_cut_begin(struct weir_cut *cut, const struct weir_batch *batch,
                    const struct weir_retry *retry)
{
        *cut = (struct weir_cut){ .limit = SIZE_MAX, .stuck = SIZE_MAX };
        cut->suspect = next_tried(batch, retry, 0);
}

size_t weir_cut_count(const struct weir_cut *cut, const struct weir_batch *batch)
{
        size_t end = batch->record_count;

        if (cut->suspect == cut->done)
                return 1;
        if (cut->suspect < end)
                end = cut->suspect;
        if (cut->stuck < end)
                end = cut->stuck;
        return end - cut->done < cut->limit ? end - cut->done : cut->limit;
}

void weir_cut_move(struct weir_cut *cut, const struct weir_batch *batch,
                   const struct weir_retry *retry, size_t count)
{
        cut->done += count;
        if (cut->suspect < cut->done)
                cut->suspect = next_tried(batch, retry, cut->done);
        if (cut->limit < SIZE_MAX / 2)
                cut->limit *= 2;
}

void weir_cut_absolve(struct weir_cut *cut, const struct weir_batch *batch,
                      const struct weir_retry *retry)
{
        if (cut->suspect == cut->done)
                cut->suspect = next_tried(batch, retry, cut->done);
}

int64_t weir_cut_turn_us(const struct weir_cut *cut, const struct weir_batch *batch)
{
        const struct weir_batch_record *entry = &batch->records[cut->done];
        int64_t now_us = weir_clock_us(), turn = 0;

        if (cut->stuck == cut->done)
                return now_us + STUCK_LOOK_US;
        for (uint32_t i = entry->first_item; i < entry->first_item + entry->item_count; i++) {
                const struct weir_item *item = &batch->items[i];

                if (!item->dead && !item->parked && item->try_at_us > now_us &&
                    item->try_at_us > turn)
                        turn = item->try_at_us;
        }
        return turn;
}
