/* SPDX-License-Identifier: MIT */
/* bad_version - an empty version: weir.batch could not say who handled an event */
#include <weir/worker.h>

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "bad_version", .version = "", .handle = handle)
