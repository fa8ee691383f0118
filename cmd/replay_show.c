/* SPDX-License-Identifier: MIT */
/*
 * replay_show - which replays there are and how far they are: for whoever runs one, and for everybody else
 *
 * One that is said to be running, and whose process is gone, is shown as "gone": nobody but a reader finds that out, and the way
 * on stands below it.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd.h"
#include "event/print.h"
#include "replay.h"
#include "replay_bar.h"
#include "store/replay.h"
#include "table.h"

static const char name[] = "replay";

enum { LIST_LIMIT = 100, LOOK_MS = 1000 };

#define NAME(tag, name, number, sql) name,
#define NUMBER(tag, name, number, sql) number,
#define SPAN_NAME(tag, name, number) name,
#define SPAN_NUMBER(tag, name, number) number,
static const char *const names[] = { WEIR_REPLAY_COLUMNS(NAME) };
static const bool numbers[] = { WEIR_REPLAY_COLUMNS(NUMBER) };
static const char *const span_names[] = { WEIR_SPAN_COLUMNS(SPAN_NAME) };
static const bool span_numbers[] = { WEIR_SPAN_COLUMNS(SPAN_NUMBER) };

static const char *text_of(const struct weir_pg_rows *rows, size_t row, size_t column)
{
        return weir_pg_rows_text(rows, row, column).ptr;
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_at_work(const struct weir_pg_rows *rows, size_t row)
{
        const char *state = text_of(rows, row, WEIR_REPLAY_STATE);

        return !strcmp(state, "running") || !strcmp(state, "stopping");
}

static bool is_held(const struct weir_pg_rows *rows, size_t row)
{
        return *text_of(rows, row, WEIR_REPLAY_HELD) == 't';
}

/* Policy live is done when the position is moved; how much the worker has run again since, the share says. */
static const char *state_of(const struct weir_pg_rows *rows, size_t row)
{
        const char *state = text_of(rows, row, WEIR_REPLAY_STATE);

        if (is_at_work(rows, row) && !is_held(rows, row))
                return "gone";
        return !strcmp(state, "done") && !strcmp(text_of(rows, row, WEIR_REPLAY_POLICY), "live")
                       ? "moved"
                       : state;
}

static int share_of(const struct weir_pg_rows *rows, size_t row)
{
        int64_t all = weir_pg_rows_int(rows, row, WEIR_REPLAY_OFFSETS, 0);

        return all > 0 ? (int)(100 * weir_pg_rows_int(rows, row, WEIR_REPLAY_PASSED, 0) / all)
                       : 100;
}

static void print_cells_json(const struct weir_pg_rows *rows, size_t row, const char *const *keys,
                             const bool *plain, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const char *text = text_of(rows, row, i);

                printf("%s\"%s\":", i ? "," : "", keys[i]);
                if (plain[i] && text)
                        fputs(text, stdout);
                else
                        cmd_print_json(text);
        }
}

/* ---- list ----------------------------------------------------------------------------------- */

static int print_list(const struct weir_pg_rows *rows, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "ID", true, 0 },      { "WORKER", false, 24 }, { "POLICY", false, 0 },
                { "EPOCH", false, 24 }, { "STATE", false, 0 },   { "DONE", true, 0 },
                { "APPLIED", true, 0 }, { "SKIPPED", true, 0 },  { "DEAD", true, 0 },
                { "MISSING", true, 0 }, { "CREATED", false, 0 }, { "BY", false, 20 },
                { "REASON", false, 0 },
        };
        static const int counts[] = { WEIR_REPLAY_APPLIED, WEIR_REPLAY_SKIPPED, WEIR_REPLAY_DEAD,
                                      WEIR_REPLAY_MISSING, WEIR_REPLAY_CREATED, WEIR_REPLAY_BY,
                                      WEIR_REPLAY_REASON };
        struct cmd_table table;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_REPLAY_ID));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_REPLAY_WORKER));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_REPLAY_POLICY));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_REPLAY_EPOCH));
                cmd_table_addf(&table, "%s", state_of(rows, row));
                cmd_table_addf(&table, "%d %%", share_of(rows, row));
                for (size_t i = 0; i < WEIR_COUNT_OF(counts); i++)
                        cmd_table_add(&table, weir_pg_rows_text(rows, row, (size_t)counts[i]));
        }
        return cmd_table_print(stdout, &table, reterr);
}

