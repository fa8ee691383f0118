/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIDE_HORIZON_H
#define WEIR_SIDE_HORIZON_H
/*
 * horizon - behind which id may a reading of the outbox go on? Pure: no clock, no lock, no query
 *
 *  HZ1  sure_id never goes back within a session, and is said of readings from then on.
 *  HZ2  no row at or below sure_id turns up any more: every transaction that may have drawn such an id has ended.
 */
#include "store/outbox.h"

struct weir_horizon {
        int64_t sure_id;    /* HZ2 */
        int64_t read_id;    /* the highest id that was read, of any stream */
        int64_t mark_id;    /* becomes sure_id when all below mark_drawn have ended */
        int64_t mark_drawn; /* 0 = no mark */
};

/* Before a reading: what is wanted of it. */
struct weir_outbox_sight weir_horizon_ask(const struct weir_horizon *horizon);
/* After it: what it saw, and its highest id. */
void weir_horizon_see(struct weir_horizon *horizon, const struct weir_outbox_sight *sight,
                      int64_t highest_id);

#endif
