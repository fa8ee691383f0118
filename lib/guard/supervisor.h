/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_SUPERVISOR_H
#define WEIR_GUARD_SUPERVISOR_H
/*
 * supervisor - the parent of the workers: starts them, hears of their deaths, ends them
 *
 * Thread   one, and the only one of its process: it forks.
 *
 *  SV1 it holds no connection, no client and no plugin: nothing that a worker does can hurt it but by using the machine up.
 *  SV2 when it dies, however it dies, its children are told by the kernel and end by themselves.
 */
#include "conf/conf.h"

struct weir_supervisor_calls {
        /* In the forked process: become the worker's process (exec). Returns only when that fails. @worker NULL: the
         * relay. @text_fd: the text of the last good file, for when the file is none any more; -1 = there is none. */
        void (*become)(void *context, const char *worker, uint32_t index, int board_fd, int text_fd,
                       pid_t supervisor);
        /* Read the file again: once in a forked process, to see whether it can be read at all (errors are printed
         * there), then in this one. NULL = it cannot. */
        struct weir_conf *(*read)(void *context);
        void *context;
};

/* Run all workers of @conf (@only: just that one) until a signal ends them. Blocks SIGTERM, SIGINT, SIGHUP, SIGCHLD;
 * one that was blocked before, and came before, is obeyed: nothing is started then.
 * SIGHUP: the file is read again. Takes over @conf.
 * Returns an exit status: 0; 1 = a worker was given up, or a third signal came; what the first of them said when
 * it could not start. One that had to be killed at the end is no failure: it lost nothing. */
int weir_supervisor_run(struct weir_conf *conf, const char *only,
                        const struct weir_supervisor_calls *calls);

#endif
