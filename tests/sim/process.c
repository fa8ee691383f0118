/* SPDX-License-Identifier: MIT */
/*
 * process - what lib/runtime.c and the supervisor do for a worker process, as far as lib/flow sees it
 *
 * Main makes budget, pool and member, starts it, waits for its end, frees it. A kill is what it is from outside: no
 * code of the process runs on, the server finds the connections closed, the group misses a member some time later, the
 * supervisor writes down who was inside a handler and starts another process.
 *
 * Always true   a process that ended by itself has no memory left, no connection out, no byte of the budget held, no
 *               record in hand. One that is "stuck" (a handler hangs) is ended like a killed one, as cmd/run_worker.c does.
 */
#include "process.h"

#include <string.h>

#include "base/budget.h"
#include "kafka.h"
#include "plan.h"
#include "store.h"

enum { LOOK_MS = 300, HANG_US = 10000000 }; /* after a hang, who waited for it is late */

struct sim_process sim_processes[SIM_MEMORY_OWNERS];
int sim_process_count;

void sim_processes_reset(void)
{
        memset(sim_processes, 0, (size_t)sim_process_count * sizeof *sim_processes);
        sim_process_count = 0;
}

struct sim_process *sim_process_in(int slot)
{
        for (int i = sim_process_count; i-- > 0;)
                if (sim_processes[i].alive && sim_processes[i].slot == slot)
                        return &sim_processes[i];
        return NULL;
}

/* ---- made ----------------------------------------------------------------------------------- */

/* A range of each partition, up to where it was when the replay was planned; how far it is stands in its position. */
static void plan_ranges(struct sim_process *process)
{
        bool again = sim.plan->replay == SIM_REPLAY_AGAIN;

        process->replaying = (struct weir_replaying){ .id = 1,
                                                      .position_worker = "w@1",
                                                      .name = again ? "again" : "missing",
                                                      .space = again ? "w@again" : "w",
                                                      .epoch = again ? "again" : NULL,
                                                      .effects = true,
                                                      .skip_missing = true,
                                                      .ranges = process->ranges };
        for (int p = 0; p < sim.plan->partitions; p++) {
                struct sim_row *own = sim_position_find("w@1", "t", p);
                struct sim_row *live = sim_position_find("w", "t", p);
                struct weir_replay_range *range = &process->ranges[process->replaying.range_count];
                const struct sim_position *at = own ? own->now : NULL;

                if (!own || !live)
                        continue;
                *range = (struct weir_replay_range){
                        .topic = "t",
                        .partition = p,
                        .live_position = ((const struct sim_position *)live->now)->id,
                        .until_offset = sim_replay_until(p),
                        .next_offset = at->next_offset,
                        .end = WEIR_REPLAY_RUNS,
                };
                process->replaying.range_count++;
        }
}

/* That a plugin has it is asked; the call goes to handler.c. */
static int never_called(void *self, struct weir_tx *tx, const struct weir_event *const *events,
                        size_t count, int *outcomes, struct weir_error *reterr)
{
        (void)self, (void)tx, (void)events, (void)count, (void)outcomes;
        return weir_fail(reterr, WEIR_EHANDLER, 0, "called");
}

static void make_env(struct sim_process *process)
{
        const struct sim_plan *plan = sim.plan;

        process->conf = plan->conf;
        process->worker = plan->worker;
        process->worker.conf = &process->conf;
        process->handler.worker = (struct weir_worker){ .name = "sim", .version = "1" };
        process->handler.handles_batches = plan->batches;
        process->handler.worker.handle_batch = plan->batches ? never_called : NULL;
        weir_pool_new(NULL, plan->connections, &process->pool, NULL);
        process->env = (struct weir_lane_env){ .worker = &process->worker,
                                               .handler = &process->handler,
                                               .pool = process->pool,
                                               .budget = process->budget,
                                               .fetch_bytes = plan->budget_bytes,
                                               .owner = process->name,
                                               .users = &process->users };
        if (process->replays) {
                plan_ranges(process);
                process->env.replaying = &process->replaying;
        }
}

static void judge_end(struct sim_process *process)
{
        size_t left;

        if (process->budget)
                sim_check(weir_budget_used(process->budget) == 0, "budget",
                          "%s ended and holds %llu bytes of it", process->name,
                          (unsigned long long)weir_budget_used(process->budget));
        weir_budget_free(process->budget);
        weir_pool_free(process->pool);
        left = sim_memory_count(process->number);
        sim_check(left == 0, "leak", "%s ended and left %zu blocks", process->name, left);
}

