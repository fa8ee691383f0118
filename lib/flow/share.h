/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_SHARE_H
#define WEIR_FLOW_SHARE_H
/*
 * share - how much of what a lane decided last was condemned; more than dead.max_share halts it
 *
 * A ring of bits, one a record, in the order of deciding. It is made anew from the trail at each taking, so a restart
 * or a move forgets nothing; an operator who sets the position begins an empty one, and so does another version of the
 * plugin. Lane thread only.
 */
#include "conf/conf.h"
#include "flow/batch.h"
#include "store/decided.h"

struct weir_share {
        uint64_t *bits;
        uint32_t window, at;
        uint32_t ones, max_ones; /* max_ones >= window: never too many */
        bool none;               /* on_dead = "halt": not a single one */
};

int weir_share_init(struct weir_share *share, const struct weir_conf_worker *worker,
                    struct weir_error *reterr);
void weir_share_fini(struct weir_share *share);
/* As it was when these had been decided; of none: empty. */
void weir_share_fill(struct weir_share *share, const struct weir_decided *decided, size_t count);
/* Can it ever be too many? */
bool weir_share_matters(const struct weir_share *share);
void weir_share_push(struct weir_share *share, bool dead);
/* May one more be condemned? */
bool weir_share_allows(const struct weir_share *share);
/* Of records [first, first + count): how many may be decided before one would be condemned too many. */
size_t weir_share_room(const struct weir_share *share, const struct weir_batch *batch, size_t first,
                       size_t count);

#endif
