/* SPDX-License-Identifier: MIT */
/*
 * intake - collect what may share a transaction
 *
 * The first record is waited for; then the batch is filled until it is full, or the queue stays empty for
 * the linger. A queue that ran dry although the log goes on is reported (weir_partition_starves):
 * the broker thread looks at full queues again only once a second (librdkafka below 2.2), a request of ours
 * makes it look now. That is asked for before the transaction, so the fetch runs beside it.
 *
 * Room      what a batch holds is asked for before it is taken (base/budget): the lane waits while the record lies in the
 *           client's queue, where it keeps the client from fetching the next. How large it is shows when it is taken: as
 *           large as those before, is expected, and a lane that has seen none asks for a quarter of all. One that
 *           is larger waits in hand, untouched, until there is room.
 * The race  1. sixty lanes sleep on empty queues  2. each gets ten megabytes at once  3. had they slept inside the
 *           client's read, each would have a message in hand and the next one in its queue. So they sleep beside it.
 * Not chosen    giving a batch's memory back only after an idle while: with 64 lanes that take turns it is 64 times there.
 *
 * Identity (P3): locate starts the fetch at the last record handled. If that record comes, it is compared
 * and dropped. A position that has none (a first start in the middle, an operator's word) takes the last record before
 * it for its own, where one can be seen. A topic deleted and made again reads on silently at the old offset: this is what notices.
 */
#include "flow/intake.h"

#include "base/board.h"
#include "base/clock.h"
#include "base/log.h"

#define FIRST_WAIT_MS 250
#define ROOM_WAIT_MS 1000
#define LOW_WATER_BATCHES 4 /* fewer queued: ask for more now, the answer takes a batch or two */
#define KEPT_BYTES (16 * 1024)
#define PIECE_BYTES (64 * 1024)

void weir_intake_init(struct weir_intake *intake, const struct weir_conf_worker *worker,
                      struct weir_budget *budget, struct weir_latch *waker)
{
        *intake = (struct weir_intake){ .worker = worker,
                                        .credit = { .budget = budget },
                                        .expected_bytes = weir_budget_total(budget) / 4,
                                        .waker = waker,
                                        .until_offset = INT64_MAX,
                                        .most_records = UINT32_MAX };
        weir_batch_init(&intake->batch, worker->name, NULL, worker->accept_json_batch);
}

void weir_intake_bound(struct weir_intake *intake, const struct weir_batch_rules *rules,
                       int64_t until_offset, uint32_t most_records)
{
        intake->rules = rules;
        intake->until_offset = until_offset;
        intake->most_records = most_records;
        weir_batch_set_rules(&intake->batch, intake->worker->name, rules);
}

void weir_intake_fini(struct weir_intake *intake)
{
        weir_batch_fini(&intake->batch);
        weir_credit_give(&intake->credit);
}

void weir_intake_restart(struct weir_intake *intake)
{
        weir_intake_drop(intake);
        intake->identity_checked = intake->foreign_log = intake->adopted = false;
        intake->idle = intake->ended = false;
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
        char way[WEIR_ERROR_TEXT_BYTES];
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
        if (intake->until_offset < INT64_MAX)
                snprintf(way, sizeof way, "a replay of what there is now must be planned anew");
        else
                snprintf(way, sizeof way,
                         "to read the new one from its start: weir position set %s %s/%d 0 "
                         "--reason recreated",
                         intake->worker->name, record->topic, record->partition);
        return weir_fail(
                reterr, WEIR_ELOG, 0,
                "%s/%d was recreated: offset %lld holds another record than the one handled there (time %lld, was %lld); "
                "position %lld belongs to the old log; %s",
                record->topic, record->partition, (long long)record->offset,
                (long long)record->time_ms, (long long)position->last_time_ms,
                (long long)position->next_offset, way);
}

