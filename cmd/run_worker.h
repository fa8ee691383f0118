/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_RUN_WORKER_H
#define WEIR_CMD_RUN_WORKER_H
/* run_worker - workers in this very process, until a signal ends them */
#include "runtime.h"

struct run_worker {
        const char *worker; /* only this one; NULL = all */
        uint32_t index;     /* which of the worker's processes this is */
        enum weir_runtime_parts parts;
        int board_fd;     /* -1: nobody supervises */
        pid_t supervisor; /* 0 = none */
};

/* Takes over @conf. Returns an exit status, or ends the process when something of it hangs. */
int run_worker(struct weir_conf *conf, const struct run_worker *how);

#endif
