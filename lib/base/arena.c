/* SPDX-License-Identifier: MIT */
/*
 * arena - a chain of blocks, walked once per batch
 *
 * Not chosen    one growing buffer: growth moves it, and every view into it with it.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct weir_arena_block {
        struct weir_arena_block *next;
        size_t size, used;
        _Alignas(16) unsigned char bytes[];
};

void weir_arena_init(struct weir_arena *arena, size_t block_bytes)
{
        *arena = (struct weir_arena){ .block_bytes = block_bytes };
}

static void free_chain(struct weir_arena_block *block)
{
        while (block) {
                struct weir_arena_block *next = block->next;

                free(block);
                block = next;
        }
}

void weir_arena_fini(struct weir_arena *arena)
{
        free_chain(arena->first);
        arena->first = arena->current = NULL;
        arena->held_bytes = 0;
}

void weir_arena_reset(struct weir_arena *arena)
{
        struct weir_arena_block **link = &arena->first;

        while (*link) {
                struct weir_arena_block *block = *link;

                block->used = 0;
                if (block->size > arena->block_bytes) {
                        *link = block->next;
                        arena->held_bytes -= block->size;
                        free(block);
                } else {
                        link = &block->next;
                }
        }
        arena->current = arena->first;
}

static struct weir_arena_block *add_block(struct weir_arena *arena, size_t size)
{
        size_t bytes = size > arena->block_bytes ? size : arena->block_bytes;
        struct weir_arena_block *block;

        if (bytes > SIZE_MAX - sizeof *block)
                return NULL;
        block = malloc(sizeof *block + bytes);
        if (!block)
                return NULL;
        block->size = bytes;
        block->used = 0;
        if (arena->current) {
                block->next = arena->current->next;
                arena->current->next = block;
        } else {
                block->next = arena->first;
                arena->first = block;
        }
        arena->current = block;
        arena->held_bytes += bytes;
        return block;
}

void *weir_arena_alloc(struct weir_arena *arena, size_t size)
{
        struct weir_arena_block *block = arena->current;
        void *result;

        if (size > SIZE_MAX - 15)
                return NULL;
        size = (size + 15) & ~(size_t)15;
        while (block && block->size - block->used < size && block->next) {
                block = block->next;
                arena->current = block;
        }
        if (!block || block->size - block->used < size) {
                block = add_block(arena, size);
                if (!block)
                        return NULL;
        }
        result = block->bytes + block->used;
        block->used += size;
        return result;
}

char *weir_arena_copy(struct weir_arena *arena, const void *bytes, size_t size)
{
        char *copy = size < SIZE_MAX ? weir_arena_alloc(arena, size + 1) : NULL;

        if (!copy)
                return NULL;
        if (size)
                memcpy(copy, bytes, size);
        copy[size] = '\0';
        return copy;
}
