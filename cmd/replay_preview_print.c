/* SPDX-License-Identifier: MIT */
/*
 * replay_preview_print - the counts of each partition, their sum, and how long it may take
 *
 * The time is reckoned of two speeds that were measured: that of reading, now and here, and that of a lane of this worker
 * while it had enough to do. Lanes share the reading and run side by side, so the sum of times is the reading of all, and the
 * lane with the most to run. Where nothing was measured, nothing is said: a guess would be planned with.
 */
#include <inttypes.h>
#include <stdio.h>

#include "replay_preview.h"
#include "table.h"

struct sums {
        int64_t gone, records, undecodable, events, left_out, applied, repeated, runs, letters;
        int64_t offsets, unreached, most_runs;
        bool unknown; /* applied, of a partition */
};

/* Deleted when the range was cut, or between that and the reading. */
static int64_t gone_of(const struct preview_report *report, size_t i)
{
        return report->plan.ranges[i].missing + report->places[i].range.gone;
}

static void add_up(const struct preview_report *report, struct sums *sums)
{
        *sums = (struct sums){ .gone = 0 };
        for (size_t i = 0; i < report->plan.count; i++) {
                const struct preview_place *place = &report->places[i];
                const struct weir_preview_range *range = &place->range;

                sums->offsets += range->until_offset - range->from_offset;
                sums->gone += gone_of(report, i);
                sums->records += range->records;
                sums->undecodable += range->undecodable;
                sums->events += range->events;
                sums->left_out += range->left_out;
                sums->repeated += range->repeated;
                sums->runs += range->runs;
                sums->most_runs = range->runs > sums->most_runs ? range->runs : sums->most_runs;
                sums->applied += report->count_only ? place->span.applied : range->applied;
                sums->letters += report->count_only ? place->span.letters : range->letters;
                sums->unreached += place->span.unreached;
                sums->unknown = sums->unknown || place->span.applied < 0;
        }
        sums->unknown = sums->unknown && report->count_only;
}

/* Milliseconds for so much, -1 = not known. */
static int64_t time_of(const struct preview_report *report, const struct sums *all, int64_t records,
                       int64_t runs)
{
        double read_us = all->records ? (double)report->preview.read_us / (double)all->records : 0;

        if (runs > 0 && report->pace.transactions == 0)
                return -1;
        return (int64_t)(((double)records * read_us + (double)runs * report->pace.us_per_event) /
                         1000);
}

/* ---- for people --------------------------------------------------------------------------------- */

static void add_number(struct cmd_table *table, int64_t number, bool at_least)
{
        if (number < 0)
                cmd_table_addf(table, "-");
        else
                cmd_table_addf(table, "%s%" PRId64, at_least && number ? ">" : "", number);
}

static void add_time(struct cmd_table *table, int64_t ms)
{
        int64_t seconds = (ms + 500) / 1000;

        if (ms < 0)
                cmd_table_addf(table, "-");
        else if (ms < 1000)
                cmd_table_addf(table, ms ? "<1s" : "0s");
        else if (seconds < 60)
                cmd_table_addf(table, "%" PRId64 "s", seconds);
        else if (seconds < 3600)
                cmd_table_addf(table, "%" PRId64 "min%" PRId64 "s", seconds / 60, seconds % 60);
        else
                cmd_table_addf(table, "%" PRId64 "h%" PRId64 "min", seconds / 3600,
                               seconds % 3600 / 60);
}

/* What a number does not say of it. */
static void add_note(struct cmd_table *table, const struct preview_report *report, size_t i)
{
        const struct weir_plan_range *range = &report->plan.ranges[i];

        if (report->places[i].range.halt.code)
                cmd_table_addf(table, "read up to %" PRId64 " only",
                               report->places[i].range.next_offset);
        else if (*range->note)
                cmd_table_addf(table, "%s", range->note);
        else if (range->live_offset < 0)
                cmd_table_addf(table, "the worker has not begun here");
        else if (range->live_offset < range->until_offset)
                cmd_table_addf(table, "the worker is at %" PRId64, range->live_offset);
        else
                cmd_table_addf(table, "%s", "");
}

