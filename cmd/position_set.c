/* SPDX-License-Identifier: MIT */
/*
 * position_set - one partition to an offset, or all of a topic to a place that each of them has
 *
 * The offset is held against the log as it is: a slip of a digit would halt the partition, or skip what nobody meant to.
 * --force is for what the log cannot tell: it is away, or it will be there (a topic that is being restored).
 *
 * A worker that the file does not name can be moved, if it has a row: it may be run from another file. One that the file names
 * needs none: who moves in from elsewhere says where before the first start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "position.h"
#include "store/deadletter_list.h"

static const char name[] = "position";

static bool reads_topic(const struct weir_conf_worker *worker, const char *topic)
{
        for (size_t i = 0; worker && i < worker->topic_count; i++)
                if (strcmp(worker->topics[i], topic) == 0)
                        return true;
        return false;
}

/* By the database's clock, as times ago are with `weir dlq`. */
static int fix_time(struct weir_pg *pg, const struct weir_where *where, int64_t *ret_ms,
                    struct weir_error *reterr)
{
        int64_t now_us = 0;
        int r = 0;

        *ret_ms = where->value;
        if (where->kind != WEIR_WHERE_AGO)
                return 0;
        r = weir_deadletter_now(pg, &now_us, reterr);
        *ret_ms = now_us / 1000 - where->value;
        if (*ret_ms < 0)
                *ret_ms = 0;
        return r;
}

static int find_places(struct weir_pg *pg, const struct weir_where *where,
                       struct position_plan *plan, struct weir_cluster *cluster,
                       struct weir_error *reterr)
{
        int64_t when_ms = 0;
        int r;

        for (size_t i = 0; i < plan->count; i++)
                plan->places[i].to = where->kind == WEIR_WHERE_EARLIEST
                                             ? plan->places[i].known.start_offset
                                     : where->kind == WEIR_WHERE_LATEST
                                             ? plan->places[i].known.end_offset
                                             : where->value;
        if (where->kind != WEIR_WHERE_TIME && where->kind != WEIR_WHERE_AGO)
                return 0;
        r = fix_time(pg, where, &when_ms, reterr);
        return r < 0 ? r : position_plan_when(plan, cluster, when_ms, reterr);
}

static int ask_log(struct weir_pg *pg, const struct weir_conf *conf,
                   const struct position_order *order, struct position_plan *plan,
                   struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        int r;

        if (order->force && order->where.kind == WEIR_WHERE_OFFSET) {
                r = position_plan_add(plan, order->topic, order->partition, reterr);
                if (r == 0)
                        plan->places[0].to = order->where.value;
                return r;
        }
        r = position_cluster(conf, POSITION_ASK_MS, &cluster, reterr);
        if (r == 0)
                r = position_plan_topic(plan, cluster, order->topic, order->partition, reterr);
        if (r == 0)
                r = position_plan_log(plan, cluster, reterr);
        if (r == 0)
                r = find_places(pg, &order->where, plan, cluster, reterr);
        if (r < 0 && r != WEIR_EUSAGE)
                weir_error_prefix(reterr,
                                  "nothing was moved, the log of topic %s cannot be looked "
                                  "at (an offset is set unseen with --force): ",
                                  order->topic);
        return r;
}

/* CMD_DONE, or a partition is refused. */
static int judge(const struct position_order *order, struct position_plan *plan)
{
        for (size_t i = 0; i < plan->count; i++) {
                struct position_place *place = &plan->places[i];

                place->verdict = weir_transfer_to(&place->known, place->to, order->force,
                                                  place->note);
                if (place->verdict == WEIR_TRANSFER_REFUSE)
                        return cmd_say(CMD_FAILED, name,
                                       "%s/%d: %s; nothing was moved (--force moves it all the "
                                       "same)",
                                       place->topic, (int)place->partition, place->note);
        }
        position_plan_count(plan);
        return CMD_DONE;
}

static void print_moved(const struct position_order *order, const struct position_plan *plan)
{
        for (size_t i = 0; i < plan->count; i++) {
                const struct position_place *place = &plan->places[i];

                printf("%s %s/%d: next offset %" PRId64 ", was ", order->worker, place->topic,
                       (int)place->partition, place->to);
                if (place->known.position < 0)
                        puts("not set");
                else
                        printf("%" PRId64 "\n", place->known.position);
        }
}

static int carry_out(struct weir_pg *pg, const struct position_order *order,
                     struct position_plan *plan, bool make, struct weir_error *reterr)
{
        int r = position_plan_move(plan, pg, order->worker, make ? WEIR_MOVE_MAKE : 0,
                                   order->reason, reterr);

        if (r < 0)
                return r;
        position_plan_count(plan);
        if (order->json)
                return position_plan_print(plan, order, NULL, true, reterr);
        print_moved(order, plan);
        return CMD_DONE;
}

int position_set(struct weir_pg *pg, const struct weir_conf *conf,
                 const struct position_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(position_plan_fini) struct position_plan plan = { .count = 0 };
        const struct weir_conf_worker *worker = NULL;
        struct weir_error unknown;
        bool make;
        int r;

        position_worker(conf, order->worker, &worker, &unknown);
        make = reads_topic(worker, order->topic);
        r = ask_log(pg, conf, order, &plan, reterr);
        if (r == 0)
                r = position_plan_rows(&plan, pg, order->worker, reterr);
        if (r < 0)
                return r;
        r = judge(order, &plan);
        if (r != CMD_DONE)
                return r;
        if (!order->dry_run)
                return carry_out(pg, order, &plan, make, reterr);
        r = position_plan_print(&plan, order, NULL, false, reterr);
        if (r == 0 && !order->json)
                puts("nothing was moved");
        return r;
}
