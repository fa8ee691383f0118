/* SPDX-License-Identifier: MIT */
/*
 * dlq_move - requeue and drop: first what would be done, then chunk by chunk
 *
 * The plan and the run are bounded by the highest id at the start: what dies meanwhile was not looked at by the person
 * who gave the order, and is left for the next one. Nothing needs to be kept for a resumption (flow/requeue.h, X1).
 *
 * Not chosen    an order of most recent first: events of a key would come back in the wrong order.
 */
#include "dlq.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd.h"
#include "flow/requeue.h"
#include "table.h"

#define CHUNK 500

static const char name[] = "dlq";

struct dlq_plan {
        struct weir_pg_rows *groups; /* of weir_deadletter_stats() */
        int64_t total;               /* that would be taken, --limit kept */
        int64_t skipped_rounds, skipped_delivers;
};

enum { WORKER, CLASS, REASON, ROWS, FIRST, LAST, ROUND_LOW, ROUND_HIGH, EXAMPLE };

/* ---- the plan ------------------------------------------------------------------------------- */

/* Those that will be taken, and no others, in the order in which they will be (flow/requeue, deadletter_mark). */
static int limit_plan(struct weir_pg *pg, const struct dlq_order *order,
                      const struct weir_deadletter_filter *filter, struct dlq_plan *plan,
                      struct weir_error *reterr)
{
        weir_pg_rows_free(WEIR_TAKE(plan->groups));
        plan->total = order->limit;
        return weir_deadletter_stats(pg, filter, order->limit, order->verb == DLQ_REQUEUE,
                                     &plan->groups, reterr);
}

static int make_plan(struct weir_pg *pg, const struct dlq_order *order,
                     struct weir_deadletter_filter *filter, struct dlq_plan *ret,
                     struct weir_error *reterr)
{
        int64_t all = 0, last_id = 0, delivers = 0;
        int r = weir_deadletter_last_id(pg, &last_id, reterr);

        if (r < 0)
                return r;
        filter->upto_id = last_id ? last_id : INT64_MAX;
        if (order->verb == DLQ_REQUEUE)
                filter->rounds_below = order->max_rounds;
        r = weir_deadletter_stats(pg, filter, 0, false, &ret->groups, reterr);
        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(ret->groups); i++) {
                int64_t rows = weir_pg_rows_int(ret->groups, i, ROWS, 0);

                ret->total += rows;
                if (strcmp(weir_pg_rows_text(ret->groups, i, CLASS).ptr, "deliver") == 0)
                        delivers += rows;
        }
        if (r == 0 && filter->rounds_below) {
                struct weir_deadletter_filter any = *filter;

                any.rounds_below = 0;
                r = weir_deadletter_count(pg, &any, &all, reterr);
                ret->skipped_rounds = all > ret->total ? all - ret->total : 0;
        }
        if (order->to) {
                ret->skipped_delivers = delivers;
                ret->total -= delivers;
        }
        return r == 0 && order->limit && ret->total > order->limit
                       ? limit_plan(pg, order, filter, ret, reterr)
                       : r;
}

static const char *goes(const struct dlq_order *order, const char *klass)
{
        if (order->verb == DLQ_DROP)
                return "dropped";
        if (strcmp(klass, "deliver") == 0)
                return order->to ? "stays" : "outbox";
        return order->to ? "topic" : "in place";
}

static void print_plan_json(const struct dlq_order *order, const struct dlq_plan *plan)
{
        printf("{\"rows\":%" PRId64 ",\"skipped_rounds\":%" PRId64 ",\"skipped_deliver\":%" PRId64
               ",\n \"groups\":[",
               plan->total, plan->skipped_rounds, plan->skipped_delivers);
        for (size_t i = 0; i < weir_pg_rows_count(plan->groups); i++) {
                static const char *const keys[] = { "worker", "class", "reason" };

                printf("%s{\"rows\":%s", i ? ",\n " : "",
                       weir_pg_rows_text(plan->groups, i, ROWS).ptr);
                for (size_t k = 0; k < WEIR_COUNT_OF(keys); k++) {
                        printf(",\"%s\":", keys[k]);
                        cmd_print_json(weir_pg_rows_text(plan->groups, i, k).ptr);
                }
                printf(",\"goes\":\"%s\"}",
                       goes(order, weir_pg_rows_text(plan->groups, i, CLASS).ptr));
        }
        puts("]}");
}

