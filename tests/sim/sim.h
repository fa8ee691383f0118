/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H
/*
 * sim - one life of several worker processes in one thread: what all files of the simulation share
 *
 * The real lib/flow runs; Kafka, PostgreSQL, the plugin, threads and the clock are models. Nothing here asks the world
 * for anything: a seed and the options decide all that happens.
 *
 * Vocabulary   fiber: what a thread is outside. process: fibers, memory and connections that die together.
 *              point: a place where another fiber may go on. fault: what the seed does to a process, Kafka or PostgreSQL.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/thread.h"

/* ---- what a seed is told -------------------------------------------------------------------- */

enum { SIM_DROPPED_MAX = 64 };

/* Bounds, by which a failing seed is made smaller; -1 = none. */
struct sim_options {
        uint64_t seed;
        int64_t faults;   /* only the first so many come true */
        int64_t switches; /* only the first so many fibers are put aside where they need not wait */
        int64_t records;  /* only the first so many of the workload */
        int64_t processes;
        int64_t dropped[SIM_DROPPED_MAX]; /* these faults do not come true, by number */
        size_t dropped_count;
        bool trace;
};

struct sim_result {
        bool failed;
        char check[32]; /* which rule was broken */
        char text[600];
        uint64_t steps, faults, switches, commits, effects, letters, parked;
        int64_t virtual_us;
};

void sim_run(const struct sim_options *options, struct sim_result *ret);

/* ---- chance --------------------------------------------------------------------------------- */

/* A stream each, so that less of one changes nothing of the others. */
struct sim_random {
        uint64_t state;
};
enum sim_stream { SIM_SCHEDULE, SIM_FAULTS, SIM_WORKLOAD, SIM_STREAMS };

uint64_t sim_next(struct sim_random *random);
uint64_t sim_below(struct sim_random *random, uint64_t bound); /* [0, bound) */
int64_t sim_between(struct sim_random *random, int64_t low, int64_t high);
bool sim_chance(struct sim_random *random, uint32_t per_million);

/* ---- faults --------------------------------------------------------------------------------- */

#define SIM_FAULTS_LIST(X)                                                                         \
        X(LOST_BEFORE, "pg.lost_before")                                                           \
        X(LOST_AFTER, "pg.lost_after")                                                             \
        X(REFUSED, "pg.refused")                                                                   \
        X(NO_CONNECTION, "pg.no_connection")                                                       \
        X(COMMIT_LOST, "pg.commit_lost")                                                           \
        X(AGAIN, "pg.begin_again")                                                                 \
        X(SLOW, "pg.slow")                                                                         \
        X(MEMORY, "memory")                                                                        \
        X(RANGE, "kafka.range")                                                                    \
        X(READ, "kafka.read")                                                                      \
        X(DAMAGED, "kafka.damaged")                                                                \
        X(DOUBT, "kafka.doubt")                                                                    \
        X(DRY, "kafka.dry")                                                                        \
        X(COMMITTED, "kafka.committed_lost")                                                       \
        X(FATAL, "kafka.fatal")                                                                    \
        X(HANG, "handler.hangs")                                                                   \
        X(TRANSIENT, "handler.transient")                                                          \
        X(KILL, "process.kill")                                                                    \
        X(KILL_INSIDE, "process.kill_inside")                                                      \
        X(FREEZE, "process.freeze")                                                                \
        X(EXPEL, "group.expel")                                                                    \
        X(REBALANCE, "group.rebalance")                                                            \
        X(RESTART, "pg.restart")                                                                   \
        X(TERMINATE, "pg.terminate")                                                               \
        X(RETENTION, "log.retention")                                                              \
        X(RECREATED, "log.recreated")                                                              \
        X(MOVE, "operator.move")                                                                   \
        X(REQUEUE, "operator.requeue")                                                             \
        X(LEAVE, "process.leave")                                                                  \
        X(RELOAD, "process.reload")

enum sim_fault {
#define SIM_FAULT_ENUM(tag, name) SIM_##tag,
        SIM_FAULTS_LIST(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
                SIM_FAULT_COUNT
};

/* Does it come true here? */
bool sim_fault(enum sim_fault fault);
/* Its turn has come in the plan of the seed. */
bool sim_fault_now(enum sim_fault fault);

/* ---- the world ------------------------------------------------------------------------------ */

enum { SIM_PROCESSES_MAX = 5, SIM_PARTITIONS_MAX = 4 };

struct sim_plan;
struct sim_event;
struct sim_process;
struct sim_fiber;

struct sim {
        struct sim_options options;
        struct sim_result *result;
        struct sim_random random[SIM_STREAMS];
        const struct sim_plan *plan;
        int64_t now_us;
        uint64_t steps, faults, switches;
        bool healed; /* nothing breaks any more: from here on all must come to its end */
        bool mended; /* the plugin, too */
        bool over;
        int64_t hangs_until_us;  /* a handler, from before */
        struct sim_fiber *fiber; /* that runs */
};
extern struct sim sim;

/* A rule is broken: the seed ends here, unless it has before. */
__attribute__((noreturn, format(printf, 2, 3))) void sim_fail(const char *check, const char *format,
                                                              ...);
#define sim_check(condition, check, ...)                                                           \
        do {                                                                                       \
                if (!(condition))                                                                  \
                        sim_fail(check, __VA_ARGS__);                                              \
        } while (0)

__attribute__((format(printf, 1, 2))) void sim_trace_line(const char *format, ...);
#define sim_trace(...)                                                                             \
        do {                                                                                       \
                if (__builtin_expect(sim.options.trace, false))                                    \
                        sim_trace_line(__VA_ARGS__);                                               \
        } while (0)

/* ---- memory --------------------------------------------------------------------------------- */

/* The models' own: zeroed, until the seed ends, whichever process asked for it. */
void *sim_alloc(size_t bytes);
char *sim_copy(const char *bytes, size_t size); /* with a NUL behind; NULL = NULL */
/* Blocks that @process has from malloc(). */
size_t sim_memory_count(int process);
void sim_memory_reset(void);

/* ---- fibers --------------------------------------------------------------------------------- */

void sim_fibers_reset(void);
void sim_latches_reset(void);
/* Begin with @run on a fiber of its own; returns when the seed is over. */
void sim_fibers_run(void (*run)(void));
__attribute__((noreturn)) void sim_fibers_leave(void);
struct sim_fiber *sim_spawn(struct sim_process *process, const char *name, void *(*run)(void *),
                            void *arg);
const char *sim_fiber_name(void);
struct sim_process *sim_here(void); /* NULL = the world's */
/* Another fiber may go on here. */
void sim_point(void);
/* Until one of the channels is woken, or @deadline_us; false = the deadline. NULL channels are none. */
bool sim_wait(const void *one, const void *other, int64_t deadline_us);
void sim_sleep(int64_t us);
void sim_wake(const void *channel);
bool sim_latch_is_set(const struct weir_latch *latch);
const void *sim_latch_channel(const struct weir_latch *latch); /* NULL for NULL */
/* Its fibers never run again. Does not return when the caller is one of them. */
void sim_fibers_kill(struct sim_process *process);
/* What the handler in hand is about, as lib/flow told the board. */
struct sim_board {
        int kind; /* enum weir_board_kind */
        int64_t row;
        int32_t item;
        bool inside; /* of a handler, with this: */
        int32_t partition;
        int64_t offset;
        struct sim_event *event;
};
struct sim_board *sim_board_here(void);
/* Of the @index-th fiber of @process; NULL = no more. */
const struct sim_board *sim_board_of(const struct sim_process *process, size_t index);

#endif
