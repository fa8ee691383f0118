/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_PLAN_H
#define WEIR_SIM_PLAN_H
/*
 * plan - what a seed decides beforehand: configuration, workload, and how often what breaks
 */
#include "conf/conf.h"
#include "sim.h"

/* What the handler does with an event. */
enum sim_kind {
        SIM_GOOD,
        SIM_SKIPPED,  /* handled, and nothing written */
        SIM_REJECTED, /* WEIR_REJECT, always */
        SIM_TRIED,    /* WEIR_RETRY in its first tries */
        SIM_DATA,     /* a statement refused for its data: 22P02 */
        SIM_COPY,     /* the same, but only when rows are sent: nobody is named */
        SIM_DEFERRED, /* COMMIT is refused: 23503 */
        SIM_DEADLY,   /* the process dies inside the handler */
        SIM_KINDS
};

struct sim_event {
        int number; /* the id is "eN" */
        enum sim_kind kind;
        int tries;    /* SIM_TRIED: so many of them fail */
        bool mends;   /* good once the plugin is mended */
        bool buffers; /* its row waits until rows are sent */
        int deaths;   /* processes that died with it inside */
};

enum { SIM_EVENTS_MAX = 160, SIM_RECORDS_MAX = 120, SIM_ITEMS_MAX = 3 };

/* A record of the workload, before it is produced. */
struct sim_work {
        int partition, key; /* key -1 = none */
        int events[SIM_ITEMS_MAX];
        int event_count; /* more than one, or batched: a JSON batch */
        bool batched, garbage;
        int gap; /* offsets without a record before it */
        int64_t at_us;
};

enum sim_replay { SIM_REPLAY_NONE, SIM_REPLAY_MISSING, SIM_REPLAY_AGAIN };

struct sim_plan {
        int processes, partitions;
        bool cooperative, batches, may_halt;
        uint32_t connections, switch_per_million;
        uint64_t budget_bytes;
        struct weir_conf conf;
        struct weir_conf_worker worker;
        enum sim_replay replay;
        int64_t replay_at_us;

        uint32_t per_million[SIM_FAULT_COUNT]; /* where it is asked at each call */
        int nemesis[SIM_FAULT_COUNT];          /* of those with a moment: a weight */
        int nemesis_count;
        int64_t chaos_us; /* when it is healed */
        int64_t session_us;

        struct sim_event events[SIM_EVENTS_MAX];
        int event_count;
        struct sim_work work[SIM_RECORDS_MAX];
        int work_count;
};

void sim_plan_make(struct sim_plan *ret);
void sim_plan_trace(const struct sim_plan *plan);

#endif
