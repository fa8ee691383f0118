/* SPDX-License-Identifier: MIT */
/*
 * intake - collect what may share a transaction
 *
 * The first record is waited for; then the batch is filled until it is full, or the queue stays empty for
 * the linger. A queue that ran dry although the log goes on is reported (weir_partition_starves):
 * the broker thread looks at full queues again only once a second (librdkafka below 2.2), a request of ours
 * makes it look now. That is asked for before the transaction, so the fetch runs beside it.
 *
 * Identity (P3): locate starts the fetch at the last record handled. If that record comes, it is compared
 * and dropped. A position that has none (a first start in the middle, an operator's word) takes the last record before
 * it for its own, where one can be seen. A topic deleted and made again reads on silently at the old offset: this is what notices.
 */
#include "flow/intake.h"

#include "base/clock.h"
#include "base/log.h"

#define FIRST_WAIT_MS 250
#define LOW_WATER_BATCHES 4 /* fewer queued: ask for more now, the answer takes a batch or two */

/* Idle long enough to give the memory of a burst back. */
#define TRIM_AFTER_US (10 * 1000000ll)

void weir_intake_init(struct weir_intake *intake, const struct weir_conf_worker *worker)
{
        *intake = (struct weir_intake){ .worker = worker };
        weir_batch_init(&intake->batch, worker->name, NULL, worker->accept_json_batch);
}

void weir_intake_fini(struct weir_intake *intake)
{
        weir_batch_fini(&intake->batch);
}

void weir_intake_restart(struct weir_intake *intake)
{
        weir_intake_drop(intake);
        intake->identity_checked = intake->foreign_log = intake->adopted = false;
        intake->idle = false;
        intake->idle_since_us = 0;
}

static void trim(struct weir_intake *intake)
{
        weir_batch_fini(&intake->batch);
        weir_batch_init(&intake->batch, intake->worker->name, NULL,
                        intake->worker->accept_json_batch);
}

/* Nothing was handled yet, but this is the record that the position stands behind. */
static int adopt(struct weir_intake *intake, const struct weir_record *record,
                 struct weir_error *reterr)
{
        intake->known.last_offset = record->offset;
        intake->known.last_time_ms = record->time_ms;
        if (weir_key_fingerprint(record->time_ms, record->key, record->value,
                                 &intake->known.last_fingerprint) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "fingerprint");
        intake->adopted = true;
        return 1;
}

/* 1 = it was the identity record, dropped; 0 = an ordinary one; < 0 = another log. */
static int check_identity(struct weir_intake *intake, struct weir_record *record,
                          const struct weir_position *position, struct weir_error *reterr)
{
        int64_t fingerprint = 0;
        bool same;

        if (intake->identity_checked)
                return record->offset <
                       position->next_offset; /* on the way from an older identity */
        if (position->last_offset < 0 && record->offset < position->next_offset)
                return adopt(intake, record, reterr);
        if (record->offset != position->last_offset) {
                /* Compacted or expired away: nothing to compare with. Offsets below the position are ours. */
                intake->identity_checked = record->offset >= position->next_offset;
                return record->offset < position->next_offset;
        }
        intake->identity_checked = true;
        if (weir_key_fingerprint(record->time_ms, record->key, record->value, &fingerprint) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "fingerprint");
        same = record->time_ms == position->last_time_ms &&
               fingerprint == position->last_fingerprint;
        if (same)
                return 1;
        intake->foreign_log = true;
        return weir_fail(
                reterr, WEIR_ELOG, 0,
                "%s/%d was recreated: offset %lld holds another record than the one handled there (time %lld, was %lld); "
                "position %lld belongs to the old log; to read the new one from its start: weir position set %s %s/%d 0 "
                "--reason recreated",
                record->topic, record->partition, (long long)record->offset,
                (long long)record->time_ms, (long long)position->last_time_ms,
                (long long)position->next_offset, intake->worker->name, record->topic,
                record->partition);
}

static bool full(const struct weir_intake *intake)
{
        return intake->batch.record_count >= intake->worker->batch_max_events ||
               intake->batch.bytes >= intake->worker->batch_max_bytes;
}

/* 1 = a record was taken or dropped, 0 = none, < 0 = see reterr. */
static int take_one(struct weir_intake *intake, struct weir_partition *partition,
                    const struct weir_position *position, int timeout_ms, struct weir_error *reterr)
{
        struct weir_record record;
        int r = weir_partition_read(partition, timeout_ms, &record, reterr);

        if (r <= 0)
                return r;
        r = check_identity(intake, &record, position, reterr);
        if (r == 0) {
                r = weir_batch_add(&intake->batch, &record, reterr);
                if (r == 0)
                        return 1;
        }
        weir_record_release(&record);
        return r;
}

static void report_starving(const struct weir_intake *intake, struct weir_partition *partition)
{
        size_t queued = weir_partition_queued(partition);
        int64_t end = weir_partition_end(partition);
        int64_t next;

        if (queued >= (size_t)intake->worker->batch_max_events * LOW_WATER_BATCHES ||
            !intake->batch.record_count)
                return;
        next = intake->batch.records[intake->batch.record_count - 1].record.offset + 1;
        if (end < 0 || next + (int64_t)queued < end)
                weir_partition_starves(partition);
}

int weir_intake_collect(struct weir_intake *intake, struct weir_partition *partition,
                        const struct weir_position *position, struct weir_error *reterr)
{
        int64_t now_us, linger_until_us;
        int r = take_one(intake, partition, position, intake->hurried ? 0 : FIRST_WAIT_MS, reterr);

        intake->idle = r == 0 && !intake->hurried;
        if (r <= 0) {
                now_us = weir_clock_us();
                if (!intake->idle_since_us) {
                        intake->idle_since_us = now_us;
                } else if (now_us - intake->idle_since_us > TRIM_AFTER_US &&
                           intake->batch.record_room) {
                        trim(intake);
                        intake->idle_since_us = now_us;
                }
                return r;
        }
        intake->idle_since_us = 0;
        linger_until_us = weir_clock_us() + intake->worker->batch_linger_us;
        while (!full(intake)) {
                r = take_one(intake, partition, position, 0, reterr);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                now_us = weir_clock_us();
                if (now_us >= linger_until_us || weir_partition_revoked(partition))
                        break;
                r = take_one(intake, partition, position,
                             (int)((linger_until_us - now_us + 999) / 1000), reterr);
                if (r < 0)
                        return r;
        }
        report_starving(intake, partition);
        return 0;
}

size_t weir_intake_count(const struct weir_intake *intake)
{
        return intake->batch.record_count;
}

struct weir_batch *weir_intake_batch(struct weir_intake *intake)
{
        return &intake->batch;
}

bool weir_intake_idle(const struct weir_intake *intake)
{
        return intake->idle;
}

void weir_intake_drop(struct weir_intake *intake)
{
        weir_batch_reset(&intake->batch);
}
