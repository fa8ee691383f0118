/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_FUZZ_H
#define WEIR_TEST_FUZZ_H
/*
 * fuzz - what the targets share: a rule that must hold, and bytes cut into pieces
 *
 * A piece is a block of its own, exactly as large as its bytes and one NUL (weir is promised one behind attributes and
 * header values), so that reading a byte too far is found. Pieces are lines: a corpus that people can read is one that
 * they can add to.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/event.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): it must be there in every build, and say what it was about. */
#define MUST(rule)                                                                                 \
        do {                                                                                       \
                if (!(rule)) {                                                                     \
                        fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #rule);         \
                        abort();                                                                   \
                }                                                                                  \
        } while (0)

#define FUZZ_PIECES 64

struct fuzz {
        const char *next, *end;
        char *pieces[FUZZ_PIECES];
        size_t count;
};

static inline void fuzz_begin(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
        fuzz->next = (const char *)data;
        fuzz->end = fuzz->next + size;
        fuzz->count = 0;
}

static inline void fuzz_end(struct fuzz *fuzz)
{
        while (fuzz->count)
                free(fuzz->pieces[--fuzz->count]);
}

static inline struct weir_view fuzz_keep(struct fuzz *fuzz, const char *bytes, size_t size)
{
        char *copy = malloc(size + 1);

        MUST(copy && fuzz->count < FUZZ_PIECES);
        if (size)
                memcpy(copy, bytes, size);
        copy[size] = '\0';
        fuzz->pieces[fuzz->count++] = copy;
        return (struct weir_view){ copy, size };
}

/* All that is left. */
static inline struct weir_view fuzz_rest(struct fuzz *fuzz)
{
        const char *first = fuzz->next;

        fuzz->next = fuzz->end;
        return fuzz_keep(fuzz, first, (size_t)(fuzz->end - first));
}

/* The next line, without its newline; empty at the end. A C string of it may end earlier, at a NUL. */
static inline struct weir_view fuzz_line(struct fuzz *fuzz)
{
        const char *first = fuzz->next;
        const char *stop = first == fuzz->end ? NULL
                                              : memchr(first, '\n', (size_t)(fuzz->end - first));

        fuzz->next = stop ? stop + 1 : fuzz->end;
        return fuzz_keep(fuzz, first, (size_t)((stop ? stop : fuzz->end) - first));
}

static inline bool fuzz_same(struct weir_view a, struct weir_view b)
{
        return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

#endif
