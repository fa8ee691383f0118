/* SPDX-License-Identifier: MIT */
/*
 * turns - who may fetch, where not all can hold a record at once
 *
 * Rounds: some run, all of them are put out together, then the next are let in. In an eager group the call that lets one
 * in starts all others anew, and what they had fetched is there twice until their lanes look. Between two rounds there
 * is nobody to be started anew, and what was fetched is freed.
 *
 * Always true   TU1 what runs together is within the room, or is one.
 *               TU2 nobody is overtaken: who does not fit ends the line, and is the first of the next round. So whoever wants
 *                   runs after as many rounds as there are partitions, at most.
 *               TU3 while nobody waits, or those who run are not done, nothing changes: no assign for nothing.
 *               TU4 what weighs more than was thought is put out at the next look, done or not.
 * Not chosen    a place given on as soon as one is done: it is what an incremental assign could do, and only that.
 *               The weight of the last record: one small one between two large would let everybody in.
 * Threads       any.
 */
#include "kafka/turns.h"

#define WHILE_US                                                                                   \
        60000000 /* a topic that had a large record is reckoned large for so long, or twice that */

static bool put_out(struct weir_turn *const *turns, size_t count)
{
        for (size_t i = 0; i < count; i++)
                turns[i]->runs = turns[i]->over = false;
        return true;
}

static struct weir_turn *next(struct weir_turn *const *turns, size_t count)
{
        struct weir_turn *found = NULL;

        for (size_t i = 0; i < count; i++)
                if (turns[i]->wants && !turns[i]->runs &&
                    (!found || turns[i]->since_us < found->since_us))
                        found = turns[i];
        return found;
}

static bool let_in(struct weir_turn *const *turns, size_t count, uint64_t room_bytes)
{
        struct weir_turn *turn;
        uint64_t used = 0;
        size_t in = 0;

        while ((turn = next(turns, count))) {
                if (in && (used > room_bytes || turn->bytes > room_bytes - used))
                        break;
                turn->runs = true;
                used += turn->bytes;
                in++;
        }
        return in > 0;
}

bool weir_turns_choose(struct weir_turn *const *turns, size_t count, uint64_t room_bytes)
{
        uint64_t used = 0;
        size_t running = 0, over = 0, waiting = 0;

        for (size_t i = 0; i < count; i++) {
                running += turns[i]->runs;
                over += turns[i]->runs && turns[i]->over;
                waiting += turns[i]->wants && !turns[i]->runs;
                used += turns[i]->runs ? turns[i]->bytes : 0;
        }
        if (!running)
                return let_in(turns, count, room_bytes);
        if (running > 1 && used > room_bytes) /* TU4 */
                return put_out(turns, count);
        return waiting && over == running && put_out(turns, count);
}

uint64_t weir_weight_reckon(struct weir_weight *weight, uint64_t *bytes, int64_t now_us)
{
        uint64_t before = weight->before;

        if (!*bytes)
                return before; /* what was seen last is not forgotten while nothing comes */
        if (now_us - weight->since_us >= WHILE_US) {
                uint64_t now = *bytes;

                weight->before = now;
                weight->since_us = now_us;
                *bytes = 0;
                return now > before ? now : before;
        }
        return *bytes > before ? *bytes : before;
}
