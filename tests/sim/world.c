/* SPDX-License-Identifier: MIT */
/*
 * world - the life of a seed: chaos, healing, and the way to the end, which must be found
 *
 *   chaos    records are produced, processes run and die, what can break breaks
 *   heal     nothing breaks any more, the plugin is mended, who was frozen goes on, who died was started again
 *   settle   operators have letters run again and move what stands still for a reason; within a bounded time every
 *            record must be passed, nothing parked, nothing marked
 *   leave    all processes end by themselves, and leave nothing
 *
 * Not chosen   judging at some moment in the middle that all is well: what is lost shows only when nothing is left to do.
 */
#include <string.h>

#include "base/clock.h"
#include "checker.h"
#include "flow/requeue.h"
#include "group.h"
#include "kafka.h"
#include "process.h"
#include "store.h"

#define SUPERVISE_US 100000
#define SETTLE_MAX_US 300000000
#define STANDS_US                                                                                  \
        9000000 /* a partition that does not move for so long gets an operator's word, where it may halt */

struct sim sim;

static int64_t replay_until[SIM_PARTITIONS_MAX];
static bool replay_planned;
static int operators;                 /* at work */
static bool wants[SIM_PROCESSES_MAX]; /* the slot shall have a process */

int64_t sim_replay_until(int partition)
{
        return replay_until[partition];
}

/* ---- who is there --------------------------------------------------------------------------- */

static const struct sim_position *position_of(const char *worker, int partition)
{
        struct sim_row *row = sim_position_find(worker, "t", partition);

        return row ? row->now : NULL;
}

static int replay_slot(void)
{
        return sim.plan->processes;
}

static bool replay_is_over(void)
{
        if (!replay_planned)
                return true;
        for (int p = 0; p < sim.plan->partitions; p++) {
                const struct sim_position *at = position_of("w@1", p);

                if (at && (at->next_offset < replay_until[p] || sim_parked_count(at->id)))
                        return false;
        }
        return true;
}

/* The supervisor: a slot without a process gets one. */
static void *supervise(void *unused)
{
        (void)unused;
        for (;;) {
                for (int slot = 0; slot < sim.plan->processes; slot++)
                        if (wants[slot] && !sim_process_in(slot))
                                sim_process_start(slot, false);
                if (wants[replay_slot()] && !sim_process_in(replay_slot()) && !replay_is_over())
                        sim_process_start(replay_slot(), true);
                sim_sleep(SUPERVISE_US);
        }
        return NULL;
}

/* In the order of the plan: a late one holds up those behind it, so what is sent at once is many. */
static void *produce(void *unused)
{
        (void)unused;
        for (int i = 0; i < sim.plan->work_count; i++) {
                if (sim.plan->work[i].at_us > sim.now_us)
                        sim_sleep(sim.plan->work[i].at_us - sim.now_us);
                sim_log_produce(&sim.plan->work[i]);
        }
        return NULL;
}

/* ---- operators ------------------------------------------------------------------------------ */

static void requeue_all(void)
{
        struct weir_pg pg = { .number = -3, .process = -1 };
        struct weir_requeue requeue = { .pg = &pg, .mark = { "operator", NULL } };
        struct weir_error error;
        int r;

        while ((r = weir_requeue_chunk(&requeue, 3, &error)) == 0)
                ;
        if (r < 0 && pg.tx)
                sim_store_abandon(&pg);
        weir_requeue_fini(&requeue);
        sim_trace("operator requeues: %lld", (long long)requeue.marked);
}

static void *requeue_main(void *unused)
{
        (void)unused;
        operators++;
        requeue_all();
        operators--;
        return NULL;
}

/* Back, to have records read again; where they are gone, to the first that there is. */
static void *move_main(void *unused)
{
        int p = (int)sim_below(&sim.random[SIM_FAULTS], (uint64_t)sim.plan->partitions);
        const struct sim_position *at = position_of("w", p);
        int64_t start = sim_logs[p].start_offset;

        (void)unused;
        if (at && at->next_offset >= 0 && !sim_logs[p].position_is_old)
                sim_operator_move(p, at->next_offset <= start
                                             ? start
                                             : sim_between(&sim.random[SIM_FAULTS], start,
                                                           at->next_offset));
        return NULL;
}

