/* SPDX-License-Identifier: MIT */
/*
 * dlq_list - what is there, and what most of it is
 *
 * The first question in the night is not "which" but "what kind, since when, still going on": that is stats, and its
 * bars by hour. list answers the second one. And a kind has a next step (store/reason): said once for each, below the
 * sums, since a sentence in each line would leave no room for the line.
 */
#include "dlq.h"

#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "store/reason.h"
#include "table.h"

#define HOURS 48
#define BAR 50

const char *const dlq_names[] = {
#define NAME(tag, name, number, sql) name,
        WEIR_DEADLETTER_COLUMNS(NAME)
#undef NAME
};
const bool dlq_numbers[] = {
#define NUMBER(tag, name, number, sql) number,
        WEIR_DEADLETTER_COLUMNS(NUMBER)
#undef NUMBER
};

static const char *text_of(const struct weir_pg_rows *rows, size_t row, size_t column)
{
        return weir_pg_rows_text(rows, row, column).ptr;
}

const char *dlq_next(const char *state, const char *klass, const char *reason)
{
        return state && strcmp(state, "kept") == 0 ? weir_reason_next(klass, reason) : NULL;
}

/* ---- list ----------------------------------------------------------------------------------- */

static void print_json(const struct weir_pg_rows *rows)
{
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                for (size_t i = 0; i < WEIR_LETTER_COLUMNS; i++) {
                        const char *text = text_of(rows, row, i);

                        printf("%s\"%s\":", i ? "," : "", dlq_names[i]);
                        if (dlq_numbers[i] && text)
                                fputs(text, stdout);
                        else
                                cmd_print_json(text);
                }
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

/* To the second: "2026-01-31T08:00:00Z". */
static void add_time(struct cmd_table *table, const struct weir_pg_rows *rows, size_t row,
                     size_t column)
{
        cmd_table_addf(table, "%.19sZ", text_of(rows, row, column));
}

static void add_place(struct cmd_table *table, const struct weir_pg_rows *rows, size_t row)
{
        if (text_of(rows, row, WEIR_LETTER_DESTINATION))
                cmd_table_addf(table, "to %s", text_of(rows, row, WEIR_LETTER_DESTINATION));
        else
                cmd_table_addf(table, "%s/%s@%s", text_of(rows, row, WEIR_LETTER_TOPIC),
                               text_of(rows, row, WEIR_LETTER_PARTITION),
                               text_of(rows, row, WEIR_LETTER_OFFSET));
}

static void add_event(struct cmd_table *table, const struct weir_pg_rows *rows, size_t row)
{
        if (text_of(rows, row, WEIR_LETTER_EVENT_ID))
                cmd_table_addf(table, "%s %s", text_of(rows, row, WEIR_LETTER_SOURCE),
                               text_of(rows, row, WEIR_LETTER_EVENT_ID));
        else
                cmd_table_add(table, (struct weir_view){ NULL, 0 });
}

static int print_table(const struct weir_pg_rows *rows, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "ID", true, 0 },       { "FAILED", false, 0 },  { "STATE", false, 0 },
                { "WORKER", false, 20 }, { "RECORD", false, 44 }, { "CLASS", false, 0 },
                { "REASON", false, 24 }, { "TRIES", true, 0 },    { "ROUND", true, 0 },
                { "EVENT", false, 44 },  { "TEXT", false, 0 },
        };
        struct cmd_table table;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_ID));
                add_time(&table, rows, row, WEIR_LETTER_FAILED_AT);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_STATE));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_WORKER));
                add_place(&table, rows, row);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_CLASS));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_REASON));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_ATTEMPTS));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_ROUND));
                add_event(&table, rows, row);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_LETTER_TEXT));
        }
        return cmd_table_print(stdout, &table, reterr);
}

int dlq_list(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int64_t all = 0;
        int r = weir_deadletter_list(pg, &order->filter, (size_t)order->limit, &rows, reterr);

        if (r < 0)
                return r;
        if (order->json) {
                print_json(rows);
                return CMD_DONE;
        }
        if (weir_pg_rows_count(rows) == 0) {
                puts("none");
                return CMD_DONE;
        }
        r = print_table(rows, reterr);
        if (r == 0 && (int64_t)weir_pg_rows_count(rows) == order->limit)
                r = weir_deadletter_count(pg, &order->filter, &all, reterr);
        if (r == 0 && all > order->limit)
                printf("%lld more; newer ones stand first: --limit, or --id 1-%s\n",
                       (long long)(all - order->limit),
                       text_of(rows, weir_pg_rows_count(rows) - 1, WEIR_LETTER_ID));
        return r;
}

/* ---- stats ---------------------------------------------------------------------------------- */

enum { WORKER, CLASS, REASON, ROWS, FIRST, LAST, ROUND_LOW, ROUND_HIGH, EXAMPLE };

