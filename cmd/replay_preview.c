/* SPDX-License-Identifier: MIT */
/*
 * replay_preview - before a replay: what would run, what has, and what cannot
 *
 * It is a question, so it has a default where `weir replay start` has none: the policy is missing. Whoever asks about
 * another one names it as there, and gets the same range from the same words.
 *
 * Two ways to count. Reading the log is exact, and costs what reading costs. The tables alone (--count-only) cost nothing,
 * and know nothing of what weir never saw: whether an offset holds a record, an event or a repetition. Both are shown as
 * they are; neither is extrapolated to look like the other.
 *
 * Ctrl-C        ends it without a table: half of a count answers another question.
 */
#include "replay_preview.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlq.h"
#include "flow/replaying.h"
#include "position.h"
#include "replay.h"
#include "replay_plan.h"

static const char name[] = "replay";

enum { ASK_MS = 10000, COUNT_MS = 60000 };
enum { OPT_COUNT_ONLY = 600 };

static const char help[] =
        "usage: weir replay preview WORKER [--from WHERE] [--to WHERE] [--partition PLACE]...\n"
        "                           [--type TEXT] [--source TEXT] [--subject TEXT] [--id TEXT]...\n"
        "                           [--policy missing | again --epoch NAME | live] [--count-only]\n"
        "                           [--json] [-c FILE]\n\n"
        "Says what a replay would do, and does nothing: reads the range as a replay would, with the worker's\n"
        "settings, and looks each event up in the claims. Joins no group, holds up nobody, writes nothing.\n\n" REPLAY_RANGE_HELP
        "      --policy NAME       missing (default): events without a claim would run; live: the same, up to where\n"
        "                          the worker stands; again: those without a claim in --epoch NAME\n"
        "      --count-only        by PostgreSQL alone, no record is read: how many events have a claim that was\n"
        "                          made at these offsets (of equal ones the first), how many lie in\n"
        "                          weir.dead_letter, how many offsets no transaction ever passed. Knows no\n"
        "                          filters. Claims have no index by offset: all of them are read (some millions\n"
        "                          a second), for 60 s at most; then APPLIED is '-'\n"
        "  -j, --json              as JSON: numbers of each partition, and of all\n"
        "  -c, --config FILE       configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help              this text\n\n"
        "What is counted, of each partition:\n"
        "  RECORDS    were read; offsets without one (markers of transactions, compaction) are not records\n"
        "  GONE       offsets of the range that the log no longer has\n"
        "  NO EVENT   records that cannot be decoded: a replay keeps them as dead letters, if they are not there\n"
        "             yet; with a filter it passes them\n"
        "  EVENTS     in these records = LEFT OUT by a filter + APPLIED + REPEATED + RUN\n"
        "  APPLIED    have a claim: nothing would happen\n"
        "  REPEATED   have none, but the same event comes before in the range\n"
        "  RUN        would be given to the plugin\n"
        "  DEAD       of RUN and NO EVENT: lie in weir.dead_letter, kept or marked to be run again\n"
        "  TIME       reading as fast as just now, and running as fast as the worker's last transactions; '-': it\n"
        "             has made too few of them to say\n"
        "A '>' is a count of at least so many: more than 4,194,304 distinct events would run, or 1,000,000 letters.\n"
        "What the live worker handles while this reads is counted as it was when it was read.\n\n"
        "Exit status: 1 when a partition could not be read to its end, which its line says.\n\n"
        "examples:\n"
        "  weir replay preview audit\n"
        "  weir replay preview audit --from 2026-11-01 --to 2026-11-02 --type order.paid\n"
        "  weir replay preview audit --policy again --epoch fix-1.4 --partition orders/3 --from 81200\n"
        "  weir replay preview audit --count-only --json | jq .sum\n";

/* ---- what is asked for -------------------------------------------------------------------------- */

static const struct option options[] = { REPLAY_RANGE_OPTIONS,
                                         { "count-only", no_argument, NULL, OPT_COUNT_ONLY },
                                         { "json", no_argument, NULL, 'j' },
                                         { "help", no_argument, NULL, 'h' },
                                         { 0 } };

