/* SPDX-License-Identifier: MIT */
/*
 * partition - what a lane reads, asks and tells, in place of lib/kafka/partition.c, queue.c and record.c
 *
 * Fetching begins when the poll thread comes to it; records come in the order of offsets, none below the last fetch;
 * a partition that broke yields nothing until it is fetched anew (PA1, PA2 there).
 *
 * Always true   what is told to Kafka was committed before (I7): judged here, at the moment when it is said.
 */
#include <string.h>

#include "base/clock.h"
#include "group.h"
#include "process.h"

struct weir_partition *sim_partition_new(struct weir_consumer *consumer, int32_t number)
{
        struct weir_partition *partition = sim_alloc(sizeof *partition);

        *partition = (struct weir_partition){ .refs = 1,
                                              .number = number,
                                              .consumer = consumer,
                                              .next_offset = -1,
                                              .stored = -1,
                                              .end_offset = -1 };
        return partition;
}

bool sim_partition_carry_out(struct weir_partition *partition)
{
        if (!partition->fetch_wanted)
                return false;
        partition->fetch_wanted = false;
        partition->phase = SIM_FETCHING;
        partition->next_offset = partition->fetch_offset;
        partition->made = sim_logs[partition->number].made;
        sim_wake(partition);
        return true;
}

static void break_it(struct weir_partition *partition, int code, const char *words)
{
        weir_fail(&partition->error, code, 0, "t/%d: reading stopped at offset %lld: %s",
                  partition->number, (long long)partition->next_offset, words);
        partition->phase = SIM_BROKEN;
        partition->fetch_wanted = false;
        sim_wake(partition);
}

void sim_partition_check(struct weir_partition *partition)
{
        if (partition->phase != SIM_FETCHING || !partition->has_read)
                return;
        partition->checks_begun++;
        if (partition->made != sim_logs[partition->number].made || sim_fault(SIM_DOUBT)) {
                partition->doubted = true;
                break_it(partition, WEIR_ELOG, "the log may be another one");
                return;
        }
        partition->checks_passed = partition->checks_begun;
}

/* ---- its owner ------------------------------------------------------------------------------ */

const char *weir_partition_topic(const struct weir_partition *partition)
{
        (void)partition;
        return "t";
}

int32_t weir_partition_number(const struct weir_partition *partition)
{
        return partition->number;
}

void weir_partition_ref(struct weir_partition *partition)
{
        partition->refs++;
}

void weir_partition_unref(struct weir_partition *partition)
{
        sim_check(partition->refs > 0, "refs", "partition %d is let go once too often",
                  partition->number);
        partition->refs--;
}

void weir_partition_set_owner(struct weir_partition *partition, void *owner)
{
        partition->owner = owner;
}

void *weir_partition_owner(const struct weir_partition *partition)
{
        return partition->owner;
}

bool weir_partition_revoked(const struct weir_partition *partition)
{
        return partition->revoked;
}

int64_t weir_partition_end(const struct weir_partition *partition)
{
        return partition->end_offset;
}

/* ---- questions and orders -------------------------------------------------------------------- */

int weir_partition_range(struct weir_partition *partition, int timeout_ms,
                         struct weir_log_range *ret, struct weir_error *reterr)
{
        const struct sim_log *log = &sim_logs[partition->number];

        if (partition->gone)
                return weir_fail(reterr, WEIR_ESTOP, 0, "t/%d: given back", partition->number);
        partition->inside++;
        sim_sleep(sim_between(&sim.random[SIM_SCHEDULE], 1, 2000));
        if (sim_fault(SIM_RANGE)) {
                sim_sleep(timeout_ms * 1000LL);
                partition->inside--;
                return weir_fail(reterr, WEIR_EKAFKA, 0, "t/%d: no answer", partition->number);
        }
        partition->inside--;
        *ret = (struct weir_log_range){ log->start_offset, log->end_offset };
        partition->end_offset = log->end_offset;
        return 0;
}

int weir_partition_offset_at(struct weir_partition *partition, int64_t time_ms, int timeout_ms,
                             int64_t *ret_offset, struct weir_error *reterr)
{
        struct weir_log_range range;
        int r = weir_partition_range(partition, timeout_ms, &range, reterr);

        (void)time_ms;
        if (r == 0)
                *ret_offset = range.start_offset;
        return r;
}

void weir_partition_fetch(struct weir_partition *partition, int64_t offset)
{
        sim_check(offset >= 0, "fetch", "fetching is asked for at offset %lld", (long long)offset);
        partition->fetch_wanted = true;
        partition->fetch_offset = offset;
        partition->halted = false;
        partition->phase = SIM_WAITING;
        sim_trace("fetch %d from %lld", partition->number, (long long)offset);
        weir_consumer_wake(partition->consumer);
        sim_point();
}

void weir_partition_halt(struct weir_partition *partition)
{
        partition->fetch_wanted = false;
        partition->halted = true;
        partition->phase = SIM_IDLE;
        sim_point();
}

