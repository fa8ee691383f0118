/* SPDX-License-Identifier: MIT */
/* older - says that it was built before there was not_replayable: what lies there is none of weir's */
#include <stddef.h>

#include <weir/worker.h>

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

extern __attribute__((visibility("default"))) const struct weir_worker weir_worker;
const struct weir_worker weir_worker = {
        .abi = WEIR_WORKER_ABI,
        .size = (uint32_t)offsetof(struct weir_worker, not_replayable),
        .name = "older",
        .version = "1",
        .handle = handle,
        .not_replayable = "this is not read",
};