/* CMD_DONE, CMD_USAGE, or -1: the help was printed. */
static int parse(int argc, char **argv, struct replay_range_order *order,
                 struct preview_report *report)
{
        int option, r;

        order->policy = REPLAY_MISSING;
        while ((option = cmd_option(argc, argv, REPLAY_RANGE_SHORTS "jh", options)) != -1) {
                r = replay_range_option(option, order);
                if (r > 0)
                        return r;
                if (r == CMD_DONE)
                        continue;
                switch (option) {
                case OPT_COUNT_ONLY: report->count_only = true; break;
                case 'j': report->json = true; break;
                case 'h': fputs(help, stdout); return -1;
                default: return cmd_usage(name);
                }
        }
        r = replay_range_check(order, argc - optind, argv + optind);
        if (r == CMD_DONE && report->count_only && !weir_filter_empty(&order->filter))
                r = cmd_say(CMD_USAGE, name,
                            "--count-only reads no record, so it knows no --type, --source, "
                            "--subject and --id");
        return r;
}

/* ---- where that is ------------------------------------------------------------------------------ */

static int find_ranges(struct preview_report *report, const struct weir_conf *conf,
                       struct weir_pg *pg, struct weir_error *reterr)
{
        /* What retention took is counted, whether or not it would be refused. */
        int r = replay_plan(conf, report->preview.worker, report->order, true, pg, &report->plan,
                            reterr);

        if (r < 0)
                return r;
        report->places = calloc(report->plan.count + 1, sizeof *report->places);
        if (!report->places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", report->plan.count);
        for (size_t i = 0; i < report->plan.count; i++) {
                struct weir_plan_range *range = &report->plan.ranges[i];

                if (report->order->policy == REPLAY_LIVE)
                        range->until_offset = replay_goes_back(range) ? range->live_offset
                                                                      : range->from_offset;
                report->places[i].range = (struct weir_preview_range){
                        .topic = range->topic,
                        .partition = range->partition,
                        .position = range->live_position,
                        .from_offset = range->from_offset,
                        .until_offset = range->until_offset,
                };
                report->places[i].span = (struct weir_survey_span){
                        .topic = range->topic,
                        .partition = range->partition,
                        .position = range->live_position,
                        .from_offset = range->from_offset,
                        .until_offset = range->until_offset,
                };
        }
        return 0;
}

/* What was handled before the oldest claim looks as if it was not. */
static int warn_forgotten(const struct preview_report *report, struct weir_pg *pg,
                          struct weir_error *reterr)
{
        char when[32];
        int r = replay_forgotten(pg, report->order, when, reterr);

        if (r < 0 || !*when)
                return r;
        cmd_say(CMD_DONE, name,
                "claims that were made until %s were dropped (weir claims): what %s before then has "
                "none, and is counted as if it had not",
                when, report->order->epoch ? "ran in that epoch" : "was handled");
        return 0;
}

/* ---- counting ----------------------------------------------------------------------------------- */

struct shown {
        struct dlq_pace pace;
        int64_t done;
};

static bool show(void *context, int64_t done, int64_t total)
{
        struct shown *shown = context;

        (void)total;
        dlq_pace_step(&shown->pace, done - shown->done);
        shown->done = done;
        return !dlq_interrupted();
}

static int read_log(struct preview_report *report, struct weir_pg *const *pgs, size_t pg_count,
                    struct weir_error *reterr)
{
        WEIR_FREE struct weir_preview_range *ranges = calloc(report->plan.count + 1,
                                                             sizeof *ranges);
        struct shown shown = { .done = 0 };
        int64_t total = 0;
        int r;

