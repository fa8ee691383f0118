/* SPDX-License-Identifier: MIT */
/*
 * plan - a range is fixed before the first record of it is read
 *
 * A replay that runs "to the end" of a topic that is written to has none. So both ends become offsets at the start, by
 * the same question for both: the end is that of the committed log, an open transaction lies behind it.
 *
 * Times         "from T" and "to T" ask Kafka for the first record at or after T, so two ranges that meet at T have every record
 *               once, however many bear the time T, and however the times lie: the offset never falls as T grows. Where no
 *               record is so late it is the log's end. Records without a time are found by no question about one, and
 *               are part of what lies around them.
 * Missing       is counted from an offset that was asked for. Of a time nobody knows how much of it was deleted: where the
 *               log begins later than at 0 and the answer is its very first record, that is said in a note.
 * Recreated     a log is known by the last record that the worker handled (P3): read at its offset and compared. Compacted or
 *               expired away, it proves nothing, and lanes compare again while they read. A log that ends before the
 *               position is another, or was shortened.
 * Not chosen    reading the range to find its borders: it is what a replay does, and may last hours.
 */
#include "flow/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/key.h"
#include "kafka/reader.h"
#include "store/deadletter_list.h"

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_time(const struct weir_where *where)
{
        return where->kind == WEIR_WHERE_TIME || where->kind == WEIR_WHERE_AGO;
}

static int64_t when_ms(const struct weir_where *where, int64_t now_ms)
{
        int64_t ms = where->kind == WEIR_WHERE_AGO ? now_ms - where->value : where->value;

        return ms < 0 ? 0 : ms;
}

int weir_plan_check(const struct weir_where *from, const struct weir_where *to, int64_t now_ms,
                    struct weir_error *reterr)
{
        bool turned = false;

        if (is_time(from) && is_time(to))
                turned = when_ms(from, now_ms) > when_ms(to, now_ms);
        else if (from->kind == WEIR_WHERE_OFFSET && to->kind == WEIR_WHERE_OFFSET)
                turned = from->value > to->value;
        else
                turned = from->kind == WEIR_WHERE_LATEST && to->kind == WEIR_WHERE_EARLIEST;
        return turned ? weir_fail(reterr, WEIR_EUSAGE, 0,
                                  "the range ends before it begins: exchange --from and --to")
                      : 0;
}

/* ---- which partitions ----------------------------------------------------------------------- */

static int add_range(struct weir_plan *plan, const char *topic, int32_t partition,
                     struct weir_error *reterr)
{
        struct weir_plan_range *ranges = plan->ranges;

        if ((plan->count & (plan->count - 1)) == 0) /* a power of two: it is full */
                ranges = reallocarray(ranges, plan->count ? 2 * plan->count : 1, sizeof *ranges);
        if (!ranges)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count + 1);
        plan->ranges = ranges;
        ranges[plan->count++] = (struct weir_plan_range){
                .topic = topic, .partition = partition, .live_offset = -1, .last_offset = -1
        };
        return 0;
}

static bool wanted(const struct weir_plan_order *order, const char *topic, int32_t partition)
{
        for (size_t i = 0; i < order->place_count; i++)
                if (!strcmp(order->places[i].topic, topic) &&
                    (order->places[i].partition < 0 || order->places[i].partition == partition))
                        return true;
        return order->place_count == 0;
}

static bool names_topic(const struct weir_plan_order *order, const char *topic)
{
        for (size_t i = 0; i < order->place_count; i++)
                if (!strcmp(order->places[i].topic, topic))
                        return true;
        return order->place_count == 0;
}

static int add_topic(const struct weir_plan_order *order, const char *topic, struct weir_plan *plan,
                     struct weir_cluster *cluster, struct weir_error *reterr)
{
        int count = weir_cluster_partitions(cluster, topic, reterr), r = 0;

        if (count < 0)
                return count;
        if (count == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s of worker %s does not exist; mend the name, or create "
                                 "it, weir never does",
                                 topic, order->worker->name);
        for (size_t i = 0; i < order->place_count; i++)
                if (!strcmp(order->places[i].topic, topic) && order->places[i].partition >= count)
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "topic %s: no partition %d, it has %d (0 to %d)", topic,
                                         (int)order->places[i].partition, count, count - 1);
        for (int32_t p = 0; r == 0 && p < count; p++)
                if (wanted(order, topic, p))
                        r = add_range(plan, topic, p, reterr);
        return r;
}

