/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RUNTIME_H
#define WEIR_RUNTIME_H
/*
 * runtime - run weir inside your own program: what `weir run` does, without its signals
 *
 * new, start, wait until it returns something else than 1, free. Whatever fails in between: free.
 * Thread   all calls from one thread, the one that owns the runtime; stop from any thread. weir
 *          starts threads of its own, one per worker, one per assigned partition and those of
 *          librdkafka; no signal is delivered to its own.
 * Owner    the caller owns the runtime, and lends options and texts for the time of the call.
 * Errors   as in error.h; the log goes to standard error.
 * Link     libweir.so or libweir.a (then also rdkafka, cjson, config, pq, crypto, pthread, dl).
 */
#include <stdint.h>
#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The workers of one configuration file at work. Opaque. */
struct weir_runtime;

/* What to run. Grows at the end; @size says which members are there. */
struct weir_runtime_options {
        uint32_t size;               /* sizeof(struct weir_runtime_options), as compiled */
        const char *config_path;     /* libconfig file */
        const char *migrations_path; /* weir's own migrations; NULL: the schema is not checked */
        const char *worker;          /* run this one only; NULL: all that are configured */
};

/**
 * Read the configuration and load the plugins. Touches no network.
 *
 * Errors   WEIR_ECONF (the first problem of the file), WEIR_EUSAGE (size, no config_path, no such
 *          worker), WEIR_EABI (not a plugin, or one that others may write to), WEIR_ESYS,
 *          WEIR_ENOMEM; *ret is written on success only
 */
__attribute__((visibility("default"))) int weir_runtime_new(
        const struct weir_runtime_options *options, struct weir_runtime **ret,
        struct weir_error *reterr);
/**
 * Connect to PostgreSQL, check the schema, open the plugins, start every worker: its poll thread
 * and, once the group assigns, its lanes.
 *
 * Blocks while PostgreSQL is unreachable: tries again until it answers or weir_runtime_stop() is
 * called.
 * Errors   WEIR_ESCHEMA, WEIR_ECONF (an option, a Kafka property), WEIR_EKAFKA, WEIR_ESYS,
 *          WEIR_ENOMEM, WEIR_ESTOP, or what a plugin's open() said. Workers that started before the
 *          failing one run: stop and wait before free.
 */
__attribute__((visibility("default"))) int weir_runtime_start(struct weir_runtime *runtime,
                                                              struct weir_error *reterr);
/**
 * Wait up to @timeout_ms for the end. 1: at work. 0: all workers ended. 2: past the deadline of a
 * stop something did not end (leave by _exit; nothing is lost). < 0: a worker failed, @reterr says
 * why; the others were told to stop, and have.
 */
__attribute__((visibility("default"))) int weir_runtime_wait(struct weir_runtime *runtime,
                                                             int timeout_ms,
                                                             struct weir_error *reterr);
/**
 * Drain, commit offsets, leave the groups, within @deadline_ms (0: stop.deadline of the file).
 * Returns at once. A second call with less time hurries. Any thread; not in a signal handler.
 */
__attribute__((visibility("default"))) void weir_runtime_stop(struct weir_runtime *runtime,
                                                              int64_t deadline_ms);
/* Close the plugins and the connections, free everything. After weir_runtime_wait() returned 0 or <
 * 0, or where nothing was started. NULL is fine. */
__attribute__((visibility("default"))) void weir_runtime_free(struct weir_runtime *runtime);

#ifdef __cplusplus
}
#endif
#endif
