/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_MUTATE_H
#define WEIR_TEST_MUTATE_H
/* mutate - a few small changes to some bytes, by a seed: the same ones everywhere (xorshift64*) */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct mutator {
        uint64_t state;
};

static inline size_t mutator_below(struct mutator *mutator, size_t limit)
{
        uint64_t x = mutator->state ? mutator->state : 0x9e3779b97f4a7c15u;

        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        mutator->state = x;
        return limit ? (size_t)((x * 0x2545f4914f6cdd1du) >> 33) % limit : 0;
}

/* A changed copy of @bytes, for free(): up to four bytes flipped, replaced, dropped, put in, or a stretch doubled. */
static inline char *mutator_make(struct mutator *mutator, const char *bytes, size_t size,
                                 size_t *ret_size)
{
        static const char telling[] = "\"\\{}[]:,-+.eEu0019d8D8 \t\n\r\x7f\x80\xc0\xed\xf4\xff/%=&";
        size_t room = 2 * size + 16, used = size;
        char *copy = malloc(room);

        if (!copy)
                abort();
        if (size)
                memcpy(copy, bytes, size);
        for (size_t changes = 1 + mutator_below(mutator, 4); changes; changes--) {
                size_t at = mutator_below(mutator, used), long_;
                char byte = telling[mutator_below(mutator, sizeof telling)]; /* its NUL too */

                switch (used ? mutator_below(mutator, 5) : 3) {
                case 0: copy[at] = (char)(copy[at] ^ 1 << mutator_below(mutator, 8)); break;
                case 1: copy[at] = byte; break;
                case 2: memmove(copy + at, copy + at + 1, --used - at); break;
                case 3:
                        if (used == room)
                                break;
                        memmove(copy + at + 1, copy + at, used++ - at);
                        copy[at] = byte;
                        break;
                default:
                        long_ = 1 + mutator_below(mutator, used - at);
                        if (used + long_ > room)
                                break;
                        memmove(copy + at + long_, copy + at, used - at);
                        used += long_;
                        break;
                }
        }
        *ret_size = used;
        return copy;
}

#endif
