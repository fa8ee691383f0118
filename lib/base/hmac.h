/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_HMAC_H
#define WEIR_BASE_HMAC_H
/* hmac - HMAC-SHA256 (RFC 2104) over parts that are not joined in memory. Any thread. */
#include "base/hash.h"

/* The parts one behind the other, without lengths between them: what separates them is the caller's.
 * 0, or WEIR_ENOMEM (< 0). A key of no bytes is a key. */
int weir_hmac_sha256(const void *key, size_t key_size, const struct weir_hash_part *parts,
                     size_t count, uint8_t ret_digest[32]);

#endif
