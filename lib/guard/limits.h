/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_LIMITS_H
#define WEIR_GUARD_LIMITS_H
/*
 * limits - how much a worker process may have, what it leaves behind, and with whom it ends
 *
 * Thread   main, before any other is started. Nothing of it can be taken back by this process.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard/part.h"

struct weir_limits_conf {
        uint64_t memory_bytes; /* memory.limit; 0 = weir_limits_memory_bytes() */
        bool core;             /* crash.core */
        pid_t supervisor;      /* who ends takes this process along; 0 = nobody does */
};

enum weir_limits_part {
        WEIR_LIMITS_MEMORY,
        WEIR_LIMITS_CORE,
        WEIR_LIMITS_PARENT,
        WEIR_LIMITS_PRIVILEGES,
        WEIR_LIMITS_PARTS
};

/* Each of @ret says whether it took effect. With @conf->supervisor, PARENT fails when that has ended already. */
void weir_limits_apply(const struct weir_limits_conf *conf,
                       struct weir_guard_part ret[WEIR_LIMITS_PARTS]);

/* LM2 for a process that is no worker's: may the kernel write a core of it? Can be taken back, and what the process
 * starts decides for itself. -1: errno. */
int weir_limits_core(bool core);

/* What memory.limit = 0 means here: three quarters of what the machine or the container has, at least 1 GiB. */
uint64_t weir_limits_memory_bytes(void);
/* The least that the control groups of this process allow; UINT64_MAX = they set no limit. @root stands before
 * /proc and /sys, for tests; else "". */
uint64_t weir_limits_cgroup_bytes(const char *root);

#endif
