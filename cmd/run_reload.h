/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_RUN_RELOAD_H
#define WEIR_CMD_RUN_RELOAD_H
/*
 * run_reload - a new configuration, in the process that runs workers
 *
 * Thread   main.
 */
#include "runtime.h"

struct run_reload {
        struct weir_runtime *runtime;
        int offer_fd;  /* the pad of offers, weir_texts; -1: nobody supervises */
        uint32_t seen; /* the offer that was answered last */
        bool prepared; /* it, and nothing was decided */
        bool taking;   /* it, and lanes are not over */
};

/* What the supervisor says (guard/offer.h), one step. What came into force by it; NULL = nothing did. */
const struct weir_conf *run_reload_look(struct run_reload *reload);
/* Is a step to come soon? */
bool run_reload_is_busy(const struct run_reload *reload);
/* Nobody supervises: read the file and take it over. The same; a refusal is logged. */
const struct weir_conf *run_reload_file(struct weir_runtime *runtime);

#endif
