/* SPDX-License-Identifier: MIT */
/*
 * memory - what a process has is known, so that a killed one leaves nothing and a clean one must leave nothing
 *
 * malloc() and its kin are replaced at link time (--wrap) for all code of ours: each block carries a head that names
 * its process. A process that is killed never comes to free anything; its blocks go with the seed. One
 * that ends by itself must have none: a leak is a finding like any other.
 * Blocks of the models (sim_alloc) belong to nobody and go with the seed.
 */
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "sim.h"

struct block {
        struct block *next, *before;
        size_t size;
        int process;
        uint32_t magic;
};
enum { MAGIC = 0x51b10c4, NOBODY = SIM_MEMORY_OWNERS, CHUNK_BYTES = 256 * 1024 };

struct chunk {
        struct chunk *next;
        size_t used;
        char bytes[];
};

static struct block owned[SIM_MEMORY_OWNERS + 1]; /* heads of lists */
static struct chunk *chunks, *spare;

void *__real_malloc(size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
void __wrap_free(void *p);

static void link_in(struct block *block, int process)
{
        struct block *head = &owned[process];

        if (!head->next)
                head->next = head->before = head;
        block->process = process;
        block->magic = MAGIC;
        block->next = head->next;
        block->before = head;
        head->next->before = block;
        head->next = block;
}

void *__wrap_malloc(size_t size)
{
        struct block *block = __real_malloc(sizeof *block + size);
        struct sim_process *process = sim_here();

        if (!block)
                return NULL;
        block->size = size;
        link_in(block, process ? process->number : NOBODY);
        return block + 1;
}

void *__wrap_calloc(size_t count, size_t size)
{
        size_t bytes;
        void *p;

        if (__builtin_mul_overflow(count, size, &bytes))
                return NULL;
        p = __wrap_malloc(bytes);
        return p ? memset(p, 0, bytes) : NULL;
}

void __wrap_free(void *p)
{
        struct block *block = (struct block *)p - 1;

        if (!p)
                return;
        if (block->magic != MAGIC)
                abort(); /* not ours, or freed twice */
        block->magic = 0;
        block->next->before = block->before;
        block->before->next = block->next;
        __real_free(block);
}

void *__wrap_realloc(void *p, size_t size)
{
        struct block *before = p ? (struct block *)p - 1 : NULL;
        void *made = __wrap_malloc(size);

        if (made && before)
                memcpy(made, p, before->size < size ? before->size : size);
        if (made)
                __wrap_free(p);
        return made;
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
        size_t bytes;

        return __builtin_mul_overflow(count, size, &bytes) ? NULL : __wrap_realloc(p, bytes);
}

static void drop(int process)
{
        struct block *head = &owned[process];

        while (head->next && head->next != head)
                __wrap_free(head->next + 1);
}

size_t sim_memory_count(int process)
{
        struct block *head = &owned[process];
        size_t count = 0;

        for (struct block *b = head->next; b && b != head; b = b->next)
                count++;
        return count;
}

void sim_memory_reset(void)
{
        for (int i = 0; i < SIM_MEMORY_OWNERS; i++)
                drop(i);
        while (chunks) {
                struct chunk *next = chunks->next;

                if (spare) {
                        __real_free(chunks);
                } else {
                        spare = chunks;
                }
                chunks = next;
        }
}

/* ---- the models' own ------------------------------------------------------------------------ */

void *sim_alloc(size_t bytes)
{
        struct chunk *chunk = chunks;
        void *p;

        bytes = (bytes + 15) & ~(size_t)15;
        if (!chunk || chunk->used + bytes > CHUNK_BYTES) {
                size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

                chunk = spare && room == CHUNK_BYTES ? spare
                                                     : __real_malloc(sizeof *chunk + room + 16);
                if (!chunk)
                        abort();
                if (chunk == spare)
                        spare = NULL;
                chunk->used = 0;
                chunk->next = chunks;
                chunks = chunk;
        }
        p = chunk->bytes + chunk->used;
        chunk->used += bytes;
        return memset(p, 0, bytes);
}

char *sim_copy(const char *bytes, size_t size)
{
        char *copy;

        if (!bytes)
                return NULL;
        copy = sim_alloc(size + 1);
        memcpy(copy, bytes, size);
        return copy;
}
