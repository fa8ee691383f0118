/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_WITHHELD_H
#define WEIR_STORE_WITHHELD_H
/*
 * withheld - what a replay keeps from happening, and what it finds gone, counted where its position is moved
 *
 * Thread   lane, with a connection of its own.
 */
#include "store/position.h"

/* RP3. Inside the open transaction: @count more messages of the replay's @position did not leave. Of any other position it
 * counts nothing. */
int weir_withheld_add(struct weir_pg *pg, int32_t position, int64_t count,
                      struct weir_error *reterr);
/* Move @position to @next_offset over offsets that the log does not hold any more, and count them as missing, in a
 * transaction of its own. 0; 1 = fenced. */
int weir_withheld_pass(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr);

#endif
