/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H
/*
 * arena - memory that is given back all at once, and kept for the next batch
 *
 * Pointers stay valid until reset: blocks never move. After the first batches have shaped it, a
 * lane's arena makes no call to malloc. Not thread-safe: one owner.
 */
#include <stddef.h>

struct weir_arena_block;
struct weir_arena {
        struct weir_arena_block *first, *current;
        size_t block_bytes;
        size_t held_bytes; /* of all blocks, used or not */
};

void weir_arena_init(struct weir_arena *arena, size_t block_bytes);
void weir_arena_fini(struct weir_arena *arena);
void weir_arena_reset(struct weir_arena *arena); /* keeps the blocks; oversized ones are freed */
void *weir_arena_alloc(struct weir_arena *arena, size_t size); /* 16-aligned; NULL = no memory */
/* Copy with a NUL behind. NULL = no memory. */
char *weir_arena_copy(struct weir_arena *arena, const void *bytes, size_t size);

#endif
