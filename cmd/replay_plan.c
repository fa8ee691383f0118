/* SPDX-License-Identifier: MIT */
/*
 * replay_plan - what would be replayed, partition by partition, before anything is
 *
 * Of policy live the end of a range is where the live worker stands: what it reads once more. A partition that it never began,
 * or where it stands before --from, is left as it is.
 */
#include "replay_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmd.h"
#include "position.h"
#include "store/replay.h"
#include "table.h"

enum { ASK_MS = 10000 };

int replay_plan(const struct weir_conf *conf, const struct weir_conf_worker *worker,
                const struct replay_range_order *order, bool skip_missing, struct weir_pg *pg,
                struct weir_plan *ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        WEIR_FREE struct weir_plan_place *places = calloc(order->place_count + 1, sizeof *places);
        const struct weir_plan_order asked = {
                .conf = conf,
                .worker = worker,
                .places = places,
                .place_count = order->place_count,
                .from = order->from_at,
                .to = order->to_at,
                .skip_missing = skip_missing,
                .timeout_ms = ASK_MS,
        };
        int r;

        if (!places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu places", order->place_count);
        for (size_t i = 0; i < order->place_count; i++)
                places[i] = (struct weir_plan_place){ order->places[i].topic,
                                                      order->places[i].partition };
        r = position_cluster(conf, ASK_MS, &cluster, reterr);
        if (r == 0)
                r = weir_plan_make(&asked, pg, cluster, ret, reterr);
        return r;
}

int replay_forgotten(struct weir_pg *pg, const struct replay_range_order *order, char ret_when[32],
                     struct weir_error *reterr)
{
        const struct weir_where *from = &order->from_at;
        int64_t until_ms, from_ms = 0;
        int r = weir_replay_forgotten(pg, order->worker, order->epoch, &until_ms, ret_when, reterr);

        if (from->kind == WEIR_WHERE_TIME)
                from_ms = from->value;
        else if (from->kind == WEIR_WHERE_AGO)
                from_ms = weir_clock_wall_us() / 1000 - from->value;
        if (r == 0 && from_ms > until_ms)
                ret_when[0] = '\0';
        return r;
}

bool replay_goes_back(const struct weir_plan_range *range)
{
        return range->live_offset > range->from_offset;
}

static int64_t until_of(const struct weir_plan_range *range, bool live)
{
        return !live                     ? range->until_offset
               : replay_goes_back(range) ? range->live_offset
                                         : range->from_offset;
}

static const char *note_of(const struct weir_plan_range *range, bool live)
{
        if (!live || replay_goes_back(range))
                return range->note;
        return range->live_offset < 0 ? "never begun: left as it is"
                                      : "stands there already or before: left as it is";
}

static void print_json(const struct weir_plan *plan, const struct replay_range_order *order,
                       int64_t offsets)
{
        bool live = order->policy == REPLAY_LIVE;

        printf("{\"worker\":");
        cmd_print_json(order->worker);
        printf(",\"policy\":\"%s\",\"epoch\":", replay_policy_name(order->policy));
        cmd_print_json(order->epoch);
        printf(",\"started\":false,\"offsets\":%" PRId64 ",\"missing\":%" PRId64
               ",\n \"partitions\":[",
               offsets, plan->missing);
        for (size_t i = 0; i < plan->count; i++) {
                const struct weir_plan_range *range = &plan->ranges[i];

                printf("%s{\"topic\":", i ? ",\n " : "");
                cmd_print_json(range->topic);
                printf(",\"partition\":%d", (int)range->partition);
                position_print_number("from", range->from_offset);
                position_print_number("until", until_of(range, live));
                position_print_number("missing", range->missing);
                position_print_number("log_start", range->start_offset);
                position_print_number("log_end", range->end_offset);
                position_print_number("live", range->live_offset);
                fputs(",\"note\":", stdout);
                cmd_print_json(*note_of(range, live) ? note_of(range, live) : NULL);
                putchar('}');
        }
        puts("]}");
}

int replay_plan_print(const struct weir_plan *plan, const struct replay_range_order *order,
                      bool json, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "TOPIC/PARTITION", false, 60 }, { "LOG START", true, 0 }, { "LOG END", true, 0 },
                { "LIVE AT", true, 0 },           { "FROM", true, 0 },      { "TO", true, 0 },
                { "OFFSETS", true, 0 },           { "MISSING", true, 0 },   { "NOTE", false, 0 },
        };
        bool live = order->policy == REPLAY_LIVE;
        struct cmd_table table;
        int64_t offsets = 0;
        int r;

        for (size_t i = 0; i < plan->count; i++)
                offsets += until_of(&plan->ranges[i], live) - plan->ranges[i].from_offset;
        if (json) {
                print_json(plan, order, offsets);
                return 0;
        }
        cmd_table_init(&table, columns, WEIR_COUNT_OF(columns));
        for (size_t i = 0; i < plan->count; i++) {
                const struct weir_plan_range *range = &plan->ranges[i];

                cmd_table_addf(&table, "%s/%d", range->topic, (int)range->partition);
                position_add_number(&table, range->start_offset);
                position_add_number(&table, range->end_offset);
                position_add_number(&table, range->live_offset);
                position_add_number(&table, range->from_offset);
                position_add_number(&table, until_of(range, live));
                position_add_number(&table, until_of(range, live) - range->from_offset);
                position_add_number(&table, range->missing);
                cmd_table_addf(&table, "%s", note_of(range, live));
        }
        r = cmd_table_print(stdout, &table, reterr);
        printf("%" PRId64 " offsets in %zu partition%s\n", offsets, plan->count,
               plan->count == 1 ? "" : "s");
        return r;
}
