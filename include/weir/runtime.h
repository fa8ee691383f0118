/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RUNTIME_H
#define WEIR_RUNTIME_H
/*
 * runtime - run weir inside your own program: what `weir run` does, without its signals
 *
 * Thread   all calls from one thread, the one that owns the runtime; stop from any thread.
 * Link     libweir.so or libweir.a (then also rdkafka, cjson, config, pq, crypto).
 */
#include <stdint.h>
#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_runtime;
struct weir_conf;

struct weir_runtime_options {
        uint32_t size;               /* sizeof(struct weir_runtime_options) */
        const char *config_path;     /* libconfig file */
        const char *migrations_path; /* weir's own migrations; NULL: the schema is not checked */
        const char *worker;          /* run this one only; NULL: all that are configured */
};

/**
 * Read the configuration and load the plugins. Touches no network.
 *
 * Errors   WEIR_ECONF (first problem of the file), WEIR_EUSAGE (no such worker), WEIR_EABI, WEIR_ENOMEM
 */
__attribute__((visibility("default"))) int weir_runtime_new(
        const struct weir_runtime_options *options, struct weir_runtime **ret,
        struct weir_error *reterr);
/**
 * Connect to PostgreSQL, check the schema, open the plugins, start every worker: its poll thread and, once the
 * group assigns, its lanes.
 *
 * Blocks while PostgreSQL is unreachable: tries again until it answers or weir_runtime_stop().
 * Errors   WEIR_ESCHEMA, WEIR_ECONF (an option), WEIR_EKAFKA, WEIR_ESTOP, or what a plugin's open() said
 */
__attribute__((visibility("default"))) int weir_runtime_start(struct weir_runtime *runtime,
                                                              struct weir_error *reterr);
/* 1: at work. 0: all workers ended. 2: past the deadline of a stop, something did not end (leave by
 * _exit; nothing is lost). < 0: a worker failed, @reterr says why; the others were told to stop. */
__attribute__((visibility("default"))) int weir_runtime_wait(struct weir_runtime *runtime,
                                                             int timeout_ms,
                                                             struct weir_error *reterr);
/* Drain, commit offsets, leave the groups, within @deadline_ms (0: stop.deadline of the file). A second
 * call with less time hurries. Any thread; not in a signal handler. */
__attribute__((visibility("default"))) void weir_runtime_stop(struct weir_runtime *runtime,
                                                              int64_t deadline_ms);
/* After wait() returned anything but 1. */
__attribute__((visibility("default"))) void weir_runtime_free(struct weir_runtime *runtime);

#ifdef __cplusplus
}
#endif
#endif