/* The positions of a replay of all that there is, in one transaction with its plan (RY1). */
static void plan_replay(void)
{
        struct weir_pg pg = { .number = -4, .process = -1 };

        for (int p = 0; p < sim.plan->partitions; p++) {
                const struct sim_log *log = &sim_logs[p];
                const struct sim_position *live = position_of("w", p);
                struct sim_position *made;

                if (!live || live->next_offset < 0 || log->made)
                        continue;
                replay_until[p] = sim_between(&sim.random[SIM_WORKLOAD], log->start_offset,
                                              log->end_offset);
                sim_tx_begin(&pg);
                made = sim_alloc(sizeof *made);
                *made = (struct sim_position){ .id = (int32_t)sim_id(),
                                               .worker = "w@1",
                                               .topic = "t",
                                               .partition = p,
                                               .next_offset = log->start_offset,
                                               .last_offset = -1,
                                               .last_time_ms = -1,
                                               .owner = "" };
                sim_row_insert(pg.tx, SIM_POSITION, made);
                sim_tx_commit(pg.tx);
                sim_trace("replay of %d: %lld to %lld", p, (long long)log->start_offset,
                          (long long)replay_until[p]);
        }
        replay_planned = true;
}

static void *replay_main(void *unused)
{
        (void)unused;
        sim_sleep(sim.plan->replay_at_us);
        plan_replay();
        wants[replay_slot()] = true;
        return NULL;
}

/* ---- the nemesis ---------------------------------------------------------------------------- */

static struct sim_process *anybody(void)
{
        struct sim_process *able[SIM_MEMORY_OWNERS];
        size_t count = 0;

        for (int i = 0; i < sim_process_count; i++)
                if (sim_processes[i].alive)
                        able[count++] = &sim_processes[i];
        return count ? able[sim_below(&sim.random[SIM_FAULTS], count)] : NULL;
}

/* While nobody reads; beneath a running worker see test_anchor. And where a record proves which log it was. */
static void make_anew(int partition)
{
        const struct sim_position *at = position_of("w", partition);

        if (!at || at->last_offset < 0)
                return;
        for (int i = 0; i < sim_process_count; i++)
                sim_process_kill(&sim_processes[i]);
        sim_log_make_anew(partition);
}

static void strike(enum sim_fault fault)
{
        struct sim_random *random = &sim.random[SIM_FAULTS];
        struct sim_process *process = anybody();
        int64_t us = sim_between(random, 1000, 7000000);
        int p = (int)sim_below(random, (uint64_t)sim.plan->partitions);
        struct weir_pg *pg;

        if (!sim_fault_now(fault))
                return;
        switch (fault) {
        case SIM_KILL:
                if (process)
                        sim_process_kill(process);
                break;
        case SIM_FREEZE:
                if (!process)
                        break;
                process->frozen_until_us = sim.now_us + us;
                if (us > sim.plan->session_us)
                        sim_group_expel(process->number, us);
                break;
        case SIM_EXPEL:
                if (process)
                        sim_group_expel(process->number, us / 2);
                break;
        case SIM_REBALANCE: sim_group_rebalance(); break;
        case SIM_RESTART: sim_store_restart(us / 4); break;
        case SIM_TERMINATE:
                pg = sim_store_connection(sim_below(random, 8));
                if (pg && !pg->lost)
                        sim_store_terminate(pg);
                break;
        case SIM_RETENTION: sim_log_retain(p); break;
        case SIM_RECREATED: make_anew(p); break;
        case SIM_MOVE: sim_spawn(NULL, "operator", move_main, NULL); break;
        case SIM_REQUEUE: sim_spawn(NULL, "operator", requeue_main, NULL); break;
        case SIM_LEAVE:
                if (process && !process->replays)
                        sim_process_leave(process);
                break;
        case SIM_RELOAD:
                if (process)
                        sim_process_reload(process);
                break;
        default: break;
        }
}

static enum sim_fault next_strike(void)
{
        int all = 0, at;

        for (int i = 0; i < SIM_FAULT_COUNT; i++)
                all += sim.plan->nemesis[i];
        at = (int)sim_below(&sim.random[SIM_FAULTS], (uint64_t)all);
        for (int i = 0; i < SIM_FAULT_COUNT; i++) {
                at -= sim.plan->nemesis[i];
                if (at < 0 && all)
                        return (enum sim_fault)i;
        }
        return SIM_FAULT_COUNT;
}

static void *nemesis_main(void *unused)
{
        (void)unused;
        for (int i = 0; i < sim.plan->nemesis_count; i++) {
                enum sim_fault fault;

                sim_sleep(sim_between(&sim.random[SIM_FAULTS], 0,
                                      2 * sim.plan->chaos_us / (sim.plan->nemesis_count + 1)));
                fault = next_strike();
                if (sim.healed)
                        return NULL;
                if (fault != SIM_FAULT_COUNT)
                        strike(fault);
        }
        return NULL;
}