static void print_list_json(const struct weir_pg_rows *rows)
{
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                print_cells_json(rows, row, names, numbers, WEIR_REPLAY_COLUMN_COUNT);
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

static const char list_help[] =
        "usage: weir replay list [WORKER] [-n N] [--json] [-c FILE]\n\n"
        "Replays, newest first: what each was to do, whether it is at work, and what came of it.\n\n"
        "  STATE    running; stopping: after the transaction in hand; stopped; done; failed; gone: its process\n"
        "           was killed, or its machine: weir replay resume ID goes on exactly there; moved: policy live\n"
        "           has done its part, the worker does the rest\n"
        "  APPLIED  events that ran; SKIPPED: that had a claim; DEAD: kept as dead letters; MISSING: offsets of\n"
        "           the range that the log has no more\n\n"
        "  -n, --limit N       at most N (100)\n"
        "  -j, --json          for programs\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help          this text\n\n"
        "Exit status: 0 listed, also nothing; 1 failed; 2 wrong usage; 78 bad configuration.\n\n"
        "example:\n"
        "  weir replay list audit\n";

int replay_list(int argc, char **argv)
{
        static const struct option options[] = { { "limit", required_argument, NULL, 'n' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "config", required_argument, NULL, 'c' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_error error = { 0 };
        const char *config = NULL;
        int64_t limit = LIST_LIMIT;
        bool json = false;
        int c, r;

        while ((c = cmd_option(argc, argv, "n:jc:h", options)) != -1)
                switch (c) {
                case 'n':
                        if (!cmd_read_number(optarg, 1, 1000000, &limit))
                                return cmd_say(CMD_USAGE, name,
                                               "--limit: '%s' is not a number from 1 to 1000000",
                                               optarg);
                        break;
                case 'j': json = true; break;
                case 'c': config = optarg; break;
                case 'h': fputs(list_help, stdout); return CMD_DONE;
                default: return cmd_usage(name);
                }
        if (argc - optind > 1)
                return cmd_say(CMD_USAGE, name, "unexpected '%s'", argv[optind + 1]);
        r = replay_open(config, &conf, &pg);
        if (r != CMD_DONE)
                return r;
        r = weir_replay_list(pg, optind < argc ? argv[optind] : NULL, 0, limit, &rows, &error);
        if (r == 0 && json)
                print_list_json(rows);
        else if (r == 0)
                r = print_list(rows, &error);
        return r < 0 ? replay_fail(&error) : CMD_DONE;
}

/* ---- one of them ---------------------------------------------------------------------------- */

/* Reason and failure are others' words: none of them drives the terminal. */
static void print_head(const struct weir_pg_rows *row)
{
        const char *epoch = text_of(row, 0, WEIR_REPLAY_EPOCH);
        struct weir_view reason = weir_pg_rows_text(row, 0, WEIR_REPLAY_REASON);
        struct weir_view why = weir_pg_rows_text(row, 0, WEIR_REPLAY_TEXT);
        const char *ended = text_of(row, 0, WEIR_REPLAY_ENDED);

        printf("replay %s of worker %s: policy %s%s%s, from %s to %s\n",
               text_of(row, 0, WEIR_REPLAY_ID), text_of(row, 0, WEIR_REPLAY_WORKER),
               text_of(row, 0, WEIR_REPLAY_POLICY), epoch ? ", epoch " : "", epoch ? epoch : "",
               text_of(row, 0, WEIR_REPLAY_FROM), text_of(row, 0, WEIR_REPLAY_TO));
        printf("%s, %d %%; planned at %s by %s", state_of(row, 0), share_of(row, 0),
               text_of(row, 0, WEIR_REPLAY_CREATED), text_of(row, 0, WEIR_REPLAY_BY));
        if (ended)
                printf(", ended at %s", ended);
        if (reason.ptr)
                fputs(": ", stdout);
        weir_text_print(stdout, reason, false);
        putchar('\n');
        if (!why.ptr)
                return;
        weir_text_print(stdout, why, false);
        putchar('\n');
}

static void add_sum(struct cmd_table *table, const struct weir_pg_rows *row)
{
        static const int counts[] = { WEIR_REPLAY_RECORDS, WEIR_REPLAY_APPLIED, WEIR_REPLAY_SKIPPED,
                                      WEIR_REPLAY_DEAD,    WEIR_REPLAY_PARKED,  WEIR_REPLAY_MISSING,
                                      WEIR_REPLAY_WITHHELD };

        cmd_table_addf(table, "all");
        for (int i = 0; i < 3; i++)
                cmd_table_addf(table, "-");
        for (size_t i = 0; i < WEIR_COUNT_OF(counts); i++)
                cmd_table_add(table, weir_pg_rows_text(row, 0, (size_t)counts[i]));
}

static int print_spans(const struct weir_pg_rows *row, const struct weir_pg_rows *spans,
                       struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "TOPIC/PARTITION", false, 60 },
                { "FROM", true, 0 },
                { "TO", true, 0 },
                { "NEXT", true, 0 },
                { "RECORDS", true, 0 },
                { "APPLIED", true, 0 },
                { "SKIPPED", true, 0 },
                { "DEAD", true, 0 },
                { "PARKED", true, 0 },
                { "MISSING", true, 0 },
                { "WITHHELD", true, 0 },
        };
        struct cmd_table table;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t i = 0; i < weir_pg_rows_count(spans); i++) {
                cmd_table_addf(&table, "%s/%s", text_of(spans, i, WEIR_SPAN_TOPIC),
                               text_of(spans, i, WEIR_SPAN_PARTITION));
                for (size_t k = WEIR_SPAN_FROM; k < WEIR_SPAN_COLUMN_COUNT; k++)
                        cmd_table_add(&table, weir_pg_rows_text(spans, i, k));
        }
        if (weir_pg_rows_count(spans) > 1)
                add_sum(&table, row);
        return cmd_table_print(stdout, &table, reterr);
}

