/* SPDX-License-Identifier: MIT */
/* bad_abi - built for an ABI that does not exist yet; the loader must say both numbers */
#include <weir/worker.h>

#undef WEIR_WORKER_ABI
#define WEIR_WORKER_ABI 7u

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

WEIR_WORKER(.name = "bad_abi", .version = "1", .handle = handle)
