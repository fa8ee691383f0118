/* SPDX-License-Identifier: MIT */
/*
 * group - a coordinator that gives and takes, and the poll side of its members, in place of lib/kafka/consumer.c
 *
 * Who owns a partition is drawn at each rebalance. A member hears of it when it serves; eager ones give everything back
 * first, cooperative ones what is not theirs any more; nobody gets a partition before it was given back, unless its
 * holder was taken for dead. That one goes on until it hears: a zombie, and what the fence is for.
 *
 * Always true   revoked() is called once for each partition that assigned() named; no call reaches the log for it
 *               afterwards (R2, R3 of lib/kafka/rebalance.c).
 *               close says 1 where a lane is still inside at its deadline (M1).
 * Not modelled  the protocol: joins, syncs, heartbeats. lib/kafka has its own tests, on Apache Kafka.
 */
#include "group.h"

#include <string.h>

#include "base/clock.h"
#include "process.h"

enum { MEMBERS_MAX = 256, COMMIT_US = 1000000, CHECK_US = 5000000 };

static struct weir_consumer *members[MEMBERS_MAX];
static size_t member_count;
static int holder[SIM_PARTITIONS_MAX]; /* index of the member that has it; -1 = nobody */
static int wanted[SIM_PARTITIONS_MAX]; /* … that shall have it */
static uint64_t generation;

void sim_group_reset(void)
{
        member_count = 0;
        generation = 0;
        for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
                holder[p] = wanted[p] = -1;
}

struct weir_consumer *sim_group_consumer(int process)
{
        for (size_t i = 0; i < member_count; i++)
                if (members[i]->process == process && members[i]->state == SIM_MEMBER)
                        return members[i];
        return NULL;
}

bool sim_group_has_halted(int partition)
{
        for (size_t i = 0; i < member_count; i++)
                for (size_t k = 0; members[i]->state == SIM_MEMBER && k < members[i]->held_count;
                     k++)
                        if (members[i]->held[k]->number == partition && members[i]->held[k]->halted)
                                return true;
        return false;
}

/* ---- the coordinator ------------------------------------------------------------------------ */

void sim_group_rebalance(void)
{
        int able[MEMBERS_MAX];
        size_t count = 0;

        generation++;
        for (size_t i = 0; i < member_count; i++)
                if (members[i]->state == SIM_MEMBER && !members[i]->placed)
                        able[count++] = (int)i;
        for (int p = 0; p < sim.plan->partitions; p++)
                wanted[p] = count ? able[sim_below(&sim.random[SIM_FAULTS], count)] : -1;
        sim_trace("group generation %llu, %zu members", (unsigned long long)generation, count);
        for (size_t i = 0; i < member_count; i++)
                sim_wake(members[i]);
}

static void put_out(struct weir_consumer *consumer)
{
        if (consumer->state != SIM_MEMBER)
                return;
        consumer->state = SIM_OUT;
        for (int p = 0; p < SIM_PARTITIONS_MAX; p++)
                if (holder[p] >= 0 && members[holder[p]] == consumer)
                        holder[p] = -1;
        if (!consumer->placed)
                sim_group_rebalance();
}

void sim_group_expel(int process, int64_t deaf_us)
{
        struct weir_consumer *consumer = sim_group_consumer(process);

        if (!consumer || consumer->placed)
                return;
        consumer->deaf_until_us = sim.now_us + deaf_us;
        put_out(consumer);
}

struct death {
        int process;
        int64_t in_us;
};

static void *death_main(void *arg)
{
        const struct death *death = arg;
        struct weir_consumer *consumer;

        sim_sleep(death->in_us);
        consumer = sim_group_consumer(death->process);
        if (consumer)
                put_out(consumer);
        return NULL;
}

void sim_group_died(int process, int64_t in_us)
{
        struct death *death = sim_alloc(sizeof *death);

        *death = (struct death){ process, in_us };
        sim_spawn(NULL, "coordinator", death_main, death);
}

static int index_of(const struct weir_consumer *consumer)
{
        for (size_t i = 0; i < member_count; i++)
                if (members[i] == consumer)
                        return (int)i;
        return -1;
}