static const struct cmd_column read_columns[] = {
        { "TOPIC/PARTITION", false, 60 },
        { "FROM", true, 0 },
        { "UNTIL", true, 0 },
        { "GONE", true, 0 },
        { "RECORDS", true, 0 },
        { "NO EVENT", true, 0 },
        { "EVENTS", true, 0 },
        { "LEFT OUT", true, 0 },
        { "APPLIED", true, 0 },
        { "REPEATED", true, 0 },
        { "RUN", true, 0 },
        { "DEAD", true, 0 },
        { "TIME", true, 0 },
        { "NOTE", false, 0 },
};

static void add_read(struct cmd_table *table, const struct preview_report *report,
                     const struct weir_preview_range *range, int64_t gone, int64_t ms)
{
        add_number(table, gone, false);
        add_number(table, range->records, false);
        add_number(table, range->undecodable, false);
        add_number(table, range->events, false);
        add_number(table, range->left_out, false);
        add_number(table, range->applied, false);
        add_number(table, range->repeated, report->preview.repeated_unsure);
        add_number(table, range->runs, false);
        add_number(table, range->letters, report->preview.letters_unsure);
        add_time(table, ms);
}

static struct weir_preview_range range_of(const struct sums *sums)
{
        return (struct weir_preview_range){
                .records = sums->records,
                .undecodable = sums->undecodable,
                .events = sums->events,
                .left_out = sums->left_out,
                .applied = sums->applied,
                .repeated = sums->repeated,
                .runs = sums->runs,
                .letters = sums->letters,
        };
}

static int print_read(const struct preview_report *report, const struct sums *sums,
                      struct weir_error *reterr)
{
        const struct weir_preview_range all = range_of(sums);
        struct cmd_table table;

        cmd_table_init(&table, read_columns, WEIR_COUNT_OF(read_columns));
        for (size_t i = 0; i < report->plan.count; i++) {
                const struct weir_preview_range *range = &report->places[i].range;

                cmd_table_addf(&table, "%s/%d", range->topic, (int)range->partition);
                add_number(&table, range->from_offset, false);
                add_number(&table, range->until_offset, false);
                add_read(&table, report, range, gone_of(report, i),
                         time_of(report, sums, range->records, range->runs));
                add_note(&table, report, i);
        }
        cmd_table_addf(&table, "all");
        add_number(&table, -1, false);
        add_number(&table, -1, false);
        add_read(&table, report, &all, sums->gone,
                 time_of(report, sums, sums->records, sums->most_runs));
        cmd_table_addf(&table, "%s", "");
        return cmd_table_print(stdout, &table, reterr);
}

static int print_counted(const struct preview_report *report, const struct sums *sums,
                         struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "TOPIC/PARTITION", false, 60 },
                { "FROM", true, 0 },
                { "UNTIL", true, 0 },
                { "OFFSETS", true, 0 },
                { "GONE", true, 0 },
                { "APPLIED", true, 0 },
                { "DEAD", true, 0 },
                { "NOT REACHED", true, 0 },
                { "NOTE", false, 0 },
        };
        struct cmd_table table;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t i = 0; i < report->plan.count; i++) {
                const struct preview_place *place = &report->places[i];
                const struct weir_preview_range *range = &place->range;

                cmd_table_addf(&table, "%s/%d", range->topic, (int)range->partition);
                add_number(&table, range->from_offset, false);
                add_number(&table, range->until_offset, false);
                add_number(&table, range->until_offset - range->from_offset, false);
                add_number(&table, gone_of(report, i), false);
                add_number(&table, place->span.applied, false);
                add_number(&table, place->span.letters, false);
                add_number(&table, place->span.unreached, false);
                add_note(&table, report, i);
        }
        cmd_table_addf(&table, "all");
        add_number(&table, -1, false);
        add_number(&table, -1, false);
        add_number(&table, sums->offsets, false);
        add_number(&table, sums->gone, false);
        add_number(&table, sums->unknown ? -1 : sums->applied, false);
        add_number(&table, sums->letters, false);
        add_number(&table, sums->unreached, false);
        cmd_table_addf(&table, "%s", "");
        return cmd_table_print(stdout, &table, reterr);
}