static bool full(const struct weir_intake *intake)
{
        return intake->batch.record_count >= intake->worker->batch_max_events ||
               intake->batch.record_count >= intake->most_records ||
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
        if (record.offset >= intake->until_offset) { /* RP1 */
                weir_record_release(&record);
                intake->ended = true;
                return 0;
        }
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

/* The first record is in hand: now it is known how large it is. False: the lane is told to leave; what is in hand goes
 * the way of every batch then. */
static bool pay(struct weir_intake *intake)
{
        uint64_t bytes = weir_batch_cost(&intake->batch);

        if (!intake->judged && intake->batch.record_count) {
                intake->judged = true;
                intake->expected_bytes = intake->batch.largest_bytes;
        }
        if (bytes <= intake->credit.bytes) {
                weir_credit_set(&intake->credit, bytes);
                return true;
        }
        while (!weir_credit_take(&intake->credit, bytes, intake->waker, ROOM_WAIT_MS))
                if (weir_latch_wait(intake->waker, 0))
                        return false;
        return true;
}

/* Is there room for one more? If not the batch is as large as it gets. Asked for by the piece: all lanes share a mutex. */
static bool room(struct weir_intake *intake)
{
        uint64_t bytes = weir_batch_cost(&intake->batch) + intake->expected_bytes;

        if (full(intake) || intake->ended)
                return false;
        return bytes <= intake->credit.bytes ||
               weir_credit_grow(&intake->credit, bytes + PIECE_BYTES) ||
               weir_credit_grow(&intake->credit, bytes);
}

/* What the next record may cost, before it is seen: as much as the largest of this batch, or half of what was
 * expected so far. */
static void learn(struct weir_intake *intake)
{
        uint64_t less = intake->expected_bytes / 2;

        intake->expected_bytes = intake->batch.largest_bytes > less ? intake->batch.largest_bytes
                                                                    : less;
}

/* The first record, with room for it. 1 = it is in hand; 0 = none; < 0 = see reterr. */
static int begin(struct weir_intake *intake, struct weir_partition *partition,
                 const struct weir_position *position, struct weir_error *reterr)
{
        int r;

        if (weir_partition_out(partition))
                weir_board_do(WEIR_BOARD_ROOM);
        r = intake->ended
                    ? 0
                    : weir_partition_await(partition, intake->hurried ? 0 : FIRST_WAIT_MS, reterr);
        if (r > 0)
                weir_board_do(WEIR_BOARD_READS);
        intake->idle = r == 0 && !intake->hurried;
        if (r <= 0)
                return r;
        if (!weir_credit_grow(&intake->credit, intake->expected_bytes)) {
                bool granted;

                weir_board_do(WEIR_BOARD_ROOM);
                weir_partition_waits(partition);
                granted = weir_credit_take(&intake->credit, intake->expected_bytes, intake->waker,
                                           ROOM_WAIT_MS);
                weir_partition_waits(partition); /* until it is back here, or reads */
                if (!granted)
                        return 0;
                weir_board_do(WEIR_BOARD_READS);
        }
        r = take_one(intake, partition, position, 0, reterr);
        intake->idle = r == 0 && !intake->hurried;
        if (r <= 0)
                weir_credit_give(&intake->credit);
        return r;
}

int weir_intake_collect(struct weir_intake *intake, struct weir_partition *partition,
                        const struct weir_position *position, struct weir_error *reterr)
{
        int64_t now_us, linger_until_us;
        int r = begin(intake, partition, position, reterr);

        if (r <= 0)
                return r;
        if (!pay(intake))
                return 0;
        linger_until_us = weir_clock_us() + intake->worker->batch_linger_us;
        while (room(intake)) {
                r = take_one(intake, partition, position, 0, reterr);
                if (r < 0 || intake->ended)
                        break;
                if (r > 0)
                        continue;
                now_us = weir_clock_us();
                if (now_us >= linger_until_us || weir_partition_revoked(partition))
                        break;
                r = weir_partition_await(partition, (int)((linger_until_us - now_us + 999) / 1000),
                                         reterr);
                if (r < 0)
                        break;
        }
        learn(intake);
        weir_credit_set(&intake->credit, weir_batch_cost(&intake->batch));
        if (r < 0)
                return r;
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
        if (weir_batch_cost(&intake->batch) > KEPT_BYTES) {
                weir_batch_fini(&intake->batch);
                weir_batch_init(&intake->batch, intake->worker->name, NULL,
                                intake->worker->accept_json_batch);
                weir_batch_set_rules(&intake->batch, intake->worker->name, intake->rules);
        } else {
                weir_batch_reset(&intake->batch);
        }
        weir_credit_give(&intake->credit);
}
