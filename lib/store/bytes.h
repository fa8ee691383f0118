/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_BYTES_H
#define WEIR_STORE_BYTES_H
/*
 * bytes - a growing buffer in PostgreSQL's byte order
 *
 * Running out of memory is remembered, not returned: a row is made of a dozen small puts, and one
 * check at its end cannot be forgotten in the middle. After a failed put nothing is written until
 * weir_bytes_cut() takes the buffer back to a state that was whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct weir_bytes {
        unsigned char *data;
        size_t used, size;
        bool failed;
};

static inline void weir_bytes_fini(struct weir_bytes *bytes)
{
        free(bytes->data);
        *bytes = (struct weir_bytes){ .data = NULL };
}

static inline void weir_bytes_cut(struct weir_bytes *bytes, size_t used)
{
        bytes->used = used;
        bytes->failed = false;
}

/* Empty the buffer; give back what is above @keep bytes. */
static inline void weir_bytes_reset(struct weir_bytes *bytes, size_t keep)
{
        weir_bytes_cut(bytes, 0);
        if (bytes->size > keep)
                weir_bytes_fini(bytes);
}

/* Room for @count more bytes; NULL = no memory. */
static inline unsigned char *weir_bytes_add(struct weir_bytes *bytes, size_t count)
{
        unsigned char *at;

        if (bytes->failed)
                return NULL;
        if (bytes->size - bytes->used < count) {
                size_t size = bytes->size ? bytes->size : 4096;
                unsigned char *data;

                while (size - bytes->used < count && size <= SIZE_MAX / 2)
                        size *= 2;
                data = size - bytes->used < count ? NULL : realloc(bytes->data, size);
                if (!data) {
                        bytes->failed = true;
                        return NULL;
                }
                bytes->data = data;
                bytes->size = size;
        }
        at = bytes->data + bytes->used;
        bytes->used += count;
        return at;
}

static inline void weir_bytes_put(struct weir_bytes *bytes, const void *from, size_t count)
{
        unsigned char *at = weir_bytes_add(bytes, count);

        if (at && count)
                memcpy(at, from, count);
}

static inline void weir_bytes_put16(struct weir_bytes *bytes, uint16_t number)
{
        number = __builtin_bswap16(number);
        weir_bytes_put(bytes, &number, sizeof number);
}

static inline void weir_bytes_put32(struct weir_bytes *bytes, uint32_t number)
{
        number = __builtin_bswap32(number);
        weir_bytes_put(bytes, &number, sizeof number);
}

static inline void weir_bytes_put64(struct weir_bytes *bytes, uint64_t number)
{
        number = __builtin_bswap64(number);
        weir_bytes_put(bytes, &number, sizeof number);
}

/* Head of a one-dimensional array; @count elements (length, bytes) follow. */
static inline void weir_bytes_put_array(struct weir_bytes *bytes, uint32_t element_oid,
                                        size_t count, bool has_null)
{
        weir_bytes_put32(bytes, count ? 1 : 0);
        weir_bytes_put32(bytes, has_null ? 1 : 0);
        weir_bytes_put32(bytes, element_oid);
        if (count) {
                weir_bytes_put32(bytes, (uint32_t)count);
                weir_bytes_put32(bytes, 1);
        }
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "bytes.h swaps: little-endian hosts only");

#endif
