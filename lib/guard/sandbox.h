/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_SANDBOX_H
#define WEIR_GUARD_SANDBOX_H
/*
 * sandbox - fence a worker process in, and prove it
 *
 * weir_sandbox_apply() is called once, in the main thread of a worker process, after the configuration is read and
 * before anything is loaded, connected or started: threads and processes inherit the fence, open files keep what
 * they could.
 */
#include <sys/types.h>

#include "base/error.h"
#include "conf/conf.h"
#include "guard/limits.h"
#include "guard/part.h"

enum weir_sandbox_part {
        WEIR_SANDBOX_LANDLOCK = WEIR_LIMITS_PARTS, /* those of limits.h come first */
        WEIR_SANDBOX_SECCOMP,
        WEIR_SANDBOX_PARTS
};

struct weir_sandbox_report {
        struct weir_guard_part parts[WEIR_SANDBOX_PARTS];
};

/* "memory", "core", "parent", "privileges", "landlock", "seccomp" */
const char *weir_sandbox_part_name(int part);

/**
 * Give up what @conf says, and prove each part.
 *
 * Thread   main, alone: other threads would stay outside of the fence.
 * Input    @supervisor: the process that started this one, by its own getpid(); 0 = there is none.
 * Report   *ret is filled in any case.
 * Errors   0: every part is active, off by configuration, or not in this kernel.
 *          WEIR_ECONF: a part failed; the process must end. @reterr names the first, and what to do.
 *          WEIR_ESYS: the supervisor has ended, or other threads run already.
 */
int weir_sandbox_apply(const struct weir_conf *conf, pid_t supervisor,
                       struct weir_sandbox_report *ret, struct weir_error *reterr);

/* The same in a child process that reports and ends: for `weir check`, and before workers are started. The calling
 * process stays as it is. Errors as above; WEIR_ESYS also: no process, or it did not report. */
int weir_sandbox_try(const struct weir_conf *conf, struct weir_sandbox_report *ret,
                     struct weir_error *reterr);

/* One line: sandbox.applied, a field for each part. */
void weir_sandbox_log(const struct weir_sandbox_report *report);

#endif
