/* SPDX-License-Identifier: MIT */
/* newer - built with a later header of the same ABI: slots that this weir does not know are ignored
 * */
#include <weir/worker.h>

struct newer_worker {
        struct weir_worker known;
        int (*later)(void);
};

static int handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                  struct weir_error *reterr)
{
        (void)self, (void)tx, (void)event, (void)reterr;
        return WEIR_DONE;
}

static int later(void)
{
        return 1;
}

extern __attribute__((visibility("default"))) const struct newer_worker weir_worker;
const struct newer_worker weir_worker = {
        .known = { .abi = WEIR_WORKER_ABI,
                   .size = (uint32_t)sizeof(struct newer_worker),
                   .name = "newer",
                   .version = "9",
                   .handle = handle },
        .later = later,
};
