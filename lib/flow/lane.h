/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_LANE_H
#define WEIR_FLOW_LANE_H
/*
 * lane - one thread for one assigned partition, from the taking of its position to the giving up
 *
 * Thread   start, stop, finished, unref: poll thread. The rest is the lane's own thread.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "kafka/consumer.h"
#include "plugin/host.h"
#include "store/pool.h"

struct weir_budget;
struct weir_lane;
struct weir_marks;
struct weir_gate;
struct weir_replaying;

/* What all lanes of a worker share. Outlives them. */
struct weir_lane_env {
        const struct weir_conf_worker *worker;
        struct weir_handler *handler;
        struct weir_pool *pool;
        struct weir_budget *budget; /* for batches; NULL = no bound */
        uint64_t fetch_bytes;       /* for the fetch queues of this worker; 0 = no bound */
        const char *owner;          /* "host:pid", shown in weir.position */
        const char *instance;       /* group.instance.id; NULL = none */
        struct weir_marks *marks;   /* dead letters to be run again; NULL = nobody looks */
        const struct weir_replaying *replaying; /* NULL = ordinary consumption */
        struct weir_gate *gate;                 /* NULL = suspects need not be alone */
        atomic_int *users; /* counts the lanes that still look at all this; NULL = nobody does */
};

/* Start the thread. Takes over the reference to @partition. */
int weir_lane_start(const struct weir_lane_env *env, struct weir_partition *partition,
                    struct weir_lane **ret, struct weir_error *reterr);

/* What it was started with: it keeps that to its end. */
const struct weir_lane_env *weir_lane_env(const struct weir_lane *lane);

enum weir_lane_stop {
        WEIR_LANE_DRAIN = 1, /* finish the transaction in hand, then leave */
        WEIR_LANE_ABORT = 2  /* leave now: interrupt what waits, roll back */
};
void weir_lane_stop(struct weir_lane *lane, enum weir_lane_stop how);

/* Wait until the thread is out or @deadline_us; true = it is out (and joined on the last unref). */
bool weir_lane_wait(struct weir_lane *lane, int64_t deadline_us);
/* Let go. A lane that is still running (a handler that does not return) cleans up after itself; its
 * transaction cannot commit: whoever takes the partition next bumps the epoch. */
void weir_lane_unref(struct weir_lane *lane);
/* Lanes whose threads have not ended yet; a process with one must end by _exit. */
int weir_lane_count(void);

#endif