/* ---- lib/kafka/consumer.h: a member ---------------------------------------------------------- */

int weir_consumer_new(const struct weir_consumer_conf *conf, struct weir_consumer **ret,
                      struct weir_error *reterr)
{
        struct weir_consumer *consumer = sim_alloc(sizeof *consumer);

        (void)reterr;
        consumer->conf = *conf;
        consumer->process = sim_here()->number;
        consumer->placed = conf->place_count > 0;
        consumer->state = SIM_UNJOINED;
        consumer->commit_at_us = sim.now_us + COMMIT_US;
        for (size_t i = 0; i < conf->place_count; i++)
                consumer->places[consumer->place_count++] = conf->places[i].partition;
        if (!consumer->placed && conf->fetch_bytes && !conf->partitions)
                consumer->outgrown = (uint32_t)sim.plan->partitions;
        *ret = consumer;
        return 0;
}

static void join(struct weir_consumer *consumer)
{
        consumer->state = SIM_MEMBER;
        if (consumer->placed) {
                consumer->seen = generation;
                return;
        }
        if (index_of(consumer) < 0) {
                sim_check(member_count < MEMBERS_MAX, "model", "too many members");
                members[member_count++] = consumer;
        }
        sim_group_rebalance();
}

static void give(struct weir_consumer *consumer, int32_t number)
{
        struct weir_partition *partition = sim_partition_new(consumer, number);

        consumer->held[consumer->held_count++] = partition;
        consumer->rebalances++;
        partition->refs++; /* the owner's */
        sim_trace("assigned %d", number);
        consumer->conf.events->assigned(consumer->conf.context, partition);
}

static void take_back(struct weir_consumer *consumer, bool (*which)(const struct weir_partition *),
                      bool lost, int64_t deadline_us)
{
        struct weir_partition *taken[SIM_PARTITIONS_MAX];
        size_t count = 0, kept = 0;

        for (size_t i = 0; i < consumer->held_count; i++)
                if (!which || which(consumer->held[i]))
                        taken[count++] = consumer->held[i];
                else
                        consumer->held[kept++] = consumer->held[i];
        consumer->held_count = kept;
        if (!count)
                return;
        for (size_t i = 0; i < count; i++) {
                taken[i]->lost = lost;
                taken[i]->revoked = true;
                sim_wake(taken[i]);
        }
        sim_trace("revoked %zu%s", count, lost ? " lost" : "");
        consumer->conf.events->revoked(consumer->conf.context, taken, count, lost, deadline_us);
        for (size_t i = 0; i < count; i++) {
                int p = taken[i]->number;

                taken[i]->gone = true;
                taken[i]->next_parting = consumer->parting;
                consumer->parting = taken[i];
                if (!consumer->placed && !lost && holder[p] >= 0 && members[holder[p]] == consumer)
                        holder[p] = -1;
        }
        for (size_t i = 0; i < member_count; i++)
                sim_wake(members[i]);
}

static bool not_wanted(const struct weir_partition *partition)
{
        int p = partition->number;

        return wanted[p] < 0 || members[wanted[p]] != partition->consumer;
}

static bool all_have_seen(void)
{
        for (size_t i = 0; i < member_count; i++)
                if (members[i]->state == SIM_MEMBER && !members[i]->placed &&
                    members[i]->seen != generation)
                        return false;
        return true;
}

static void take_part(struct weir_consumer *consumer)
{
        int64_t deadline_us = sim.now_us + consumer->conf.drain_ms * 1000;

        if (consumer->state == SIM_OUT && sim.now_us >= consumer->deaf_until_us) {
                take_back(consumer, NULL, true, deadline_us);
                join(consumer);
        }
        if (consumer->state != SIM_MEMBER || consumer->placed)
                return;
        if (consumer->seen != generation) {
                consumer->seen = generation;
                take_back(consumer, sim.plan->cooperative ? not_wanted : NULL, false, deadline_us);
        }
        if (!sim.plan->cooperative && !all_have_seen())
                return;
        for (int p = 0; p < sim.plan->partitions; p++)
                if (consumer->state == SIM_MEMBER && consumer->seen == generation &&
                    wanted[p] >= 0 && members[wanted[p]] == consumer && holder[p] < 0) {
                        holder[p] = wanted[p];
                        give(consumer, p);
                }
}

