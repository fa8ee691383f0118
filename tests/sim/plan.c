/* SPDX-License-Identifier: MIT */
/*
 * plan - every seed is another installation, another topic and another kind of bad day
 *
 * Faults are drawn in swarms: a seed has a few kinds of them, often, and the others not at all. A mix of everything in
 * every seed would hide what needs ten of one kind in a row, and would leave hardly a seed without a kill.
 *
 * Not chosen   what is never decided anew: batches of thousands, minutes of linger. What they could show is shown with
 *              three records, in a thousandth of the time.
 */
#include "plan.h"

#include <string.h>

#define CHAOS_MIN_US 500000
#define CHAOS_MAX_US 9000000

static struct sim_random *draw;

static int64_t between(int64_t low, int64_t high)
{
        return sim_between(draw, low, high);
}

static bool one_in(uint64_t n)
{
        return sim_below(draw, n) == 0;
}

/* ---- the configuration ---------------------------------------------------------------------- */

static const char *const topics[] = { "t" };

static void make_worker(struct sim_plan *plan)
{
        static const uint32_t batches[] = { 1, 2, 3, 5, 8, 16 };
        struct weir_conf_worker *worker = &plan->worker;

        *worker = (struct weir_conf_worker){
                .name = "w",
                .plugin = "sim",
                .group = "g",
                .topics = topics,
                .topic_count = 1,
                .processes = 1,
                .start = WEIR_START_EARLIEST,
                .batch_max_events = batches[sim_below(draw, 6)],
                .batch_max_bytes = one_in(4) ? 60 : 1 << 20,
                .batch_linger_us = one_in(2) ? 0 : between(1, 30) * 1000,
                .retry_first_delay_ms = between(1, 60),
                .retry_attempts = (uint32_t)between(1, 4),
                .retry_factor = (uint32_t)between(1, 4),
                .retry_jitter_percent = one_in(2) ? 0 : 50,
                .retry_order = one_in(2) ? WEIR_RETRY_PARK : WEIR_RETRY_BLOCK,
                .retry_park_max_keys = (uint32_t)between(1, 4),
                .retry_park_max_events = (uint32_t)between(1, 8),
                .on_dead = WEIR_DEAD_KEEP,
                .dead_max_percent = 100,
                .dead_window = (uint32_t)between(2, 40),
                .accept_json_batch = true,
                .where = "sim",
        };
        worker->retry_max_delay_ms = worker->retry_first_delay_ms * between(1, 8);
        if (one_in(6))
                worker->on_dead = WEIR_DEAD_HALT;
        else if (one_in(4))
                worker->on_dead = WEIR_DEAD_PUBLISH;
        else if (one_in(5))
                worker->dead_max_percent = (uint32_t)between(10, 60);
        if (worker->on_dead == WEIR_DEAD_PUBLISH)
                worker->dead_letter_topic = "dead";
        plan->conf = (struct weir_conf){
                .kafka_brokers = "sim",
                .stop_deadline_ms = between(3000, 9000),
                .stop_drain_ms = between(700, 4000),
                .crash_attempts = (uint32_t)between(2, 3),
        };
}

/* ---- the workload --------------------------------------------------------------------------- */

static int make_event(struct sim_plan *plan, uint32_t bad_percent)
{
        struct sim_event *event;

        if (plan->event_count == SIM_EVENTS_MAX)
                return (int)sim_below(draw, SIM_EVENTS_MAX);
        event = &plan->events[plan->event_count];
        *event = (struct sim_event){ .number = plan->event_count++, .buffers = one_in(3) };
        if (sim_below(draw, 100) >= bad_percent)
                return event->number;
        event->kind = (enum sim_kind)sim_below(draw, SIM_KINDS);
        if (event->kind == SIM_DEADLY && !one_in(4)) /* each one costs processes */
                event->kind = SIM_TRIED;
        event->tries = (int)between(1, 5);
        event->mends = plan->worker.on_dead == WEIR_DEAD_HALT ||
                       plan->worker.dead_max_percent < 100 || one_in(2);
        return event->number;
}

static void make_work(struct sim_plan *plan, int partitions, int keys, uint32_t bad_percent,
                      uint32_t twice_percent)
{
        struct sim_work *work = &plan->work[plan->work_count++];

        *work = (struct sim_work){
                .partition = (int)sim_below(draw, (uint64_t)partitions),
                .key = one_in(12) ? -1 : (int)sim_below(draw, (uint64_t)keys),
                .garbage = sim_below(draw, 100) < bad_percent / 4,
                .batched = one_in(10),
                .gap = one_in(8) ? (int)between(1, 3) : 0,
                .at_us = one_in(2) ? 0 : between(0, plan->chaos_us),
        };
        if (plan->worker.on_dead == WEIR_DEAD_HALT || plan->worker.dead_max_percent < 100)
                work->garbage = false; /* no plugin ever makes it good */
        work->event_count = work->batched ? (int)sim_below(draw, SIM_ITEMS_MAX + 1) : 1;
        for (int i = 0; i < work->event_count; i++)
                work->events[i] = plan->event_count && sim_below(draw, 100) < twice_percent
                                          ? (int)sim_below(draw, (uint64_t)plan->event_count)
                                          : make_event(plan, bad_percent);
}

