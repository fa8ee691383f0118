/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_LANDLOCK_H
#define WEIR_GUARD_LANDLOCK_H
/*
 * landlock - where a worker process may write
 *
 * Thread   main, before any other is started; later ones inherit it. It cannot be taken back.
 * Needs    PR_SET_NO_NEW_PRIVS (limits.h).
 */
#include <stdbool.h>
#include <stddef.h>

#include "guard/part.h"

struct weir_landlock_conf {
        const char *const
                *write; /* directories and files; all that is below may be written and removed */
        size_t write_count;
        const char *const *
                files; /* of file sinks: may be made, written, and made anew after they were moved away */
        size_t file_count;
        bool exec; /* programs may be run */
};

/* Applied, then tried. What must be writable and does not exist is FAILED. */
void weir_landlock_apply(const struct weir_landlock_conf *conf, struct weir_guard_part *ret);

#endif