static void print_words(const struct preview_report *report, const struct sums *sums)
{
        const struct weir_survey_pace *pace = &report->pace;
        double seconds = (double)report->preview.read_us / 1e6;

        if (report->count_only) {
                if (sums->unknown)
                        printf("the claims were not counted within %d s: without --count-only the "
                               "log is read instead\n",
                               report->timeout_ms / 1000);
                return;
        }
        printf("%" PRId64 " records read in %.1f s (%.0f/s)", sums->records, seconds,
               seconds > 0 ? (double)sums->records / seconds : 0);
        if (sums->runs && pace->transactions)
                printf("; %.0f us an event, by the last %" PRId64 " transactions of %s that had "
                       "enough to do",
                       pace->us_per_event, pace->transactions, report->order->worker);
        else if (sums->runs)
                printf("; how long running takes is not known: %s has made too few transactions "
                       "with enough to do",
                       report->order->worker);
        puts("; nothing was written");
}

/* ---- for programs ------------------------------------------------------------------------------- */

static void print_key(const char *key, int64_t number)
{
        if (number < 0)
                printf(",\"%s\":null", key);
        else
                printf(",\"%s\":%" PRId64, key, number);
}

static void print_counts(const struct preview_report *report, const struct sums *sums, int64_t ms)
{
        print_key("offsets", sums->offsets);
        print_key("gone", sums->gone);
        print_key("applied", sums->unknown ? -1 : sums->applied);
        print_key("dead_letters", sums->letters);
        if (report->count_only) {
                print_key("not_reached", sums->unreached);
                return;
        }
        print_key("records", sums->records);
        print_key("undecodable", sums->undecodable);
        print_key("events", sums->events);
        print_key("left_out", sums->left_out);
        print_key("repeated", sums->repeated);
        print_key("would_run", sums->runs);
        print_key("estimated_ms", ms);
}

static void print_place_json(const struct preview_report *report, const struct sums *all, size_t i)
{
        const struct preview_place *place = &report->places[i];
        struct preview_report one = *report;
        struct sums sums;

        one.places = &report->places[i];
        one.plan.count = 1;
        add_up(&one, &sums);
        printf("%s{\"topic\":", i ? ",\n  " : "");
        cmd_print_json(place->range.topic);
        print_key("partition", place->range.partition);
        print_key("from", place->range.from_offset);
        print_key("until", place->range.until_offset);
        print_key("position", report->plan.ranges[i].live_offset);
        print_counts(report, &sums, time_of(report, all, sums.records, sums.runs));
        printf(",\"note\":");
        cmd_print_json(*report->plan.ranges[i].note ? report->plan.ranges[i].note : NULL);
        printf(",\"error\":");
        cmd_print_json(place->range.halt.code ? place->range.halt.text : NULL);
        putchar('}');
}

static void print_json(const struct preview_report *report, const struct sums *sums)
{
        const struct weir_preview *preview = &report->preview;

        printf("{\"worker\":");
        cmd_print_json(report->order->worker);
        printf(",\"policy\":\"%s\",\"epoch\":", replay_policy_name(report->order->policy));
        cmd_print_json(report->order->epoch);
        printf(",\"counted\":\"%s\"", report->count_only ? "tables" : "log");
        if (!report->count_only) {
                printf(",\"repeated_at_least\":%s,\"dead_letters_at_least\":%s",
                       preview->repeated_unsure ? "true" : "false",
                       preview->letters_unsure ? "true" : "false");
                print_key("read_ms", preview->read_us / 1000);
                print_key("estimated_by_transactions", report->pace.transactions);
                printf(",\"estimated_us_per_event\":");
                if (report->pace.transactions)
                        printf("%.1f", report->pace.us_per_event);
                else
                        fputs("null", stdout);
        }
        printf(",\n \"partitions\":[");
        for (size_t i = 0; i < report->plan.count; i++)
                print_place_json(report, sums, i);
        printf("],\n \"sum\":{\"partitions\":%zu", report->plan.count);
        print_counts(report, sums, time_of(report, sums, sums->records, sums->most_runs));
        puts("}}");
}

int preview_print(const struct preview_report *report, struct weir_error *reterr)
{
        struct sums sums;
        int r = 0;

        add_up(report, &sums);
        if (report->json)
                print_json(report, &sums);
        else
                r = report->count_only ? print_counted(report, &sums, reterr)
                                       : print_read(report, &sums, reterr);
        if (r == 0 && !report->json)
                print_words(report, &sums);
        return r;
}