/* ---- the way to the end --------------------------------------------------------------------- */

/* Where a partition stands that may stand for a reason: the operator's word is the position it has, or the first one
 * that there is. */
static void help(int64_t *since_us, int64_t *seen)
{
        for (int p = 0; p < sim.plan->partitions; p++) {
                const struct sim_position *at = position_of("w", p);
                const struct sim_log *log = &sim_logs[p];
                int64_t offset = at ? at->next_offset : -1;

                if (offset != seen[p] || (offset == log->end_offset && !log->position_is_old &&
                                          !(at && sim_parked_count(at->id)))) {
                        seen[p] = offset;
                        since_us[p] = sim.now_us;
                }
                if (!sim.plan->may_halt || offset < 0 || sim.now_us - since_us[p] < STANDS_US ||
                    !sim_group_has_halted(p))
                        continue;
                since_us[p] = sim.now_us;
                sim_operator_move(p, offset < log->start_offset || offset > log->end_offset ||
                                                     log->made
                                             ? log->start_offset
                                             : offset);
        }
}

static bool is_settled(void)
{
        for (int p = 0; p < sim.plan->partitions; p++) {
                const struct sim_position *at = position_of("w", p);

                if (!at || at->next_offset != sim_logs[p].end_offset ||
                    sim_logs[p].position_is_old || sim_parked_count(at->id))
                        return false;
        }
        return replay_is_over() && operators == 0 && sim_letters_in("requeue") == 0;
}

static void settle(void)
{
        int64_t since_us[SIM_PARTITIONS_MAX] = { 0 }, seen[SIM_PARTITIONS_MAX] = { 0 };
        int64_t until_us = sim.now_us + SETTLE_MAX_US;
        int rounds = 0;

        for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
                since_us[p] = sim.now_us;
        while (rounds < 2 || !is_settled()) {
                help(since_us, seen);
                if (is_settled() && rounds++ < 2)
                        requeue_all(); /* once for what died before, once for what died of that */
                sim_check(sim.now_us < until_us, "liveness", "%s", sim_what_is_left());
                sim_sleep(100000);
        }
}

static void leave(void)
{
        int64_t until_us = sim.now_us + 60000000;

        for (int slot = 0; slot < SIM_PROCESSES_MAX; slot++)
                wants[slot] = false;
        for (int i = 0; i < sim_process_count; i++)
                if (sim_processes[i].alive)
                        sim_process_leave(&sim_processes[i]);
        for (int i = 0; i < sim_process_count; i++)
                while (sim_processes[i].alive) {
                        sim_check(sim.now_us < until_us, "stop", "%s does not leave",
                                  sim_processes[i].name);
                        sim_sleep(50000);
                }
}

static void live(void)
{
        sim_plan_trace(sim.plan);
        for (int slot = 0; slot < sim.plan->processes; slot++)
                wants[slot] = true;
        sim_spawn(NULL, "producer", produce, NULL);
        sim_spawn(NULL, "supervise", supervise, NULL);
        sim_spawn(NULL, "nemesis", nemesis_main, NULL);
        if (sim.plan->replay)
                sim_spawn(NULL, "operator", replay_main, NULL);
        sim_sleep(sim.plan->chaos_us);
        sim.healed = sim.mended = true;
        sim_trace("healed");
        for (int i = 0; i < sim_process_count; i++)
                sim_processes[i].frozen_until_us = 0;
        settle();
        leave();
        sim_judge_end();
}

void sim_run(const struct sim_options *options, struct sim_result *ret)
{
        static struct sim_plan plan;

        memset(ret, 0, sizeof *ret);
        memset(&sim, 0, sizeof sim);
        sim.options = *options;
        sim.result = ret;
        for (int i = 0; i < SIM_STREAMS; i++) {
                sim.random[i].state = options->seed * 4 + (uint64_t)i;
                sim.random[i].state = sim_next(&sim.random[i]);
        }
        memset(wants, 0, sizeof wants);
        replay_planned = false;
        operators = 0;
        sim_plan_make(&plan);
        sim.plan = &plan;
        sim_store_reset();
        sim_kafka_reset();
        sim_group_reset();
        sim_processes_reset();
        sim_latches_reset();
        sim_fibers_run(live);
        ret->steps = sim.steps;
        ret->faults = sim.faults;
        ret->switches = sim.switches;
        ret->virtual_us = sim.now_us;
        sim_fibers_reset();
        sim_memory_reset();
}
