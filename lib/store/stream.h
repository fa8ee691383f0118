/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_STREAM_H
#define WEIR_STORE_STREAM_H
/*
 * stream - who sends which stream of the outbox: leases that last as long as a session
 *
 *  S1  a stream has one owner. An owner is a session that holds the advisory lock of its number.
 *  S2  a lease whose session is gone is free; no clock decides.
 * Thread   a relay's own, on a relay's own connection.
 */
#include "store/outbox.h"

/* Prepare @pg for a relay: LISTEN, draw a number and lock it, tell which sinks are known here. */
int weir_stream_session(struct weir_pg *pg, const char *const *sinks, size_t sink_count,
                        int64_t *ret_owner, struct weir_error *reterr);

typedef int weir_stream_fn(void *context, const struct weir_stream *stream);
/* Each stream that has rows; the loose walk over the index reads one entry a stream, and one for each destination of
 * @passed (shards do not matter), whose streams are not told. @take < 0 ends it: no memory. */
int weir_stream_look(struct weir_pg *pg, const struct weir_stream *passed, size_t passed_count,
                     weir_stream_fn *take, void *context, struct weir_error *reterr);
/* Ask for streams (sorted by kind, destination, shard). ret[i] = it is ours now. */
int weir_stream_lease(struct weir_pg *pg, int64_t owner, const struct weir_stream *streams,
                      size_t count, bool *ret, struct weir_error *reterr);
/* Give leases back. */
int weir_stream_release(struct weir_pg *pg, int64_t owner, const struct weir_stream *streams,
                        size_t count, struct weir_error *reterr);

struct weir_stream_share {
        int kind;
        const char *destination;
        uint32_t leased; /* streams that have an owner, or had one a moment ago */
        uint32_t relays; /* sessions that can send there */
};
typedef void weir_stream_share_fn(void *context, const struct weir_stream_share *share);
int weir_stream_shares(struct weir_pg *pg, weir_stream_share_fn *take, void *context,
                       struct weir_error *reterr);

#endif
