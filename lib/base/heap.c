/* SPDX-License-Identifier: MIT */
/*
 * heap - resident memory is what is used, not what was used once
 *
 * Left alone, glibc takes the first large block that is freed for a sign that there will be more, and keeps all up to
 * that size from then on: 190 MiB were still there after eight partitions of messages of 10 MB, all handled. With a
 * fixed threshold they go back to the kernel at once. And each thread gets a heap of its own: dozens of lanes take
 * turns, so one after the other leaves its gaps. A few heaps are enough for the few that run at the same time.
 *
 * Not chosen    another malloc: a dependency, for what four calls do.
 *               Trimming after each batch: it walks all heaps, milliseconds each time.
 */
#include "base/heap.h"

#include <malloc.h>
#include <stdint.h>

#include "base/clock.h"

#define LARGE_BYTES (1 << 20) /* such a block is the kernel's, and goes back to it */
#define HEAPS 4
#define TRIM_US 10000000LL

void weir_heap_shape(void)
{
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
        mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
        mallopt(M_ARENA_MAX, HEAPS);
}

void weir_heap_trim(void)
{
        static int64_t due_us; /* one thread's */
        int64_t now_us = weir_clock_us();

        if (now_us < due_us)
                return;
        malloc_trim(LARGE_BYTES);
        due_us = now_us + TRIM_US;
}
