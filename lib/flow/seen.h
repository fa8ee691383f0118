/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_SEEN_H
#define WEIR_FLOW_SEEN_H
/*
 * seen - which keys came before, in a stated amount of memory
 *
 *  SN1 a key that is said to be a repetition came before, but for one in 2^64 of pairs; a key that is said to be new is
 *      new for as long as not full.
 *  SN2 never more than WEIR_SEEN_KEYS_MAX keys, in WEIR_SEEN_BYTES_MAX bytes.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "event/key.h"

enum { WEIR_SEEN_KEYS_MAX = 4 * 1024 * 1024, WEIR_SEEN_BYTES_MAX = 2 * WEIR_SEEN_KEYS_MAX * 8 };

struct weir_seen {
        uint64_t *slots; /* 0 = free */
        size_t slot_count, count;
        uint64_t seed;
        bool full; /* it no longer learns */
};

/* 0 it is new; 1 it came before; < 0: WEIR_ENOMEM. */
int weir_seen_add(struct weir_seen *seen, const struct weir_key *key, struct weir_error *reterr);
void weir_seen_fini(struct weir_seen *seen);

#endif