void weir_partition_wake(struct weir_partition *partition)
{
        partition->woken = true;
        sim_wake(partition);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* 1 = the log may be read; 0 = nothing now; < 0. */
static int attend(struct weir_partition *partition, int64_t deadline_us, struct weir_error *reterr)
{
        bool woken;

        while ((partition->phase == SIM_IDLE || partition->phase == SIM_WAITING) &&
               !partition->woken && !partition->revoked && sim.now_us < deadline_us)
                sim_wait(partition, NULL, deadline_us);
        woken = partition->woken;
        partition->woken = false;
        if (partition->phase == SIM_BROKEN && !partition->revoked) {
                *reterr = partition->error;
                return reterr->code;
        }
        return partition->phase == SIM_FETCHING && !partition->revoked && !woken;
}

static bool is_readable(const struct weir_partition *partition)
{
        const struct sim_log *log = &sim_logs[partition->number];

        return partition->phase == SIM_FETCHING &&
               (partition->next_offset < log->start_offset ||
                sim_log_at(log, partition->next_offset) != NULL);
}

int weir_partition_await(struct weir_partition *partition, int timeout_ms,
                         struct weir_error *reterr)
{
        int64_t deadline_us = sim.now_us + timeout_ms * 1000LL;
        int r = 0;

        sim_point();
        if (partition->gone)
                return 0;
        partition->inside++;
        for (;;) {
                r = attend(partition, deadline_us, reterr);
                if (r != 1)
                        break;
                r = is_readable(partition) && !sim_fault(SIM_DRY);
                if (r || sim.now_us >= deadline_us)
                        break;
                sim_wait(partition, &sim_logs[partition->number], deadline_us);
        }
        partition->inside--;
        return r;
}

static int fault_of_read(struct weir_partition *partition, struct weir_error *reterr)
{
        const struct sim_log *log = &sim_logs[partition->number];

        if (partition->next_offset < log->start_offset || partition->next_offset > log->end_offset)
                break_it(partition, WEIR_ELOG, "the log no longer holds that offset");
        else if (sim_fault(SIM_DAMAGED))
                break_it(partition, WEIR_ELOG, "damaged, says the seed");
        else if (sim_fault(SIM_READ))
                break_it(partition, WEIR_EKAFKA, "cannot be read, says the seed");
        else
                return 0;
        *reterr = partition->error;
        return reterr->code;
}

int weir_partition_read(struct weir_partition *partition, int timeout_ms, struct weir_record *ret,
                        struct weir_error *reterr)
{
        struct sim_record *record;
        int r;

        sim_point();
        if (partition->gone)
                return 0;
        r = attend(partition, sim.now_us + timeout_ms * 1000LL, reterr);
        if (r != 1)
                return r;
        if (sim_fault(SIM_DRY))
                return 0;
        r = fault_of_read(partition, reterr);
        if (r < 0)
                return r;
        record = sim_log_at(&sim_logs[partition->number], partition->next_offset);
        if (!record)
                return 0;
        *ret = (struct weir_record){ .topic = "t",
                                     .partition = partition->number,
                                     .offset = record->offset,
                                     .time_ms = record->time_ms,
                                     .key = record->key,
                                     .value = record->value,
                                     .message = record,
                                     .from = partition };
        partition->next_offset = record->offset + 1;
        partition->held++;
        partition->has_read = true;
        return 1;
}

int weir_record_headers(struct weir_record *record, struct weir_arena *arena)
{
        const struct sim_record *message = record->message;

        if (!message)
                return 0;
        if (sim_fault(SIM_MEMORY))
                return WEIR_ENOMEM;
        record->header_count = message->header_count;
        record->headers = weir_arena_alloc(arena,
                                           (message->header_count + 1) * sizeof *record->headers);
        if (!record->headers)
                return WEIR_ENOMEM;
        if (message->header_count)
                memcpy(record->headers, message->headers,
                       message->header_count * sizeof *message->headers);
        return 0;
}

void weir_record_release(struct weir_record *record)
{
        if (!record->message)
                return;
        record->message = NULL;
        if (record->from)
                record->from->held--;
        record->from = NULL;
}

/* ---- how far -------------------------------------------------------------------------------- */

void weir_partition_store(struct weir_partition *partition, int64_t next_offset)
{
        const struct sim_log *log = &sim_logs[partition->number];

        sim_point();
        if (partition->consumer->placed || partition->gone || partition->lost)
                return;
        sim_check(next_offset <= log->passed_most, "I7",
                  "Kafka is told %lld of partition %d, only %lld was ever committed",
                  (long long)next_offset, partition->number, (long long)log->passed_most);
        partition->stored = next_offset;
}

int64_t weir_partition_position(struct weir_partition *partition)
{
        const struct sim_log *log = &sim_logs[partition->number];
        const struct sim_record *record;

        if (partition->gone || partition->phase != SIM_FETCHING)
                return -1;
        if (partition->next_offset < log->start_offset || partition->next_offset > log->end_offset)
                return partition->next_offset;
        record = sim_log_at(log, partition->next_offset);
        return record ? record->offset : log->end_offset;
}

bool weir_partition_doubted(struct weir_partition *partition)
{
        bool doubted = partition->doubted;

        partition->doubted = false;
        return doubted;
}

void weir_partition_checks(const struct weir_partition *partition, uint64_t *ret_begun,
                           uint64_t *ret_passed)
{
        *ret_begun = partition->checks_begun;
        *ret_passed = partition->checks_passed;
}

size_t weir_partition_queued(const struct weir_partition *partition)
{
        return is_readable(partition);
}

void weir_partition_waits(struct weir_partition *partition)
{
        (void)partition;
}

void weir_partition_starves(struct weir_partition *partition)
{
        weir_consumer_wake(partition->consumer);
}

/* Records are small here: no partition takes turns (kafka/heavy.c). */
bool weir_partition_out(struct weir_partition *partition)
{
        (void)partition;
        return false;
}

void weir_partition_finish(struct weir_partition *partition)
{
        (void)partition;
}
