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
#include "plugin/image.h"

struct weir_birth;

struct weir_supervisor_calls {
        /* In the forked process: become the worker's process (exec). Returns only when that fails. */
        void (*become)(void *context, const struct weir_birth *birth);
        /* In a forked process: read the file and write its text (weir_conf.text) to @pad by weir_kept_write(). < 0: it
         * cannot be read, and what is wrong with it was printed. */
        int (*read)(void *context, int pad);
        /* The configuration of such a text, its secrets as their files say now. NULL: error. */
        struct weir_conf *(*parse)(void *context, const char *text, size_t size,
                                   struct weir_error *reterr);
        /* A copy of the plugin of @worker, which is in @conf, as it lies there now. < 0: the error says which worker's. */
        int (*image)(void *context, const struct weir_conf *conf,
                     const struct weir_conf_worker *worker, struct weir_image **ret,
                     struct weir_error *reterr);
        /* Nothing can be started: said to the caller. An exit status. */
        int (*unfit)(void *context, const struct weir_error *error);
        /* @conf is in force from here on, also for the log. */
        void (*took)(void *context, const struct weir_conf *conf);
        void *context;
};

/* Run all workers of @conf (@only: just that one) until a signal ends them. Blocks SIGTERM, SIGINT, SIGHUP, SIGCHLD;
 * one that was blocked before, and came before, is obeyed: nothing is started then.
 * SIGHUP: the file is read again (guard/reload.h). Takes over @conf.
 * Returns an exit status: 0; 1 = a worker was given up, or a third signal came; what the first of them said when
 * it could not start. One that had to be killed at the end is no failure: it lost nothing. */
int weir_supervisor_run(struct weir_conf *conf, const char *only,
                        const struct weir_supervisor_calls *calls);

#endif
