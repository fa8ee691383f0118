/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H
/*
 * hash - SHA-256 over length-prefixed parts
 *
 * Each part is preceded by its length (8 bytes, big endian), so ("a","bc") and ("ab","c") differ.
 * Beside hmac the only file that knows OpenSSL. Any thread; a per-thread context is made on first use.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_hash_part {
        const void *bytes;
        size_t size;
};

/* 0, or WEIR_ENOMEM (< 0) when the library cannot make a context. */
int weir_hash_parts(const struct weir_hash_part *parts, size_t count, uint8_t ret_digest[32]);

/* By which some bytes are known. */
struct weir_hash_mark {
        uint64_t size;
        uint8_t digest[32];
};
/* 0, or -1 and ENOMEM. */
int weir_hash_mark(const void *bytes, size_t size, struct weir_hash_mark *ret);
bool weir_hash_mark_is(const struct weir_hash_mark *a, const struct weir_hash_mark *b);

#endif
