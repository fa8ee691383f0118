/* SPDX-License-Identifier: MIT */
#ifndef WEIR_EVENT_KEY_H
#define WEIR_EVENT_KEY_H
/*
 * key - the 16 bytes that name an event in the table of claims
 *
 * First 16 bytes of SHA-256 over length-prefixed (worker, source, id): exact code points, no folding
 * of case or URIs. Also the fingerprint of a record by which a recreated topic is recognised.
 */
#include <weir/event.h>

struct weir_key {
        uint8_t bytes[16];
};

int weir_key_of(struct weir_view worker, const struct weir_event *event,
                struct weir_key *ret); /* 0 or WEIR_ENOMEM */

/* First 8 bytes of SHA-256 over the record's timestamp, key and value (absent differs from empty). */
int weir_key_fingerprint(int64_t record_time_ms, struct weir_view key, struct weir_view value,
                         int64_t *ret);

#endif
