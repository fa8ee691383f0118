/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SIM_PROCESS_H
#define WEIR_SIM_PROCESS_H
/*
 * process - one simulated worker process: started, killed, frozen, told to leave
 *
 * Main is a fiber: it makes what lib/runtime.c makes of a configuration, starts a member and waits for its end.
 */
#include "conf/conf.h"
#include "flow/member.h"
#include "flow/pace.h"
#include "flow/replaying.h"
#include "sim.h"

/* Numbers of processes in a seed: a process that is started anew is another one. */
enum { SIM_MEMORY_OWNERS = 512 };

struct weir_handler {
        struct weir_worker worker;
        bool handles_batches;
};

struct sim_process {
        int number;
        char name[16];
        int slot; /* of the configuration: one process runs in each */
        bool replays;
        bool alive;
        int64_t frozen_until_us;
        bool leaving; /* told to */

        struct weir_conf conf;
        struct weir_conf_worker worker;
        struct weir_handler handler;
        struct weir_lane_env env;
        struct weir_member *member;
        struct weir_pool *pool;
        struct weir_budget *budget;
        atomic_int users;
        struct weir_replaying replaying;
        struct weir_pace pace;
        struct weir_replay_range ranges[SIM_PARTITIONS_MAX];
        int reloads;
        atomic_int reload_users[8];
};

extern struct sim_process sim_processes[SIM_MEMORY_OWNERS];
extern int sim_process_count;

void sim_processes_reset(void);
/* NULL: there were too many already. */
struct sim_process *sim_process_start(int slot, bool replays);
/* As by SIGKILL; what was inside a handler is suspected. May be the caller's own process: then it does not
 * return. */
void sim_process_kill(struct sim_process *process);
void sim_process_leave(struct sim_process *process);
/* Lanes whose threads have not ended. */
int sim_lanes_of(const struct sim_process *process);
/* The end of the replay's range in a partition, planned once. */
int64_t sim_replay_until(int partition);
void sim_process_reload(struct sim_process *process);
/* Of the slot, NULL = none runs. */
struct sim_process *sim_process_in(int slot);

#endif
