/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_DECIDED_H
#define WEIR_STORE_DECIDED_H
/* decided - which of the last records of a position became dead letters, as the trail tells it */
#include "store/position.h"

/* A transaction that condemned something. */
struct weir_decided {
        int64_t newer; /* records that were decided after it */
        uint32_t
                records; /* of it; 0 = it condemned a parked one, which an older transaction passed */
        uint32_t dead;
};

/* Of the last @window records that @plugin_version has passed since the last row of weir.position_change: newest
 * first, to be freed. By the holder of @position, after taking it. Reads only. */
int weir_decided_load(struct weir_pg *pg, const struct weir_position *position,
                      const char *plugin_version, uint32_t window, struct weir_decided **ret,
                      size_t *ret_count, struct weir_error *reterr);

#endif
