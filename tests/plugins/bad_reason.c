/* SPDX-License-Identifier: MIT */
/* bad_reason - an empty reason: an operator would be refused without knowing why */
#include <weir/worker.h>

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "bad_reason", .version = "1", .handle = handle, .not_replayable = "")