static void print_json(const struct weir_pg_rows *row, const struct weir_pg_rows *spans)
{
        putchar('{');
        print_cells_json(row, 0, names, numbers, WEIR_REPLAY_COLUMN_COUNT);
        fputs(",\n \"partitions\":[", stdout);
        for (size_t i = 0; i < weir_pg_rows_count(spans); i++) {
                fputs(i ? ",\n {" : "{", stdout);
                print_cells_json(spans, i, span_names, span_numbers, WEIR_SPAN_COLUMN_COUNT);
                putchar('}');
        }
        puts("]}");
}

static void print_way_on(const struct weir_pg_rows *row)
{
        const char *id = text_of(row, 0, WEIR_REPLAY_ID);
        const char *state = state_of(row, 0);

        if (!strcmp(state, "gone") || !strcmp(state, "stopped") || !strcmp(state, "failed"))
                printf("it goes on with: weir replay resume %s\n", id);
        if (weir_pg_rows_int(row, 0, WEIR_REPLAY_DEAD, 0))
                printf("what died in it: weir dlq list --worker %s\n",
                       text_of(row, 0, WEIR_REPLAY_WORKER));
}

static int read_both(struct weir_pg *pg, int64_t id, struct weir_pg_rows **ret_row,
                     struct weir_pg_rows **ret_spans, struct weir_error *reterr)
{
        int r = weir_replay_list(pg, NULL, id, 1, ret_row, reterr);

        if (r == 0 && weir_pg_rows_count(*ret_row) == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "there is no replay %" PRId64 "; see weir replay list", id);
        return r == 0 ? weir_replay_spans(pg, id, ret_spans, reterr) : r;
}

int replay_report(struct weir_pg *pg, int64_t id, bool json, int64_t *ret_dead,
                  struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *row = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *spans = NULL;
        int r = read_both(pg, id, &row, &spans, reterr);

        if (r < 0)
                return r;
        if (ret_dead)
                *ret_dead = weir_pg_rows_int(row, 0, WEIR_REPLAY_DEAD, 0);
        if (json) {
                print_json(row, spans);
                return 0;
        }
        print_head(row);
        r = print_spans(row, spans, reterr);
        print_way_on(row);
        return r;
}

static const char show_help[] =
        "usage: weir replay show ID [--watch] [--json] [-c FILE]\n\n"
        "What replay ID was to do, where it is, and what came of it, partition by partition: of one that runs too,\n"
        "in whatever terminal.\n\n"
        "  RECORDS   were read; APPLIED, SKIPPED (had a claim), DEAD: events of them; PARKED: wait for a next try\n"
        "  MISSING   offsets of the range that the log has no more\n"
        "  WITHHELD  what handlers sent on, and what did not leave: without --with-effects nothing does\n\n"
        "  -w, --watch         until it ends: a bar, or a line a second where the output is no terminal\n"
        "  -j, --json          one object, with partitions; with --watch one each second\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help          this text\n\n"
        "Exit status: 0 shown; 1 failed; 2 wrong usage, or no such replay; 78 bad configuration.\n\n"
        "example:\n"
        "  weir replay show 3 --watch\n";

static int take_watch(void *context, int option)
{
        bool *watch = context;

        if (option != 'w')
                return cmd_usage(name);
        *watch = true;
        return CMD_DONE;
}

/* Until it is not at work any more; what is shown last is for the caller. */
static int watch(struct weir_pg *pg, int64_t id, bool json, struct weir_error *reterr)
{
        struct replay_bar bar;
        int r;

        replay_bar_init(&bar, stdout);
        for (;;) {
                WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *row = NULL;
                WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *spans = NULL;

                r = read_both(pg, id, &row, &spans, reterr);
                if (r < 0 || !is_at_work(row, 0) || !is_held(row, 0))
                        break;
                if (json)
                        print_json(row, spans);
                else
                        replay_bar_show(&bar, row, spans, "", weir_clock_us());
                if (fflush(stdout) != 0)
                        break; /* said where all output is looked at */
                poll(NULL, 0, LOOK_MS);
        }
        replay_bar_end(&bar);
        return r;
}

int replay_show(int argc, char **argv)
{
        static const struct option options[] = { { "watch", no_argument, NULL, 'w' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "config", required_argument, NULL, 'c' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct replay_one one = { .help = show_help };
        struct weir_error error = { 0 };
        bool follow = false;
        int r = replay_one_parse(argc, argv, "wjc:h", options, take_watch, &follow, &one);

        if (r != CMD_DONE)
                return r < 0 ? CMD_DONE : r;
        r = replay_open(one.config, &conf, &pg);
        if (r != CMD_DONE)
                return r;
        if (follow)
                r = watch(pg, one.id, one.json, &error);
        if (r == 0)
                r = replay_report(pg, one.id, one.json, NULL, &error);
        return r < 0 ? replay_fail(&error) : CMD_DONE;
}
