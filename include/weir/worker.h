/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H
/*
 * worker - all that the author of a handler plugin includes
 *
 * A plugin is a shared object that exports one symbol, `weir_worker`, made by WEIR_WORKER().
 * It links against nothing of weir: calls go through tables that weir passes in.
 *
 * Rules    handle() runs inside a PostgreSQL transaction that weir opened and will commit:
 *          1. no COMMIT, ROLLBACK or BEGIN: refused in exec and query, checked on the connection
 *          2. no network inside handle(): it holds the partition up and cannot be rolled back
 *          3. no state that must survive outside the transaction: an event that was rolled back
 *             is handed over again
 *          4. no pointer into the event kept after the return
 *          5. no exception, longjmp or thread exit leaves a plugin's function
 * Threads  open and close: main thread, once a process. handle: lane threads; several lanes call
 *          it at once with the same @self, never two for one partition.
 * Loading  the file must belong to root or to the caller, and not be writable by group or others.
 *          Its migrations stand in NAME.migrations beside it, NAME being the plugin's name; or in
 *          "migrations" beside it, where that directory is called NAME.
 */
#include <stdint.h>

#include <weir/error.h>
#include <weir/event.h>
#include <weir/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only when a plugin built before cannot be called any more; growth at the end does not
 * raise it. */
#define WEIR_WORKER_ABI 1u

/* What handle() returns. Anything else counts as WEIR_REJECT. */
enum weir_outcome {
        WEIR_DONE = 0,  /* effects are in the transaction                                       */
        WEIR_SKIP = 1,  /* done, nothing to do; the event counts as handled                     */
        WEIR_RETRY = 2, /* not now: roll back, wait, call again; the partition keeps its order  */
        WEIR_REJECT = 3 /* never: roll back, keep the record as a dead letter with reterr->text */
};

/* return weir_reject(reterr, "no amount in order %s", id); fills @reterr and gives WEIR_REJECT. Any
 * thread. */
#define weir_reject(reterr, ...) weir_refuse(WEIR_REJECT, (reterr), __VA_ARGS__)
#define weir_retry(reterr, ...) weir_refuse(WEIR_RETRY, (reterr), __VA_ARGS__)

/* What a plugin is. All of it is static storage of the plugin; weir copies it when it loads. */
struct weir_worker {
        uint32_t abi;        /* WEIR_WORKER_ABI, as compiled into the plugin                    */
        uint32_t size;       /* sizeof(struct weir_worker), as compiled there                   */
        const char *name;    /* [a-z][a-z0-9_]*, at most 63; its log and schema name            */
        const char *version; /* printable, at most 63; stands in weir.batch per transaction     */

        /* Prepare: read options, open tables. Main thread, may block. May be NULL.
         * 0 = ready, *ret_self is passed to the others (stays NULL when untouched).
         * Anything else = @reterr->text says why, weir does not start; close() is not called. */
        int (*open)(const struct weir_host *host, void **ret_self, struct weir_error *reterr);

        /* Handle one event. Lane thread. @event and @tx: until the return. @reterr comes empty.
         * Returns enum weir_outcome; on RETRY and REJECT fill @reterr (weir_reject(),
         * weir_retry()): its text is what the dead letter shows. The < 0 of a failed weir_tx_*()
         * call may be returned as it is. Any other number counts as WEIR_REJECT. */
        int (*handle)(void *self, struct weir_tx *tx, const struct weir_event *event,
                      struct weir_error *reterr);

        /* Undo open(). Main thread, after the last handle(). May be NULL. */
        void (*close)(void *self);

        /* Handle @count fresh events of one partition, in order, in one transaction. Optional;
         * used instead of handle() where set. outcomes[i] = enum weir_outcome of event i
         * (preset to WEIR_DONE). Returns 0, or an outcome that holds for the whole batch. When
         * anything but DONE and SKIP comes back, weir rolls back and calls again with fewer: up to
         * the event that its outcome names, else half of them, and the last suspect alone. */
        int (*handle_batch)(void *self, struct weir_tx *tx, const struct weir_event *const *events,
                            size_t count, int *outcomes, struct weir_error *reterr);
        /* ABI 1 ends here. Append below; never reorder, retype or reuse a slot. */

        /* Why its events may not be replayed, for the operator who asks for it: "sends letters to
         * customers". Printable, at most 200. NULL = they may. A replay of this worker is refused
         * then; `weir position set` is not. Since 1.0, where @size reaches so far. */
        const char *not_replayable;
};

#ifdef __cplusplus
#define WEIR_WORKER_LINKAGE_ extern "C"
#else
#define WEIR_WORKER_LINKAGE_ extern
#endif

/* Define the plugin; no semicolon behind it.
 * C:     WEIR_WORKER(.name = "x", .version = "1", .open = o, .handle = h, .close = c)
 * C++17: has no designated initialisers:
 *   WEIR_WORKER("x", "1", open_or_nullptr, f, close_or_nullptr, nullptr, nullptr) */
#define WEIR_WORKER(...)                                                                           \
        WEIR_WORKER_LINKAGE_ __attribute__((visibility("default")))                                \
        const struct weir_worker weir_worker;                                                      \
        const struct weir_worker weir_worker = { WEIR_WORKER_ABI,                                  \
                                                 (uint32_t)sizeof(struct weir_worker),             \
                                                 __VA_ARGS__ };

#ifdef __cplusplus
}
#endif
#endif
