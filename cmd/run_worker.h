/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_RUN_WORKER_H
#define WEIR_CMD_RUN_WORKER_H
/* run_worker - workers in this very process, until a signal ends them */
#include <sys/types.h>

#include "runtime.h"

struct run_worker {
        const char *worker; /* only this one; NULL = all */
        struct weir_runtime_role role;
        int board_fd;     /* -1: nobody supervises */
        int offer_fd;     /* struct weir_texts; the same */
        pid_t supervisor; /* 0 = none */
};

/* Takes over @conf. Returns an exit status, or ends the process when something of it hangs. */
int run_worker(struct weir_conf *conf, const struct run_worker *how);

#endif
