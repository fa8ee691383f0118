/* SPDX-License-Identifier: MIT */
/*
 * position_show - where every partition stands against its log, and who moved it
 *
 * The positions are PostgreSQL's and the log is Kafka's, and one of them may be away just when somebody looks. So a Kafka that
 * does not answer costs a few seconds and the columns of the log, never the positions.
 *
 * What halts a partition that does not fit its log is judged as its lane does (flow/locate). A halt by a policy is known only
 * to the process that halts; its log has it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "flow/locate.h"
#include "kafka/consumer.h"
#include "position.h"
#include "table.h"

static const char name[] = "position";

#define LOOK_MS 3000 /* who looks does not wait for long */

struct seen {
        struct weir_log_range range; /* -1: not known */
        char halts[WEIR_ERROR_TEXT_BYTES];
};

/* ---- the log -------------------------------------------------------------------------------- */

/* Topics of @rows that are there: places in @plan for their partitions that have a row. */
static int add_places(struct position_plan *plan, struct weir_cluster *cluster,
                      const struct weir_pg_rows *rows, struct seen *seen, struct weir_error *reterr)
{
        const char *topic = NULL;
        int count = 0, r = 0;

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                const char *next = weir_pg_rows_text(rows, i, WEIR_AT_TOPIC).ptr;
                int32_t partition = (int32_t)weir_pg_rows_int(rows, i, WEIR_AT_PARTITION, 0);

                if (!topic || strcmp(topic, next))
                        count = weir_cluster_partitions(cluster, next, reterr);
                if (count < 0)
                        return count;
                topic = next;
                if (partition < count)
                        r = position_plan_add(plan, topic, partition, reterr);
                else
                        snprintf(seen[i].halts, sizeof seen[i].halts,
                                 count ? "topic %s has %d partitions now"
                                       : "topic %s does not exist",
                                 topic, count);
        }
        return r;
}

static void judge(const struct weir_pg_rows *rows, size_t row, struct seen *seen)
{
        const struct weir_position position = { .next_offset = weir_pg_rows_int(rows, row,
                                                                                WEIR_AT_NEXT, -1) };
        struct weir_error why;

        if (position.next_offset >= 0 &&
            weir_locate_judge(weir_pg_rows_text(rows, row, WEIR_AT_WORKER).ptr,
                              weir_pg_rows_text(rows, row, WEIR_AT_TOPIC).ptr,
                              (int32_t)weir_pg_rows_int(rows, row, WEIR_AT_PARTITION, 0), &position,
                              &seen->range, &why) < 0)
                snprintf(seen->halts, sizeof seen->halts, "%s", why.text);
}

static int look(const struct weir_conf *conf, const struct weir_pg_rows *rows, struct seen *seen,
                struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        WEIR_CLEANUP(position_plan_fini) struct position_plan plan = { .count = 0 };
        int r = position_cluster(conf, LOOK_MS, &cluster, reterr);

        if (r == 0)
                r = add_places(&plan, cluster, rows, seen, reterr);
        if (r == 0)
                r = position_plan_log(&plan, cluster, reterr);
        for (size_t i = 0, k = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                if (*seen[i].halts) /* it has no place */
                        continue;
                seen[i].range = (struct weir_log_range){ plan.places[k].known.start_offset,
                                                         plan.places[k].known.end_offset };
                k++;
                judge(rows, i, &seen[i]);
        }
        return r;
}

static int64_t lag_of(const struct weir_pg_rows *rows, size_t row, const struct seen *seen)
{
        int64_t next = weir_pg_rows_int(rows, row, WEIR_AT_NEXT, -1);

        return next < 0 || seen->range.end_offset < next ? -1 : seen->range.end_offset - next;
}

/* ---- show ----------------------------------------------------------------------------------- */

static void print_json(const struct weir_pg_rows *rows, const struct seen *seen)
{
#define KEY(tag, name, number, sql) name,
        static const char *const keys[] = { WEIR_POSITION_COLUMNS(KEY) };
#undef KEY
#define NUMBER(tag, name, number, sql) number,
        static const bool numbers[] = { WEIR_POSITION_COLUMNS(NUMBER) };
#undef NUMBER
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        struct weir_view text = weir_pg_rows_text(rows, row, i);

                        printf("%s\"%s\":", i ? "," : "", keys[i]);
                        if (numbers[i] && text.ptr)
                                fputs(text.ptr, stdout);
                        else
                                cmd_print_json(text.ptr);
                }
                position_print_number("log_start", seen[row].range.start_offset);
                position_print_number("log_end", seen[row].range.end_offset);
                position_print_number("lag", lag_of(rows, row, &seen[row]));
                printf(",\"halts\":");
                cmd_print_json(*seen[row].halts ? seen[row].halts : NULL);
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