static void commit_stored(struct weir_consumer *consumer)
{
        if (sim.now_us < consumer->commit_at_us)
                return;
        consumer->commit_at_us = sim.now_us + COMMIT_US;
        for (size_t i = 0; i < consumer->held_count; i++)
                if (consumer->held[i]->stored >= 0 && !sim_fault(SIM_COMMITTED))
                        sim_logs[consumer->held[i]->number].committed = consumer->held[i]->stored;
}

/* lib/kafka/landmark.c: a log that was made anew is doubted some seconds later. */
static void check_logs(struct weir_consumer *consumer)
{
        if (sim.now_us < consumer->check_at_us)
                return;
        consumer->check_at_us = sim.now_us + CHECK_US;
        for (size_t i = 0; i < consumer->held_count; i++)
                sim_partition_check(consumer->held[i]);
}

/* What its lanes asked for; true = there was something. */
static bool carry_out(struct weir_consumer *consumer)
{
        bool any = false;

        for (size_t i = 0; i < consumer->held_count; i++)
                any |= sim_partition_carry_out(consumer->held[i]);
        return any;
}

static void sweep(struct weir_consumer *consumer)
{
        struct weir_partition **link = &consumer->parting;

        while (*link) {
                struct weir_partition *partition = *link;

                if (partition->inside || partition->held) {
                        link = &partition->next_parting;
                        continue;
                }
                *link = partition->next_parting;
                weir_partition_unref(partition);
        }
}

int weir_consumer_serve(struct weir_consumer *consumer, int timeout_ms, struct weir_error *reterr)
{
        int64_t until_us = sim.now_us + timeout_ms * 1000LL;
        uint64_t seen;

        sim_point();
        if (consumer->outgrown)
                return 1;
        if (sim_fault(SIM_FATAL))
                return weir_fail(reterr, WEIR_EFATAL, 0, "fatal, says the seed");
        if (consumer->state == SIM_UNJOINED) {
                join(consumer);
                for (size_t i = 0; i < consumer->place_count; i++)
                        give(consumer, consumer->places[i]);
        }
        take_part(consumer);
        carry_out(consumer);
        check_logs(consumer);
        commit_stored(consumer);
        sweep(consumer);
        seen = consumer->seen;
        if (!consumer->woken &&
            (consumer->state != SIM_MEMBER || consumer->placed || seen == generation))
                sim_wait(consumer, NULL, until_us);
        consumer->woken = false;
        carry_out(consumer);
        return 0;
}

uint32_t weir_consumer_outgrown(const struct weir_consumer *consumer)
{
        return consumer->outgrown;
}

void weir_consumer_wake(struct weir_consumer *consumer)
{
        consumer->woken = true;
        sim_wake(consumer);
}

void weir_consumer_state(struct weir_consumer *consumer, struct weir_consumer_state *ret)
{
        *ret = (struct weir_consumer_state){ .joined = consumer->state == SIM_MEMBER,
                                             .assigned_count = (uint32_t)consumer->held_count,
                                             .rebalances = consumer->rebalances };
}

int weir_consumer_close(struct weir_consumer *consumer, int64_t deadline_us)
{
        sim_point();
        consumer->outgrown = 0;
        take_back(consumer, NULL, consumer->state == SIM_OUT,
                  deadline_us - (deadline_us - sim.now_us) / 4);
        put_out(consumer);
        consumer->state = SIM_LEFT;
        for (;;) {
                sweep(consumer);
                if (!consumer->parting)
                        return 0;
                if (sim.now_us >= deadline_us)
                        return 1;
                sim_sleep(1000);
        }
}

void weir_consumer_free(struct weir_consumer *consumer)
{
        if (consumer)
                sim_check(consumer->state == SIM_LEFT && !consumer->parting, "close",
                          "a consumer is freed before it was closed");
}