static int print_plan(FILE *out, const struct dlq_order *order, const struct dlq_plan *plan,
                      struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "ROWS", true, 0 },     { "WORKER", false, 20 }, { "CLASS", false, 0 },
                { "REASON", false, 24 }, { "ROUND", false, 0 },   { "GOES", false, 0 },
                { "EXAMPLE", false, 0 },
        };
        struct cmd_table table;
        int r;

        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t i = 0; i < weir_pg_rows_count(plan->groups); i++) {
                cmd_table_add(&table, weir_pg_rows_text(plan->groups, i, ROWS));
                cmd_table_add(&table, weir_pg_rows_text(plan->groups, i, WORKER));
                cmd_table_add(&table, weir_pg_rows_text(plan->groups, i, CLASS));
                cmd_table_add(&table, weir_pg_rows_text(plan->groups, i, REASON));
                cmd_table_addf(&table, "%s-%s", weir_pg_rows_text(plan->groups, i, ROUND_LOW).ptr,
                               weir_pg_rows_text(plan->groups, i, ROUND_HIGH).ptr);
                cmd_table_addf(&table, "%s",
                               goes(order, weir_pg_rows_text(plan->groups, i, CLASS).ptr));
                cmd_table_add(&table, weir_pg_rows_text(plan->groups, i, EXAMPLE));
        }
        r = cmd_table_print(out, &table, reterr);
        fprintf(out, "%" PRId64 " would be %s\n", plan->total,
                order->verb == DLQ_DROP ? "dropped" : "requeued");
        return r;
}

static void print_skipped(FILE *out, const struct dlq_order *order, const struct dlq_plan *plan)
{
        if (plan->skipped_rounds)
                fprintf(out,
                        "%" PRId64 " skipped: they went through %d rounds or more; --max-rounds\n",
                        plan->skipped_rounds, order->max_rounds);
        if (plan->skipped_delivers)
                fprintf(out,
                        "%" PRId64 " skipped: they were to be delivered; without --to they go back "
                        "to their destination\n",
                        plan->skipped_delivers);
}

static int show_plan(const struct dlq_order *order, const struct dlq_plan *plan,
                     struct weir_error *reterr)
{
        int r;

        if (order->json) {
                print_plan_json(order, plan);
                return CMD_DONE;
        }
        r = print_plan(stdout, order, plan, reterr);
        print_skipped(stdout, order, plan);
        return r;
}

/* Unique, and of use to who reads it in weir.dead_letter.marked_by. */
static void name_marker(char ret[192])
{
        const struct passwd *user = getpwuid(getuid());
        char host[64] = "?";

        gethostname(host, sizeof host - 1);
        snprintf(ret, 192, "%.60s@%s:%ld/%" PRIx64, user ? user->pw_name : "?", host,
                 (long)getpid(), (uint64_t)weir_clock_wall_us());
}

/* Said last. @left what the plan had and nobody has done. */
static int finish(const struct dlq_order *order, const char *what, int64_t done, int64_t left,
                  const struct dlq_plan *plan)
{
        bool ended = dlq_interrupted();

        if (order->json) {
                printf("{\"%s\":%" PRId64 ",\"left\":%" PRId64 ",\"skipped_rounds\":%" PRId64
                       ",\"skipped_deliver\":%" PRId64 ",\"interrupted\":%s}\n",
                       what, done, left, plan->skipped_rounds, plan->skipped_delivers,
                       ended ? "true" : "false");
        } else {
                printf("%" PRId64 " %s\n", done, what);
                print_skipped(stdout, order, plan);
        }
        if (ended)
                return cmd_say(CMD_FAILED, name,
                               "interrupted: %" PRId64 " are left; the same command goes on", left);
        if (left > 0)
                cmd_say(0, name, "%" PRId64 " were taken by somebody else meanwhile", left);
        return CMD_DONE;
}

/* ---- requeue -------------------------------------------------------------------------------- */

static int move_all(struct weir_requeue *requeue, const struct dlq_order *order,
                    struct dlq_pace *pace, struct weir_error *reterr)
{
        int r = 0;

        while (r == 0 && pace->done < pace->total && !dlq_interrupted()) {
                int64_t before = requeue->marked + requeue->sent;

                r = weir_requeue_chunk(requeue, dlq_pace_next(pace, CHUNK), reterr);
                if (r == 0)
                        dlq_pace_step(pace, requeue->marked + requeue->sent - before);
        }
        dlq_pace_end(pace);
        if (r < 0)
                weir_error_prefix(reterr, "after %" PRId64 " of %" PRId64 ", %s: ",
                                  requeue->marked + requeue->sent, pace->total,
                                  order->to ? "which are on their way" : "which are marked");
        return r < 0 ? r : 0;
}

