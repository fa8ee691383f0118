/* SPDX-License-Identifier: MIT */
/*
 * key - a name that nobody can forge, of a size that an index likes
 *
 * CloudEvents: source + id name an event. Joined with a delimiter, ("/s|a","b") and ("/s","a|b") would
 * be one event and a producer could suppress another's; hence length-prefixed parts. 16 of the 32
 * bytes: 2^64 events before a chance collision, half the index.
 *
 * Not chosen    any normalisation (case, URI, Unicode form): what the producer wrote is the name.
 */
#include "event/key.h"

#include <string.h>

#include "base/hash.h"

int weir_key_of(struct weir_view worker, const struct weir_event *event, struct weir_key *ret)
{
        const struct weir_hash_part parts[] = {
                { worker.ptr, worker.size },
                { event->source.ptr, event->source.size },
                { event->id.ptr, event->id.size },
        };
        uint8_t digest[32];
        int r = weir_hash_parts(parts, 3, digest);

        if (r < 0)
                return r;
        memcpy(ret->bytes, digest, sizeof ret->bytes);
        return 0;
}

static void put_u64(uint64_t value, uint8_t out[8])
{
        for (int i = 0; i < 8; i++)
                out[i] = (uint8_t)(value >> (56 - 8 * i));
}

int weir_key_fingerprint(int64_t record_time_ms, struct weir_view key, struct weir_view value,
                         int64_t *ret)
{
        uint8_t time[8], present[2] = { key.ptr != NULL, value.ptr != NULL }, digest[32];
        const struct weir_hash_part parts[] = {
                { time, sizeof time },
                { present, sizeof present },
                { key.ptr, key.ptr ? key.size : 0 },
                { value.ptr, value.ptr ? value.size : 0 },
        };
        uint64_t first = 0;
        int r;

        put_u64((uint64_t)record_time_ms, time);
        r = weir_hash_parts(parts, 4, digest);
        if (r < 0)
                return r;
        for (int i = 0; i < 8; i++)
                first = first << 8 | digest[i];
        *ret = (int64_t)first;
        return 0;
}