static void make_workload(struct sim_plan *plan)
{
        static const uint32_t shares[] = { 0, 3, 10, 30 };
        uint32_t bad = shares[sim_below(draw, 4)], twice = shares[sim_below(draw, 4)];
        int count = (int)between(1, one_in(4) ? 100 : 40), keys = (int)between(1, 6);

        for (int i = 0; i < count; i++)
                make_work(plan, plan->partitions, keys, bad, twice);
}

/* ---- faults --------------------------------------------------------------------------------- */

static void make_faults(struct sim_plan *plan)
{
        static const enum sim_fault calls[] = { SIM_LOST_BEFORE,   SIM_LOST_AFTER,  SIM_REFUSED,
                                                SIM_NO_CONNECTION, SIM_COMMIT_LOST, SIM_AGAIN,
                                                SIM_SLOW,          SIM_MEMORY,      SIM_RANGE,
                                                SIM_READ,          SIM_DAMAGED,     SIM_DOUBT,
                                                SIM_DRY,           SIM_COMMITTED,   SIM_HANG,
                                                SIM_TRANSIENT,     SIM_KILL_INSIDE, SIM_FATAL };
        static const enum sim_fault moments[] = { SIM_KILL,      SIM_FREEZE,  SIM_EXPEL,
                                                  SIM_REBALANCE, SIM_RESTART, SIM_TERMINATE,
                                                  SIM_RETENTION, SIM_MOVE,    SIM_REQUEUE,
                                                  SIM_LEAVE,     SIM_RELOAD,  SIM_RECREATED };

        if (one_in(16)) /* a good day: nothing may be out of order then */
                return;
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
                if (one_in(3))
                        plan->per_million[calls[i]] = (uint32_t)between(500,
                                                                        one_in(4) ? 80000 : 12000);
        if (plan->per_million[SIM_HANG])
                plan->per_million[SIM_HANG] /= 3;
        if (plan->per_million[SIM_FATAL])
                plan->per_million[SIM_FATAL] /= 20;
        if (plan->per_million[SIM_KILL_INSIDE])
                plan->per_million[SIM_KILL_INSIDE] /= 2;
        for (size_t i = 0; i < sizeof moments / sizeof *moments; i++)
                if (one_in(2))
                        plan->nemesis[moments[i]] = (int)between(1, 4);
        if (!one_in(6))
                plan->nemesis[SIM_RETENTION] = plan->nemesis[SIM_RECREATED] = 0;
        plan->nemesis_count = (int)between(0, 10);
}

void sim_plan_make(struct sim_plan *ret)
{
        draw = &sim.random[SIM_WORKLOAD];
        memset(ret, 0, sizeof *ret);
        ret->chaos_us = between(CHAOS_MIN_US, one_in(3) ? CHAOS_MAX_US : CHAOS_MAX_US / 3);
        ret->processes = (int)between(1, 3);
        ret->partitions = (int)between(1, SIM_PARTITIONS_MAX);
        ret->cooperative = one_in(2);
        ret->batches = one_in(4);
        ret->connections = (uint32_t)between(1, 4);
        ret->switch_per_million = one_in(3) ? 300000 : one_in(2) ? 50000 : 2000;
        ret->budget_bytes = one_in(2) ? 0 : (uint64_t)between(2000, 40000);
        ret->session_us = between(500000, 6000000);
        make_worker(ret);
        make_workload(ret);
        make_faults(ret);
        if (one_in(4)) {
                ret->replay = one_in(2) ? SIM_REPLAY_MISSING : SIM_REPLAY_AGAIN;
                ret->replay_at_us = between(0, ret->chaos_us);
        }
        for (int i = 0; ret->replay && i < ret->event_count;
             i++) /* nobody counts what kills a replay */
                ret->events[i].mends |= ret->events[i].kind == SIM_DEADLY;
        if (ret->replay) /* of a log that is gone: planned anew, by an operator */
                ret->nemesis[SIM_RECREATED] = 0;
        ret->may_halt = ret->worker.on_dead == WEIR_DEAD_HALT ||
                        ret->worker.dead_max_percent < 100 || ret->nemesis[SIM_RETENTION] ||
                        ret->nemesis[SIM_RECREATED];
        if (sim.options.processes >= 1 && ret->processes > sim.options.processes)
                ret->processes = (int)sim.options.processes;
        if (sim.options.records >= 0 && ret->work_count > sim.options.records)
                ret->work_count = (int)sim.options.records;
}

void sim_plan_trace(const struct sim_plan *plan)
{
        const struct weir_conf_worker *worker = &plan->worker;

        sim_trace("plan processes=%d partitions=%d records=%d %s connections=%u budget=%llu "
                  "batch=%u%s linger_us=%lld attempts=%u order=%s on_dead=%d max_share=%u/%u "
                  "park=%u/%u replay=%d chaos_us=%lld",
                  plan->processes, plan->partitions, plan->work_count,
                  plan->cooperative ? "cooperative" : "eager", plan->connections,
                  (unsigned long long)plan->budget_bytes, worker->batch_max_events,
                  plan->batches ? " handle_batch" : "", (long long)worker->batch_linger_us,
                  worker->retry_attempts, worker->retry_order == WEIR_RETRY_PARK ? "park" : "block",
                  worker->on_dead, worker->dead_max_percent, worker->dead_window,
                  worker->retry_park_max_keys, worker->retry_park_max_events, plan->replay,
                  (long long)plan->chaos_us);
}