static int run_requeue(struct weir_pg *pg, const struct dlq_order *order,
                       const struct weir_deadletter_filter *filter, const struct dlq_plan *plan,
                       struct weir_error *reterr)
{
        WEIR_FREE char *note = NULL; /* as long as his who gave the order */
        char by[192];
        struct weir_requeue requeue = { .pg = pg,
                                        .filter = *filter,
                                        .mark = { .by = by, .note = order->note },
                                        .topic = order->to };
        struct dlq_pace pace;
        int r, code;

        name_marker(by);
        if (order->to) {
                if (asprintf(&note, "to topic %s%s%s", order->to, order->note ? ": " : "",
                             order->note ? order->note : "") < 0) {
                        note = NULL; /* asprintf leaves it undefined */
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "note");
                }
                requeue.mark.note = note;
        }
        dlq_pace_begin(&pace, "requeued", plan->total, order->rate);
        r = move_all(&requeue, order, &pace, reterr);
        weir_requeue_fini(&requeue);
        if (r < 0)
                return r;
        code = finish(order, "requeued", pace.done, plan->total - pace.done, plan);
        if (code != CMD_DONE || !order->wait || !requeue.marked)
                return code;
        return dlq_wait_outcome(pg, by, requeue.first_id, requeue.last_id, requeue.marked,
                                order->json, reterr);
}

int dlq_requeue(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr)
{
        struct weir_deadletter_filter filter = order->filter;
        struct dlq_plan plan = { .groups = NULL };
        int r = make_plan(pg, order, &filter, &plan, reterr);

        if (r == 0 && !order->to)
                r = dlq_warn_lonely(pg, &filter, reterr);
        if (r == 0)
                r = order->dry_run ? show_plan(order, &plan, reterr)
                                   : run_requeue(pg, order, &filter, &plan, reterr);
        weir_pg_rows_free(plan.groups);
        return r;
}

/* ---- drop ----------------------------------------------------------------------------------- */

/* Ask on the terminal. CMD_DONE = yes. */
static int confirm(const struct dlq_order *order, const struct dlq_plan *plan,
                   struct weir_error *reterr)
{
        char answer[16];
        int r;

        if (order->yes || plan->total == 0)
                return CMD_DONE;
        if (!isatty(STDIN_FILENO))
                return cmd_say(CMD_USAGE, name,
                               "%" PRId64 " would be dropped, and nobody is there to be asked: "
                               "--yes, or --dry-run",
                               plan->total);
        r = print_plan(stderr, order, plan, reterr);
        if (r < 0)
                return r;
        fprintf(stderr, "drop them? They stay in the table as 'dropped'. [y/N] ");
        if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
                return CMD_DONE;
        return cmd_say(CMD_FAILED, name, "nothing was dropped");
}

static int run_drop(struct weir_pg *pg, const struct dlq_order *order,
                    struct weir_deadletter_filter *filter, const struct dlq_plan *plan,
                    struct weir_error *reterr)
{
        char by[192];
        const struct weir_deadletter_mark mark = { .by = by, .note = order->note };
        struct dlq_pace pace;
        int r = 0;

        name_marker(by);
        dlq_pace_begin(&pace, "dropped", plan->total, 0);
        while (pace.done < pace.total && !dlq_interrupted()) {
                struct weir_deadletter_chunk chunk;

                r = weir_deadletter_drop(pg, filter, dlq_pace_next(&pace, CHUNK), &mark, &chunk,
                                         reterr);
                if (r < 0 || chunk.count == 0)
                        break;
                filter->above_id = chunk.last_id;
                dlq_pace_step(&pace, chunk.count);
        }
        dlq_pace_end(&pace);
        return r < 0 ? weir_error_prefix(reterr, "after %" PRId64 " were dropped: ", pace.done)
                     : finish(order, "dropped", pace.done, plan->total - pace.done, plan);
}

int dlq_drop(struct weir_pg *pg, const struct dlq_order *order, struct weir_error *reterr)
{
        struct weir_deadletter_filter filter = order->filter;
        struct dlq_plan plan = { .groups = NULL };
        int r = make_plan(pg, order, &filter, &plan, reterr);

        if (r == 0 && order->dry_run) {
                r = show_plan(order, &plan, reterr);
        } else if (r == 0) {
                r = confirm(order, &plan, reterr);
                if (r == CMD_DONE)
                        r = run_drop(pg, order, &filter, &plan, reterr);
        }
        weir_pg_rows_free(plan.groups);
        return r;
}
