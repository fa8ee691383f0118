/* SPDX-License-Identifier: MIT */
/* bad_name - a name that is no name of a schema */
#include <weir/worker.h>

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "Bad-Name", .version = "1", .handle = handle)