int sim_lanes_of(const struct sim_process *process)
{
        int lanes = process->users;

        for (int i = 0; i < process->reloads; i++)
                lanes += process->reload_users[i];
        return lanes;
}

static void *main_run(void *arg)
{
        struct sim_process *process = arg;
        struct weir_error error;
        bool told = false;
        int end = WEIR_MEMBER_RUNS;

        if (sim.plan->budget_bytes &&
            weir_budget_new(sim.plan->budget_bytes, &process->budget, &error) < 0)
                sim_fail("model", "no budget");
        make_env(process);
        if ((process->replays && process->replaying.range_count == 0) ||
            weir_member_new(&process->conf, &process->env, &process->member, &error) < 0 ||
            weir_member_start(process->member, &error) < 0) {
                sim_trace("process %s does not start", process->name);
                end = WEIR_MEMBER_STUCK;
        }
        while (end == WEIR_MEMBER_RUNS) {
                if (process->leaving && !told) {
                        weir_member_stop(process->member,
                                         sim.now_us + process->conf.stop_deadline_ms * 1000);
                        told = true;
                }
                end = weir_member_wait(process->member, LOOK_MS, &error);
        }
        sim_trace("process %s ended: %d", process->name, end);
        if (end == WEIR_MEMBER_STUCK || sim_lanes_of(process)) {
                sim_check(!sim.healed || sim.now_us < sim.hangs_until_us + HANG_US, "stop",
                          "%s could not leave in time, though nothing is broken", process->name);
                sim_process_kill(process);
        }
        weir_member_free(process->member);
        judge_end(process);
        process->alive = false;
        sim_store_process_died(process->number);
        return NULL;
}

struct sim_process *sim_process_start(int slot, bool replays)
{
        struct sim_process *process;

        sim_check(sim_process_count < SIM_MEMORY_OWNERS, "processes",
                  "processes are started again and again");
        process = &sim_processes[sim_process_count];
        *process = (struct sim_process){
                .number = sim_process_count++, .slot = slot, .replays = replays, .alive = true
        };
        snprintf(process->name, sizeof process->name, "%s%d", replays ? "r" : "p", process->number);
        sim_trace("process %s starts", process->name);
        sim_spawn(process, "main", main_run, process);
        return process;
}

/* ---- ended ---------------------------------------------------------------------------------- */

static void *supervisor_main(void *arg)
{
        const struct sim_board *board = arg;

        sim_suspect(board->kind, board->partition, board->offset, board->item, board->row);
        return NULL;
}

/* Item -1: which event of its record it was is not known, so it is a death of each. */
static void count_death(const struct sim_board *board)
{
        struct sim_event *events = ((struct sim_plan *)sim.plan)->events;

        if (board->item >= 0)
                board->event->deaths++;
        for (size_t i = 0; board->item < 0 && i < sim_all_count; i++)
                if (sim_all_partition[i] == board->partition &&
                    sim_all_records[i]->offset == board->offset)
                        for (int k = 0; k < sim_all_records[i]->work->event_count; k++)
                                events[sim_all_records[i]->work->events[k]].deaths++;
}

/* Of a worker's process; a replay is its operator's, and has no supervisor. */
static void suspect(const struct sim_process *process)
{
        const struct sim_board *board;

        for (size_t i = 0; !process->replays && (board = sim_board_of(process, i)); i++) {
                struct sim_board *copy;

                if (!board->inside)
                        continue;
                copy = sim_alloc(sizeof *copy);
                *copy = *board;
                count_death(board);
                sim_spawn(NULL, "supervisor", supervisor_main, copy);
        }
}

void sim_process_kill(struct sim_process *process)
{
        if (!process->alive)
                return;
        process->alive = false;
        sim_trace("process %s is killed", process->name);
        suspect(process);
        sim_store_process_died(process->number);
        if (!process->replays)
                sim_group_died(process->number,
                               sim_between(&sim.random[SIM_FAULTS], 1000, sim.plan->session_us));
        sim_fibers_kill(process);
}

void sim_process_leave(struct sim_process *process)
{
        process->leaving = true;
}

void sim_process_reload(struct sim_process *process)
{
        if (!process->member || process->leaving || process->replays || process->reloads == 8 ||
            !weir_member_reloaded(process->member))
                return;
        process->env.users = &process->reload_users[process->reloads++];
        sim_trace("process %s reloads", process->name);
        weir_member_reload(process->member, &process->conf, &process->env);
}
