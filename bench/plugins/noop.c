/* SPDX-License-Identifier: MIT */
/*
 * noop - a handler that does nothing, so that everything around it is what is measured
 */
#include <weir/worker.h>

static int noop_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        (void)host;
        (void)reterr;
        *ret_self = NULL;
        return 0;
}

static int noop_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                       struct weir_error *reterr)
{
        (void)self;
        (void)tx;
        (void)event;
        (void)reterr;
        return WEIR_DONE;
}

static void noop_close(void *self)
{
        (void)self;
}

WEIR_WORKER(.name = "noop", .version = "1.0", .open = noop_open, .handle = noop_handle,
            .close = noop_close)
