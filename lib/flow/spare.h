/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_SPARE_H
#define WEIR_FLOW_SPARE_H
/*
 * spare - one event of many is refused: it leaves the transaction, the others stay in it
 *
 * Lane thread only, inside weir_applier_run().
 */
#include "flow/apply.h"

enum { WEIR_SPARE_BATCHES = 64 }; /* prepared for so many after a culprit */

/* A batch of many was refused because of one event: be prepared for more of them. */
static inline void weir_spare_expect(struct weir_applier *applier)
{
        applier->spare_left = applier->spare_never ? 0 : WEIR_SPARE_BATCHES;
}
/* Is the transaction in hand, of @count records, to be handled by weir_spare_handle()? */
bool weir_spare_ready(const struct weir_applier *applier, size_t count);
/*
 * Call the handler for each fresh event of records [first, first + count). Events that are refused are condemned, and
 * without a claim. WEIR_APPLIED, or WEIR_FAULT with @ret: roll back, as without us.
 */
int weir_spare_handle(struct weir_applier *applier, struct weir_pg *pg, struct weir_batch *batch,
                      size_t first, size_t count, const struct weir_position *position,
                      struct weir_fault *ret);

#endif
