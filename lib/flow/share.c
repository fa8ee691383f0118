/* SPDX-License-Identifier: MIT */
/*
 * share - a bad deploy looks like a million bad events
 *
 * Always true   E1  among the last `window` records that were decided, never more than max_share percent
 *                   were condemned: the next one is not condemned but halts the partition.
 *               E2  the window is full from the start, of records that were good: the first bad ones are
 *                   no mass yet.
 *               E3  a restart, a move and a lost epoch change nothing of it: what the trail tells is what was
 *                   known. Which records of a transaction were the bad ones it does not tell: the newest, so that
 *                   they leave last. It may halt a few events earlier for that, never one later.
 * A record of several events counts once. What waits (parked, retried) is not decided and does not count. In the
 * trail a parked record is passed as a good one; when it is condemned later, an older good one pays for it (E3).
 * Not chosen    a rate by time: a slow topic with one bad event an hour would halt, a fast one would
 *               condemn a million first.
 */
#include "flow/share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t words(const struct weir_share *share)
{
        return (share->window + 63) / 64;
}

int weir_share_init(struct weir_share *share, const struct weir_conf_worker *worker,
                    struct weir_error *reterr)
{
        *share = (struct weir_share){ .window = worker->dead_window ? worker->dead_window : 1 };
        share->none = worker->on_dead == WEIR_DEAD_HALT;
        share->max_ones = (uint32_t)((uint64_t)share->window * worker->dead_max_percent / 100);
        share->bits = calloc(words(share), sizeof *share->bits);
        return share->bits
                       ? 0
                       : weir_fail(reterr, WEIR_ENOMEM, 0, "window of %u records", share->window);
}

void weir_share_fini(struct weir_share *share)
{
        free(share->bits);
        share->bits = NULL;
}

void weir_share_fill(struct weir_share *share, const struct weir_decided *decided, size_t count)
{
        int64_t age = 0; /* of the next bad one: 0 = the last record */

        memset(share->bits, 0, words(share) * sizeof *share->bits);
        share->ones = share->at = 0;
        for (size_t i = 0; i < count; i++) {
                uint32_t dead = decided[i].dead;

                /* Events are counted there, records here. */
                if (decided[i].records && dead > decided[i].records)
                        dead = decided[i].records;
                if (age < decided[i].newer)
                        age = decided[i].newer;
                for (; dead && age < share->window; dead--, age++) {
                        uint32_t index = share->window - 1 - (uint32_t)age;

                        share->bits[index / 64] |= UINT64_C(1) << index % 64;
                        share->ones++;
                }
        }
}

bool weir_share_matters(const struct weir_share *share)
{
        return !share->none && share->max_ones < share->window;
}

static uint32_t bit(const struct weir_share *share, uint32_t index)
{
        return share->bits[index / 64] >> index % 64 & 1;
}

void weir_share_push(struct weir_share *share, bool dead)
{
        uint64_t mask = UINT64_C(1) << share->at % 64;

        share->ones += (uint32_t)dead - bit(share, share->at);
        if (dead)
                share->bits[share->at / 64] |= mask;
        else
                share->bits[share->at / 64] &= ~mask;
        share->at = share->at + 1 == share->window ? 0 : share->at + 1;
        assert(share->ones <= share->window);
}

/* With @ones in the window after the oldest bit has left it. */
static bool allows(const struct weir_share *share, uint32_t ones)
{
        if (share->none)
                return false;
        return share->max_ones >= share->window || ones + 1 <= share->max_ones; /* E1 */
}

bool weir_share_allows(const struct weir_share *share)
{
        return allows(share, share->ones - bit(share, share->at));
}

static size_t before_the_dead(const struct weir_batch *batch, size_t first, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (weir_batch_fate(batch, first + i) == WEIR_FATE_DEAD)
                        return i;
        return count;
}

size_t weir_share_room(const struct weir_share *share, const struct weir_batch *batch, size_t first,
                       size_t count)
{
        uint32_t ones = share->ones, at = share->at;

        if (share->none)
                return before_the_dead(batch, first, count);
        /* Bits that leave are all from before this call as long as no more come than the window holds. */
        if (count > share->window)
                count = share->window;
        for (size_t i = 0; i < count; i++) {
                enum weir_fate fate = weir_batch_fate(batch, first + i);
                bool dead = fate == WEIR_FATE_DEAD;

                if (fate == WEIR_FATE_PARKED)
                        continue;
                ones -= bit(share, at);
                if (dead && !allows(share, ones))
                        return i;
                ones += dead;
                at = at + 1 == share->window ? 0 : at + 1;
        }
        return count;
}