static bool reads(const struct weir_conf_worker *worker, const char *topic)
{
        for (size_t i = 0; i < worker->topic_count; i++)
                if (!strcmp(worker->topics[i], topic))
                        return true;
        return false;
}

static int find_ranges(const struct weir_plan_order *order, struct weir_plan *plan,
                       struct weir_cluster *cluster, struct weir_error *reterr)
{
        const struct weir_conf_worker *worker = order->worker;
        int r = 0;

        for (size_t i = 0; i < order->place_count; i++)
                if (!reads(worker, order->places[i].topic))
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "worker %s does not read topic %s, and a replay is of "
                                         "what it reads: %s%s",
                                         worker->name, order->places[i].topic, worker->topics[0],
                                         worker->topic_count > 1 ? " and others" : "");
        for (size_t i = 0; r == 0 && i < worker->topic_count; i++)
                if (names_topic(order, worker->topics[i]))
                        r = add_topic(order, worker->topics[i], plan, cluster, reterr);
        return r;
}

/* ---- what PostgreSQL knows of them ------------------------------------------------------------ */

static struct weir_plan_range *find(const struct weir_plan *plan, const char *topic,
                                    int32_t partition)
{
        for (size_t i = 0; i < plan->count; i++)
                if (plan->ranges[i].partition == partition && !strcmp(plan->ranges[i].topic, topic))
                        return &plan->ranges[i];
        return NULL;
}

static int read_positions(struct weir_plan *plan, struct weir_pg *pg, const char *worker,
                          struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        const struct weir_value name = weir_text_z(worker);
        int r = weir_pg_query(pg,
                              "SELECT topic, partition, next_offset, last_offset, last_time_ms,"
                              " last_fingerprint, id FROM weir.position WHERE worker = $1",
                              &name, 1, &rows, reterr);

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                struct weir_plan_range *range = find(plan, weir_pg_rows_text(rows, i, 0).ptr,
                                                     (int32_t)weir_pg_rows_int(rows, i, 1, -1));

                if (!range)
                        continue;
                range->live_position = (int32_t)weir_pg_rows_int(rows, i, 6, 0);
                range->live_offset = weir_pg_rows_int(rows, i, 2, -1);
                range->last_offset = weir_pg_rows_int(rows, i, 3, -1);
                range->last_time_ms = weir_pg_rows_int(rows, i, 4, -1);
                range->last_fingerprint = weir_pg_rows_int(rows, i, 5, 0);
        }
        return r;
}

/* ---- what Kafka knows of them --------------------------------------------------------------- */

static int ask(const struct weir_plan *plan, struct weir_cluster *cluster, int64_t ms,
               struct weir_cluster_offset *offsets, struct weir_error *reterr)
{
        for (size_t i = 0; i < plan->count; i++)
                offsets[i] = (struct weir_cluster_offset){ plan->ranges[i].topic,
                                                           plan->ranges[i].partition, -1 };
        return weir_cluster_offsets(cluster, offsets, plan->count, ms, reterr);
}

/* Beginning and end, as they are now. @offsets: room for all. */
static int ask_ends(struct weir_plan *plan, struct weir_cluster *cluster,
                    struct weir_cluster_offset *offsets, struct weir_error *reterr)
{
        int r = ask(plan, cluster, WEIR_OFFSETS_END, offsets, reterr);

        for (size_t i = 0; r == 0 && i < plan->count; i++)
                plan->ranges[i].end_offset = offsets[i].offset;
        /* The start last: what retention takes meanwhile is missing, not a start beyond the end. */
        if (r == 0)
                r = ask(plan, cluster, WEIR_OFFSETS_START, offsets, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++) {
                plan->ranges[i].start_offset = offsets[i].offset;
                if (plan->ranges[i].end_offset < offsets[i].offset)
                        plan->ranges[i].end_offset = offsets[i].offset;
        }
        return r;
}

/* Where @where is in each partition, into @offsets. */
static int ask_where(const struct weir_plan *plan, struct weir_cluster *cluster,
                     const struct weir_where *where, int64_t now_ms,
                     struct weir_cluster_offset *offsets, struct weir_error *reterr)
{
        int r = 0;

        if (is_time(where))
                r = ask(plan, cluster, when_ms(where, now_ms), offsets, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++) {
                const struct weir_plan_range *range = &plan->ranges[i];

                if (where->kind == WEIR_WHERE_OFFSET)
                        offsets[i].offset = where->value;
                else if (where->kind == WEIR_WHERE_EARLIEST)
                        offsets[i].offset = range->start_offset;
                else if (where->kind == WEIR_WHERE_LATEST || offsets[i].offset < 0 ||
                         offsets[i].offset > range->end_offset)
                        offsets[i].offset = range->end_offset;
        }
        return r;
}

