/* SPDX-License-Identifier: MIT */
/* once - its events may not be replayed */
#include <weir/worker.h>

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "once", .version = "1", .handle = handle, .not_replayable = "it rings a bell")
