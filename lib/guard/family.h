/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_FAMILY_H
#define WEIR_GUARD_FAMILY_H
/*
 * family - the processes under one supervisor: those of the workers, in the order of the file, and the relay, last
 *
 * Thread   supervisor.
 */
#include "guard/process.h"

struct weir_family {
        struct weir_process *processes;
        size_t count;
};

/* Those of all workers of @conf, or only of worker @only. < 0: no memory; *ret can be freed all the same. */
int weir_family_init(struct weir_family *family, const struct weir_conf *conf, const char *only);
void weir_family_fini(struct weir_family *family);
/* IM1. The plugins of all as they lie there now, by @conf; those of one worker have one, and so have those with the same
 * bytes at the same path. All or none: < 0, and @ret_process says whose it was. */
int weir_family_try_images(struct weir_family *family, const struct weir_conf *conf,
                           const struct weir_supervisor_calls *calls,
                           const struct weir_process **ret_process, struct weir_error *reterr);
/* They are in force now; or nobody's any more. */
void weir_family_take_images(struct weir_family *family);
void weir_family_drop_images(struct weir_family *family);
void weir_family_signal(const struct weir_family *family, int number, bool relay_too);
/* Does any run, or will it yet? */
bool weir_family_lives(const struct weir_family *family, bool relay_too);
/* Whose process is, or is written about by, @pid; NULL = nobody's. */
struct weir_process *weir_family_find(const struct weir_family *family, pid_t pid);

#endif