/* ---- cutting -------------------------------------------------------------------------------- */

int weir_plan_cut(struct weir_plan_range *range, int64_t from, int64_t until, bool skip_missing,
                  struct weir_error *reterr)
{
        int64_t start = range->start_offset, end = range->end_offset;
        const char *topic = range->topic;
        int partition = (int)range->partition;

        if (until > end)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "%s/%d: --to %lld is beyond the log's end %lld: what is not "
                                 "written yet, or not committed, is not replayed",
                                 topic, partition, (long long)until, (long long)end);
        if (from > until)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "%s/%d: the range ends at offset %lld, before it begins at %lld "
                                 "(the log has %lld to %lld)",
                                 topic, partition, (long long)until, (long long)from,
                                 (long long)start, (long long)end);
        range->missing = from >= start ? 0 : (until < start ? until : start) - from;
        if (range->missing && !skip_missing)
                return weir_fail(reterr, WEIR_ELOG, 0,
                                 "%s/%d: the range begins at %lld and the log at %lld: offsets "
                                 "%lld to %lld were deleted; to replay what there is: --if-missing "
                                 "skip, or --from earliest",
                                 topic, partition, (long long)from, (long long)start,
                                 (long long)from, (long long)(from + range->missing - 1));
        range->from_offset = from < start ? start : from;
        range->until_offset = until < start ? start : until;
        return 0;
}

static void write_note(const struct weir_plan_order *order, struct weir_plan_range *range)
{
        if (range->missing)
                snprintf(range->note, sizeof range->note, "%lld offsets from %lld on were deleted",
                         (long long)range->missing,
                         (long long)(range->start_offset - range->missing));
        else if (is_time(&order->from) && range->start_offset > 0 &&
                 range->from_offset == range->start_offset)
                snprintf(range->note, sizeof range->note,
                         "the log begins at %lld: older records of that time may have been deleted",
                         (long long)range->start_offset);
        else if (range->from_offset == range->until_offset)
                snprintf(range->note, sizeof range->note, "nothing in the range");
}

static int cut_all(const struct weir_plan_order *order, struct weir_plan *plan, struct weir_pg *pg,
                   struct weir_cluster *cluster, struct weir_error *reterr)
{
        WEIR_FREE struct weir_cluster_offset *froms = calloc(plan->count + 1, sizeof *froms);
        WEIR_FREE struct weir_cluster_offset *untils = calloc(plan->count + 1, sizeof *untils);
        int64_t now_us = 0;
        int r = froms && untils ? weir_deadletter_now(pg, &now_us, reterr)
                                : weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count);

        if (r == 0)
                r = weir_plan_check(&order->from, &order->to, now_us / 1000, reterr);
        if (r == 0)
                r = ask_ends(plan, cluster, froms, reterr);
        if (r == 0)
                r = ask_where(plan, cluster, &order->from, now_us / 1000, froms, reterr);
        if (r == 0)
                r = ask_where(plan, cluster, &order->to, now_us / 1000, untils, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++) {
                struct weir_plan_range *range = &plan->ranges[i];

                r = weir_plan_cut(range, froms[i].offset, untils[i].offset, order->skip_missing,
                                  reterr);
                if (r < 0)
                        break;
                write_note(order, range);
                plan->offsets += range->until_offset - range->from_offset;
                plan->missing += range->missing;
        }
        return r;
}

/* ---- is it that log ------------------------------------------------------------------------- */

static int check_end(const struct weir_plan_order *order, const struct weir_plan_range *range,
                     struct weir_error *reterr)
{
        if (range->live_offset <= range->end_offset)
                return 0;
        return weir_fail(reterr, WEIR_ELOG, 0,
                         "%s/%d: the log ends at %lld, before the position %lld of worker %s: it "
                         "was shortened or the topic recreated; settle that first: weir position "
                         "show %s",
                         range->topic, (int)range->partition, (long long)range->end_offset,
                         (long long)range->live_offset, order->worker->name, order->worker->name);
}

