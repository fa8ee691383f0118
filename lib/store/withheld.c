/* SPDX-License-Identifier: MIT */
/*
 * withheld - counters of a range, each moved by the one lane that holds its position
 *
 * In weir.replay_range and not in the trail: a trail row is written before the handler runs, and nobody else needs them.
 */
#include "store/withheld.h"

int weir_withheld_add(struct weir_pg *pg, int32_t position, int64_t count,
                      struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_int4(position), weir_int8(count) };

        return weir_pg_query(pg,
                             "UPDATE weir.replay_range SET withheld = withheld + $2"
                             " WHERE position = $1 AND position <> live_position",
                             params, WEIR_COUNT_OF(params), NULL, reterr);
}

int weir_withheld_pass(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_int4(position->id),
                                             weir_int8(next_offset - position->next_offset) };
        struct weir_position moved = *position;
        int r = weir_pg_begin(pg, reterr);

        if (r == 0)
                r = weir_position_skip(pg, &moved, next_offset, reterr);
        if (r == 0)
                r = weir_pg_query(pg,
                                  "UPDATE weir.replay_range SET missing = missing + $2"
                                  " WHERE position = $1 AND position <> live_position",
                                  params, WEIR_COUNT_OF(params), NULL, reterr);
        if (r != 0) {
                weir_pg_rollback(pg);
                return r;
        }
        r = weir_pg_commit(pg, reterr);
        if (r == 0)
                *position = moved;
        return r;
}