static void add_owner(struct cmd_table *table, const struct weir_pg_rows *rows, size_t row)
{
        const char *owner = weir_pg_rows_text(rows, row, WEIR_AT_OWNER).ptr;
        bool held = *weir_pg_rows_text(rows, row, WEIR_AT_HELD).ptr == 't';

        if (!owner)
                cmd_table_addf(table, "-");
        else
                cmd_table_addf(table, held ? "%s" : "(%s)", owner);
}

static int print_table(const struct weir_pg_rows *rows, const struct seen *seen,
                       struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "WORKER", false, 24 },  { "TOPIC/PARTITION", false, 60 },
                { "NEXT", true, 0 },      { "LAG", true, 0 },
                { "LOG START", true, 0 }, { "LOG END", true, 0 },
                { "PARKED", true, 0 },    { "DEAD", true, 0 },
                { "EPOCH", true, 0 },     { "OWNER", false, 32 },
                { "UPDATED", false, 0 },  { "NOTE", false, 0 },
        };
        struct cmd_table table;
        int r;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_WORKER));
                cmd_table_addf(&table, "%s/%s", weir_pg_rows_text(rows, row, WEIR_AT_TOPIC).ptr,
                               weir_pg_rows_text(rows, row, WEIR_AT_PARTITION).ptr);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_NEXT));
                position_add_number(&table, lag_of(rows, row, &seen[row]));
                position_add_number(&table, seen[row].range.start_offset);
                position_add_number(&table, seen[row].range.end_offset);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_PARKED));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_LETTERS));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_EPOCH));
                add_owner(&table, rows, row);
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_AT_UPDATED));
                cmd_table_addf(&table, "%s", *seen[row].halts ? "halts" : "");
        }
        r = cmd_table_print(stdout, &table, reterr);
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++)
                if (*seen[row].halts) /* whole: it ends in the command that resolves it */
                        printf("%s halts: %s\n", weir_pg_rows_text(rows, row, WEIR_AT_WORKER).ptr,
                               seen[row].halts);
        return r;
}

int position_show(struct weir_pg *pg, const struct weir_conf *conf,
                  const struct position_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        WEIR_FREE struct seen *seen = NULL;
        struct weir_error away;
        int r = weir_position_list(pg, order->worker, &rows, reterr);

        if (r < 0)
                return r;
        seen = calloc(weir_pg_rows_count(rows) + 1, sizeof *seen);
        if (!seen)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu positions", weir_pg_rows_count(rows));
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++)
                seen[i].range = (struct weir_log_range){ -1, -1 };
        if (weir_pg_rows_count(rows) && !order->no_kafka && look(conf, rows, seen, &away) < 0)
                cmd_say(0, name, "the log is not shown: %s", away.text);
        if (order->json)
                print_json(rows, seen);
        else
                r = print_table(rows, seen, reterr);
        return r;
}

/* ---- log ------------------------------------------------------------------------------------ */

static void print_changes_json(const struct weir_pg_rows *rows)
{
        static const char *const keys[WEIR_CHANGE_COLUMN_COUNT] = {
                "at", "worker", "topic", "partition", "before", "after", "epoch", "by", "reason"
        };
        size_t count = weir_pg_rows_count(rows);

        for (size_t row = 0; row < count; row++) {
                fputs(row ? ",\n {" : "[{", stdout);
                for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
                        struct weir_view text = weir_pg_rows_text(rows, row, i);

                        printf("%s\"%s\":", i ? "," : "", keys[i]);
                        if (i >= WEIR_CHANGE_PARTITION && i <= WEIR_CHANGE_EPOCH && text.ptr)
                                fputs(text.ptr, stdout);
                        else
                                cmd_print_json(text.ptr);
                }
                putchar('}');
        }
        puts(count ? "]" : "[]");
}

int position_log(struct weir_pg *pg, const struct position_order *order, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "AT", false, 0 },    { "WORKER", false, 24 }, { "TOPIC/PARTITION", false, 60 },
                { "BEFORE", true, 0 }, { "AFTER", true, 0 },    { "EPOCH", true, 0 },
                { "BY", false, 32 },   { "REASON", false, 0 },
        };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct cmd_table table;
        int r = weir_position_changes(pg, order->worker, order->limit, &rows, reterr);

        if (r < 0)
                return r;
        if (order->json) {
                print_changes_json(rows);
                return CMD_DONE;
        }
        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t row = 0; row < weir_pg_rows_count(rows); row++) {
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_CHANGE_AT));
                cmd_table_add(&table, weir_pg_rows_text(rows, row, WEIR_CHANGE_WORKER));
                cmd_table_addf(&table, "%s/%s", weir_pg_rows_text(rows, row, WEIR_CHANGE_TOPIC).ptr,
                               weir_pg_rows_text(rows, row, WEIR_CHANGE_PARTITION).ptr);
                for (size_t i = WEIR_CHANGE_BEFORE; i < WEIR_CHANGE_COLUMN_COUNT; i++)
                        cmd_table_add(&table, weir_pg_rows_text(rows, row, i));
        }
        return cmd_table_print(stdout, &table, reterr);
}