static int check_record(const struct weir_plan_order *order, const struct weir_plan_range *range,
                        const struct weir_record *record, struct weir_error *reterr)
{
        const char *worker = order->worker->name;
        int64_t fingerprint;

        if (weir_key_fingerprint(record->time_ms, record->key, record->value, &fingerprint) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "fingerprint");
        if (record->time_ms == range->last_time_ms && fingerprint == range->last_fingerprint)
                return 0;
        return weir_fail(reterr, WEIR_ELOG, 0,
                         "%s/%d was recreated: offset %lld holds another record than the one that "
                         "worker %s handled there (time %lld, was %lld); position %lld is of the "
                         "old log: weir position set %s %s/%d 0 --reason recreated reads the new "
                         "one",
                         range->topic, (int)range->partition, (long long)record->offset, worker,
                         (long long)record->time_ms, (long long)range->last_time_ms,
                         (long long)range->live_offset, worker, range->topic,
                         (int)range->partition);
}

/* Each record goes before the reader: a client with one of its records outside does not close. */
static int read_lasts(const struct weir_plan_order *order, const struct weir_plan *plan,
                      const char *topic, struct weir_reader_range *lasts, size_t count,
                      struct weir_error *reterr)
{
        const struct weir_reader_conf how = {
                .brokers = order->conf->kafka_brokers,
                .client_id = "weir-replay",
                .properties = order->conf->properties,
                .property_count = order->conf->property_count,
                .topic = topic,
                .timeout_ms = order->timeout_ms,
                .ranges = lasts,
                .range_count = count,
        };
        WEIR_CLEANUP(weir_reader_closep) struct weir_reader *reader = NULL;
        struct weir_record record;
        int r = weir_reader_open(&how, &reader, reterr);

        while (r == 0) {
                r = weir_reader_read(reader, order->timeout_ms, &record, reterr);
                if (r == 0)
                        return weir_fail(reterr, WEIR_EKAFKA, 0,
                                         "topic %s: the records by which the log is known were not "
                                         "read within %d ms: are the brokers well?",
                                         topic, order->timeout_ms);
                if (r != 1)
                        break;
                r = check_record(order, find(plan, topic, record.partition), &record, reterr);
                weir_record_release(&record);
        }
        return r == 2 ? 0 : r;
}

/* One client for each topic: where a log has its last record no more, nothing is read of it. */
static int check_logs(const struct weir_plan_order *order, const struct weir_plan *plan,
                      struct weir_error *reterr)
{
        WEIR_FREE struct weir_reader_range *lasts = calloc(plan->count + 1, sizeof *lasts);
        int r = lasts ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count);

        for (size_t i = 0, count = 0; r == 0 && i < plan->count; i++) {
                const struct weir_plan_range *range = &plan->ranges[i];

                r = check_end(order, range, reterr);
                if (range->last_offset >= range->start_offset &&
                    range->last_offset < range->end_offset)
                        lasts[count++] = (struct weir_reader_range){
                                .partition = range->partition,
                                .from_offset = range->last_offset,
                                .until_offset = range->last_offset + 1,
                        };
                if (r < 0 || (i + 1 < plan->count && !strcmp(range[1].topic, range->topic)))
                        continue;
                if (count)
                        r = read_lasts(order, plan, range->topic, lasts, count, reterr);
                count = 0;
        }
        return r;
}

/* ---- the whole ------------------------------------------------------------------------------ */

int weir_plan_verify(const struct weir_plan_order *order, struct weir_pg *pg,
                     struct weir_cluster *cluster, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plan_fini) struct weir_plan plan = { .count = 0 };
        WEIR_FREE struct weir_cluster_offset *offsets = NULL;
        int r = find_ranges(order, &plan, cluster, reterr);

        if (r == 0)
                r = read_positions(&plan, pg, order->worker->name, reterr);
        if (r < 0)
                return r;
        offsets = calloc(plan.count + 1, sizeof *offsets);
        if (!offsets)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan.count);
        r = ask_ends(&plan, cluster, offsets, reterr);
        return r == 0 ? check_logs(order, &plan, reterr) : r;
}

int weir_plan_make(const struct weir_plan_order *order, struct weir_pg *pg,
                   struct weir_cluster *cluster, struct weir_plan *ret, struct weir_error *reterr)
{
        struct weir_plan plan = { .count = 0 };
        int r = find_ranges(order, &plan, cluster, reterr);

        if (r == 0)
                r = read_positions(&plan, pg, order->worker->name, reterr);
        if (r == 0)
                r = cut_all(order, &plan, pg, cluster, reterr);
        if (r == 0)
                r = check_logs(order, &plan, reterr);
        if (r < 0) {
                weir_plan_fini(&plan);
                return r;
        }
        *ret = plan;
        return 0;
}

void weir_plan_fini(struct weir_plan *plan)
{
        free(plan->ranges);
        *plan = (struct weir_plan){ .count = 0 };
}