static void print_stats_json(const char *state, const struct weir_pg_rows *groups,
                             const struct weir_pg_rows *hours)
{
        static const char *const keys[] = { "worker", "class", "reason",    "rows",   "first",
                                            "last",   "round", "max_round", "example" };

        fputs("{\"groups\":[", stdout);
        for (size_t row = 0; row < weir_pg_rows_count(groups); row++) {
                fputs(row ? ",\n {" : "{", stdout);
                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        printf("%s\"%s\":", i ? "," : "", keys[i]);
                        if (i == ROWS || i == ROUND_LOW || i == ROUND_HIGH)
                                fputs(text_of(groups, row, i), stdout);
                        else
                                cmd_print_json(text_of(groups, row, i));
                }
                fputs(",\"next\":", stdout);
                cmd_print_json(
                        dlq_next(state, text_of(groups, row, CLASS), text_of(groups, row, REASON)));
                putchar('}');
        }
        fputs("],\n \"hours\":[", stdout);
        for (size_t row = 0; row < weir_pg_rows_count(hours); row++)
                printf("%s{\"hour\":\"%s\",\"rows\":%s}", row ? ",\n " : "", text_of(hours, row, 0),
                       text_of(hours, row, 1));
        puts("]}");
}

static int print_groups(const struct weir_pg_rows *groups, int64_t all, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "ROWS", true, 0 },   { "SHARE", true, 0 },    { "WORKER", false, 20 },
                { "CLASS", false, 0 }, { "REASON", false, 24 }, { "ROUND", false, 0 },
                { "FIRST", false, 0 }, { "LAST", false, 0 },    { "EXAMPLE", false, 0 },
        };
        struct cmd_table table;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(groups); row++) {
                const char *low = text_of(groups, row, ROUND_LOW);
                const char *high = text_of(groups, row, ROUND_HIGH);

                cmd_table_add(&table, weir_pg_rows_text(groups, row, ROWS));
                cmd_table_addf(&table, "%.0f %%",
                               100.0 * (double)weir_pg_rows_int(groups, row, ROWS, 0) /
                                       (double)all);
                cmd_table_add(&table, weir_pg_rows_text(groups, row, WORKER));
                cmd_table_add(&table, weir_pg_rows_text(groups, row, CLASS));
                cmd_table_add(&table, weir_pg_rows_text(groups, row, REASON));
                if (strcmp(low, high) == 0)
                        cmd_table_addf(&table, "%s", low);
                else
                        cmd_table_addf(&table, "%s-%s", low, high);
                add_time(&table, groups, row, FIRST);
                add_time(&table, groups, row, LAST);
                cmd_table_add(&table, weir_pg_rows_text(groups, row, EXAMPLE));
        }
        return cmd_table_print(stdout, &table, reterr);
}

/* Groups stand by their numbers, and one kind may be there for several workers. */
static bool seen_before(const struct weir_pg_rows *groups, size_t row)
{
        for (size_t i = 0; i < row; i++)
                if (strcmp(text_of(groups, i, CLASS), text_of(groups, row, CLASS)) == 0 &&
                    strcmp(text_of(groups, i, REASON), text_of(groups, row, REASON)) == 0)
                        return true;
        return false;
}

static int print_next(const char *state, const struct weir_pg_rows *groups,
                      struct weir_error *reterr)
{
        static const struct cmd_column columns[] = { { "CLASS", false, 0 },
                                                     { "REASON", false, 24 },
                                                     { "NEXT", false, 0 } };
        struct cmd_table table;

        if (!dlq_next(state, "", ""))
                return 0;
        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(groups); row++) {
                if (seen_before(groups, row))
                        continue;
                cmd_table_add(&table, weir_pg_rows_text(groups, row, CLASS));
                cmd_table_add(&table, weir_pg_rows_text(groups, row, REASON));
                cmd_table_addf(&table, "%s",
                               dlq_next(state, text_of(groups, row, CLASS),
                                        text_of(groups, row, REASON)));
        }
        putchar('\n');
        return cmd_table_print(stdout, &table, reterr);
}

static void print_hours(const struct weir_pg_rows *hours)
{
        int64_t most = 1;

        for (size_t row = 0; row < weir_pg_rows_count(hours); row++) {
                int64_t n = weir_pg_rows_int(hours, row, 1, 0);

                most = n > most ? n : most;
        }
        puts("\nby hour of the last failure, UTC");
        for (size_t row = 0; row < weir_pg_rows_count(hours); row++) {
                int64_t n = weir_pg_rows_int(hours, row, 1, 0);
                int bar = (int)((n * BAR + most - 1) / most);

                printf("%s %10lld%s%.*s\n", text_of(hours, row, 0), (long long)n, bar ? " " : "",
                       bar, "##################################################");
        }
}

int dlq_stats(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *groups = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *hours = NULL;
        int64_t all = 0;
        int r = weir_deadletter_stats(pg, &order->filter, 0, false, &groups, reterr);

        if (r == 0)
                r = weir_deadletter_hours(pg, &order->filter, HOURS, &hours, reterr);
        if (r < 0)
                return r;
        if (order->json) {
                print_stats_json(order->filter.state, groups, hours);
                return CMD_DONE;
        }
        for (size_t row = 0; row < weir_pg_rows_count(groups); row++)
                all += weir_pg_rows_int(groups, row, ROWS, 0);
        if (all == 0) {
                puts("none");
                return CMD_DONE;
        }
        r = print_groups(groups, all, reterr);
        if (r < 0)
                return r;
        printf("%lld in all\n", (long long)all);
        r = print_next(order->filter.state, groups, reterr);
        if (r < 0)
                return r;
        print_hours(hours);
        return CMD_DONE;
}
