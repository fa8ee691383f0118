/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_SECCOMP_H
#define WEIR_GUARD_SECCOMP_H
/*
 * seccomp - system calls that no handler needs are refused to a worker process
 *
 * Thread   main, before any other is started; later ones inherit it. It cannot be taken back.
 * Needs    PR_SET_NO_NEW_PRIVS (limits.h).
 */
#include <stdbool.h>
#include <stddef.h>

#include "guard/part.h"

/* @exec: programs may be run (sandbox.exec). Applied, then tried: ACTIVE says that each attempt was refused. */
void weir_seccomp_apply(bool exec, struct weir_guard_part *ret);

/* The calls that are refused whatever their arguments, for tests: false behind the last. execve and execveat stand at
 * the end. */
bool weir_seccomp_refused(size_t index, int *ret_number, const char **ret_name);

#endif