        if (!ranges)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", report->plan.count);
        for (size_t i = 0; i < report->plan.count; i++) {
                ranges[i] = report->places[i].range;
                total += ranges[i].until_offset - ranges[i].from_offset;
        }
        report->preview.ranges = ranges;
        report->preview.range_count = report->plan.count;
        report->preview.progress = show;
        report->preview.context = &shown;
        dlq_pace_begin(&shown.pace, "offsets read", total, 0);
        r = weir_preview_run(&report->preview, pgs, pg_count, reterr);
        dlq_pace_end(&shown.pace);
        for (size_t i = 0; i < report->plan.count; i++)
                report->places[i].range = ranges[i];
        report->preview.ranges = NULL;
        if (r == WEIR_ESTOP)
                weir_fail(reterr, WEIR_ESTOP, 0,
                          "interrupted after %" PRId64 " of %" PRId64 " offsets; a part of the "
                          "range would be another --from and --to",
                          shown.done, total);
        return r;
}

static int count_tables(struct preview_report *report, struct weir_pg *pg,
                        struct weir_error *reterr)
{
        WEIR_FREE struct weir_survey_span *spans = calloc(report->plan.count + 1, sizeof *spans);
        int r;

        if (!spans)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", report->plan.count);
        for (size_t i = 0; i < report->plan.count; i++)
                spans[i] = report->places[i].span;
        r = weir_survey_count(pg, report->order->worker, report->order->epoch, report->timeout_ms,
                              spans, report->plan.count, reterr);
        for (size_t i = 0; i < report->plan.count; i++)
                report->places[i].span = spans[i];
        return r;
}

static int count(struct preview_report *report, struct weir_pg *const *pgs, size_t pg_count,
                 struct weir_error *reterr)
{
        char space[WEIR_SPACE_BYTES];
        int r;

        report->timeout_ms = COUNT_MS;
        if (report->count_only)
                return count_tables(report, pgs[0], reterr);
        weir_replaying_space(report->order->worker, report->order->epoch, space);
        report->preview.space = space;
        report->preview.filter = &report->order->filter;
        report->preview.timeout_ms = ASK_MS;
        r = weir_survey_pace(pgs[0], report->order->worker, &report->pace, reterr);
        if (r == 0)
                r = read_log(report, pgs, pg_count, reterr);
        report->preview.space = NULL;
        return r;
}

/* ---- the verb ----------------------------------------------------------------------------------- */

static int run(struct preview_report *report, const struct weir_conf *conf,
               struct weir_pg *const *pgs, size_t pg_count, struct weir_error *reterr)
{
        int r, code = CMD_DONE;

        report->preview.conf = conf;
        r = position_worker(conf, report->order->worker, &report->preview.worker, reterr);
        if (r == 0)
                r = find_ranges(report, conf, pgs[0], reterr);
        if (r == 0)
                r = warn_forgotten(report, pgs[0], reterr);
        if (r == 0)
                r = count(report, pgs, pg_count, reterr);
        if (r == 0)
                r = preview_print(report, reterr);
        for (size_t i = 0; r == 0 && !report->count_only && i < report->plan.count; i++)
                if (report->places[i].range.halt.code)
                        code = cmd_fail(name, &report->places[i].range.halt);
        return r < 0 ? r : code;
}

static int connect_and_run(struct preview_report *report, const struct weir_conf *conf)
{
        const struct weir_pg_conf store = { .url = conf->store_url,
                                            .password = conf->store_password,
                                            .application_name = "weir replay preview" };
        struct weir_pg *pgs[WEIR_PREVIEW_LOOKS] = { NULL };
        size_t wanted = report->count_only ? 1 : WEIR_COUNT_OF(pgs), opened = 0;
        struct weir_error error = { .code = 0 };
        int r = 0;

        while (opened < wanted && (r = weir_pg_open(&store, NULL, &pgs[opened], &error)) == 0)
                opened++;
        if (opened) /* one is enough, where the server has no more to give */
                r = run(report, conf, pgs, opened, &error);
        for (size_t i = 0; i < opened; i++)
                weir_pg_close(pgs[i]);
        return r < 0 ? replay_fail(&error) : r;
}

int replay_preview(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct replay_range_order order = { .worker = NULL };
        struct preview_report report = { .order = &order };
        int r = parse(argc, argv, &order, &report);

        if (r == CMD_DONE)
                r = cmd_load(name, order.config, &conf);
        if (r == CMD_DONE) {
                cmd_log_setup(conf);
                r = connect_and_run(&report, conf);
        }
        free(report.places);
        weir_plan_fini(&report.plan);
        replay_range_fini(&order);
        return r < 0 ? CMD_DONE : r; /* the help */
}
