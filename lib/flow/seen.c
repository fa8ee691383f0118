/* SPDX-License-Identifier: MIT */
/*
 * seen - eight bytes a key, half of the slots free
 *
 * A key is 16 bytes of SHA-256; eight of them tell four million keys apart. Who makes two events whose eight bytes are
 * equal (2^32 hashes) makes a count wrong by one, and no decision: nothing that is run, or left out, is asked here.
 *
 * Bounded       when it is full it stops learning, and goes on recognising what it knows: a count of repetitions is
 *               then one of at least so many.
 * Not chosen    a Bloom filter: smaller, but its errors go the other way, and an event would be counted as a repetition
 *               that is none. Sorting on disk: exact, and a preview that fills a disk.
 */
#include "flow/seen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SLOTS_FIRST = 4096 };

void weir_seen_fini(struct weir_seen *seen)
{
        free(seen->slots);
        *seen = (struct weir_seen){ .slots = NULL };
}

/* Where @word stands, or would. */
static size_t find(const uint64_t *slots, size_t count, uint64_t seed, uint64_t word)
{
        size_t mask = count - 1;
        uint64_t mixed = (word ^ seed) * 0x9e3779b97f4a7c15u;
        size_t slot = (mixed ^ (mixed >> 32)) & mask;

        while (slots[slot] && slots[slot] != word)
                slot = (slot + 1) & mask;
        return slot;
}

static int make_room(struct weir_seen *seen, struct weir_error *reterr)
{
        size_t count = seen->slot_count ? 2 * seen->slot_count : SLOTS_FIRST;
        uint64_t *slots = calloc(count, sizeof *slots);

        if (!slots)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu keys", seen->count);
        if (!seen->slot_count && getrandom(&seen->seed, sizeof seen->seed, 0) < 0)
                seen->seed = (uintptr_t)slots;
        for (size_t i = 0; i < seen->slot_count; i++)
                if (seen->slots[i])
                        slots[find(slots, count, seen->seed, seen->slots[i])] = seen->slots[i];
        free(seen->slots);
        seen->slots = slots;
        seen->slot_count = count;
        return 0;
}

int weir_seen_add(struct weir_seen *seen, const struct weir_key *key, struct weir_error *reterr)
{
        uint64_t word;
        size_t slot;
        int r;

        if (2 * seen->count >= seen->slot_count && seen->count < WEIR_SEEN_KEYS_MAX) {
                r = make_room(seen, reterr);
                if (r < 0)
                        return r;
        }
        memcpy(&word, key->bytes, sizeof word);
        word += word == 0; /* 0 is a free slot */
        slot = find(seen->slots, seen->slot_count, seen->seed, word);
        if (seen->slots[slot])
                return 1;
        if (seen->count == WEIR_SEEN_KEYS_MAX) {
                seen->full = true;
                return 0;
        }
        seen->slots[slot] = word;
        seen->count++;
        return 0;
}
