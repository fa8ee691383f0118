/* SPDX-License-Identifier: MIT */
/*
 * position_plan - what Kafka and PostgreSQL say of each partition, side by side, and what is to become of it
 *
 * What is shown before and what is written is the same plan. Below a live worker positions move on in between; so after a
 * write the plan has what the locked rows held, not what was seen before, and that is what is shown.
 *
 * Not chosen    a plan that is written down and carried out later: it would be about another moment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "position.h"
#include "table.h"

void position_plan_fini(struct position_plan *plan)
{
        free(plan->places);
        weir_pg_rows_free(plan->rows);
        *plan = (struct position_plan){ .count = 0 };
}

int position_cluster(const struct weir_conf *conf, int timeout_ms, struct weir_cluster **ret,
                     struct weir_error *reterr)
{
        const struct weir_cluster_conf how = { .brokers = conf->kafka_brokers,
                                               .properties = conf->properties,
                                               .property_count = conf->property_count,
                                               .timeout_ms = timeout_ms };

        return weir_cluster_open(&how, ret, reterr);
}

int position_worker(const struct weir_conf *conf, const char *worker,
                    const struct weir_conf_worker **ret, struct weir_error *reterr)
{
        const char *near;

        for (size_t i = 0; i < conf->worker_count; i++)
                if (strcmp(conf->workers[i].name, worker) == 0) {
                        *ret = &conf->workers[i];
                        return 0;
                }
        near = conf->worker_count ? cmd_nearest(worker, &conf->workers[0].name, conf->worker_count,
                                                sizeof conf->workers[0])
                                  : NULL;
        return weir_fail(reterr, WEIR_EUSAGE, 0, "no worker %s in %s%s%s%s", worker, conf->path,
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* ---- asking --------------------------------------------------------------------------------- */

int position_plan_add(struct position_plan *plan, const char *topic, int32_t partition,
                      struct weir_error *reterr)
{
        struct position_place *places = plan->places;

        if ((plan->count & (plan->count - 1)) == 0) /* a power of two: it is full */
                places = reallocarray(places, plan->count ? 2 * plan->count : 1, sizeof *places);
        if (!places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count + 1);
        plan->places = places;
        places[plan->count++] = (struct position_place){
                .topic = topic,
                .partition = partition,
                .known = { .start_offset = -1, .end_offset = -1, .position = -1, .committed = -1 },
                .to = -1,
                .verdict = WEIR_TRANSFER_LEAVE,
        };
        return 0;
}

int position_plan_topic(struct position_plan *plan, struct weir_cluster *cluster, const char *topic,
                        int32_t partition, struct weir_error *reterr)
{
        int count = weir_cluster_partitions(cluster, topic, reterr);
        int r = 0;

        if (count < 0)
                return count;
        if (count == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s does not exist; mend the name, or create it, weir never "
                                 "does",
                                 topic);
        if (partition >= count)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "topic %s: no partition %d, it has %d (0 to %d)", topic,
                                 (int)partition, count, count - 1);
        for (int32_t p = 0; r == 0 && p < count; p++)
                if (partition < 0 || partition == p)
                        r = position_plan_add(plan, topic, p, reterr);
        return r;
}

static struct weir_cluster_offset *make_offsets(const struct position_plan *plan,
                                                struct weir_error *reterr)
{
        struct weir_cluster_offset *offsets = calloc(plan->count + 1, sizeof *offsets);

        for (size_t i = 0; offsets && i < plan->count; i++)
                offsets[i] = (struct weir_cluster_offset){ plan->places[i].topic,
                                                           plan->places[i].partition, -1 };
        if (!offsets)
                weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count);
        return offsets;
}

int position_plan_log(struct position_plan *plan, struct weir_cluster *cluster,
                      struct weir_error *reterr)
{
        WEIR_FREE struct weir_cluster_offset *offsets = make_offsets(plan, reterr);
        int r;

        if (!offsets)
                return WEIR_ENOMEM;
        r = weir_cluster_offsets(cluster, offsets, plan->count, WEIR_OFFSETS_START, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++)
                plan->places[i].known.start_offset = offsets[i].offset;
        if (r == 0)
                r = weir_cluster_offsets(cluster, offsets, plan->count, WEIR_OFFSETS_END, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++)
                plan->places[i].known.end_offset = offsets[i].offset;
        return r;
}

int position_plan_committed(struct position_plan *plan, struct weir_cluster *cluster,
                            const char *group, struct weir_error *reterr)
{
        WEIR_FREE struct weir_cluster_offset *offsets = make_offsets(plan, reterr);
        int r;

        if (!offsets)
                return WEIR_ENOMEM;
        r = weir_cluster_committed_all(cluster, group, offsets, plan->count, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++)
                plan->places[i].known.committed = offsets[i].offset;
        return r;
}

int position_plan_when(struct position_plan *plan, struct weir_cluster *cluster, int64_t when_ms,
                       struct weir_error *reterr)
{
        WEIR_FREE struct weir_cluster_offset *offsets = make_offsets(plan, reterr);
        int r;

        if (!offsets)
                return WEIR_ENOMEM;
        r = weir_cluster_offsets(cluster, offsets, plan->count, when_ms, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++)
                plan->places[i].to = offsets[i].offset < 0 ? plan->places[i].known.end_offset
                                                           : offsets[i].offset;
        return r;
}

static void take_row(struct position_place *place, const struct weir_pg_rows *rows, size_t row)
{
        place->known.position = weir_pg_rows_int(rows, row, WEIR_AT_NEXT, -1);
        place->known.parked = weir_pg_rows_int(rows, row, WEIR_AT_PARKED, 0);
        place->known.tried = weir_pg_rows_int(rows, row, WEIR_AT_TRIED, 0);
        place->known.letters = weir_pg_rows_int(rows, row, WEIR_AT_LETTERS, 0);
        if (*weir_pg_rows_text(rows, row, WEIR_AT_HELD).ptr == 't')
                place->owner = weir_pg_rows_text(rows, row, WEIR_AT_OWNER).ptr;
}

int position_plan_rows(struct position_plan *plan, struct weir_pg *pg, const char *worker,
                       struct weir_error *reterr)
{
        struct weir_pg_rows *rows = NULL;
        size_t count, at = 0;
        int r = weir_position_list(pg, worker, &rows, reterr);

        if (r < 0)
                return r;
        weir_pg_rows_free(plan->rows);
        plan->rows = rows;
        count = weir_pg_rows_count(rows);
        for (size_t i = 0; i < plan->count; i++) {
                struct position_place *place = &plan->places[i];

                place->owner = NULL;
                place->known.position = -1;
                place->known.parked = place->known.tried = place->known.letters = 0;
                /* Both go by topic and partition, so the next one is it, or a topic begins. */
                for (size_t step = 0; step < count; step++, at = at + 1 < count ? at + 1 : 0)
                        if (weir_pg_rows_int(rows, at, WEIR_AT_PARTITION, -1) == place->partition &&
                            !strcmp(weir_pg_rows_text(rows, at, WEIR_AT_TOPIC).ptr, place->topic)) {
                                take_row(place, rows, at);
                                break;
                        }
        }
        return 0;
}

void position_plan_count(struct position_plan *plan)
{
        plan->moves = plan->same = plan->left = plan->refused = 0;
        for (size_t i = 0; i < plan->count; i++)
                switch (plan->places[i].verdict) {
                case WEIR_TRANSFER_MOVE: plan->moves++; break;
                case WEIR_TRANSFER_SAME: plan->same++; break;
                case WEIR_TRANSFER_REFUSE: plan->refused++; break;
                case WEIR_TRANSFER_LEAVE:
                default: plan->left++; break;
                }
}

/* ---- showing -------------------------------------------------------------------------------- */

static const char *const verdict_names[] = { [WEIR_TRANSFER_MOVE] = "move",
                                             [WEIR_TRANSFER_SAME] = "same",
                                             [WEIR_TRANSFER_LEAVE] = "leave",
                                             [WEIR_TRANSFER_REFUSE] = "refuse" };

void position_print_number(const char *key, int64_t number)
{
        if (number < 0)
                printf(",\"%s\":null", key);
        else
                printf(",\"%s\":%" PRId64, key, number);
}

static void print_json(const struct position_plan *plan, const struct position_order *order,
                       const char *group, bool written)
{
        printf("{\"worker\":");
        cmd_print_json(order->worker);
        printf(",\"group\":");
        cmd_print_json(group);
        printf(",\"written\":%s,\"moves\":%zu,\"same\":%zu,\"left\":%zu,\"refused\":%zu,\"obstacle\":",
               written ? "true" : "false", plan->moves, plan->same, plan->left, plan->refused);
        cmd_print_json(*plan->obstacle ? plan->obstacle : NULL);
        printf(",\n \"partitions\":[");
        for (size_t i = 0; i < plan->count; i++) {
                const struct position_place *place = &plan->places[i];

                printf("%s{\"topic\":", i ? ",\n " : "");
                cmd_print_json(place->topic);
                printf(",\"partition\":%d,\"verdict\":\"%s\"", (int)place->partition,
                       verdict_names[place->verdict]);
                position_print_number("to", place->to);
                position_print_number("position", place->known.position);
                position_print_number("committed", place->known.committed);
                position_print_number("log_start", place->known.start_offset);
                position_print_number("log_end", place->known.end_offset);
                position_print_number("parked", place->known.parked);
                position_print_number("tried", place->known.tried);
                position_print_number("dead_letters", place->known.letters);
                printf(",\"note\":");
                cmd_print_json(*place->note ? place->note : NULL);
                putchar('}');
        }
        puts("]}");
}

void position_add_number(struct cmd_table *table, int64_t number)
{
        if (number < 0)
                cmd_table_addf(table, "-");
        else
                cmd_table_addf(table, "%" PRId64, number);
}

static int print_table(const struct position_plan *plan, bool committed, struct weir_error *reterr)
{
        static const struct cmd_column columns[] = {
                { "TOPIC/PARTITION", false, 60 },
                { "COMMITTED", true, 0 },
                { "LOG START", true, 0 },
                { "LOG END", true, 0 },
                { "POSITION", true, 0 },
                { "DO", false, 0 },
                { "TO", true, 0 },
                { "NOTE", false, 0 },
        };
        struct cmd_column shown[WEIR_COUNT_OF(columns)];
        struct cmd_table table;
        size_t count = 0;

        for (size_t i = 0; i < WEIR_COUNT_OF(columns); i++)
                if (committed || i != 1)
                        shown[count++] = columns[i];
        cmd_table_init(&table, shown, count);
        for (size_t i = 0; i < plan->count; i++) {
                const struct position_place *place = &plan->places[i];

                cmd_table_addf(&table, "%s/%d", place->topic, (int)place->partition);
                if (committed)
                        position_add_number(&table, place->known.committed);
                position_add_number(&table, place->known.start_offset);
                position_add_number(&table, place->known.end_offset);
                position_add_number(&table, place->known.position);
                cmd_table_addf(&table, "%s", verdict_names[place->verdict]);
                position_add_number(&table, place->to);
                cmd_table_addf(&table, "%s", place->note);
        }
        return cmd_table_print(stdout, &table, reterr);
}

int position_plan_print(const struct position_plan *plan, const struct position_order *order,
                        const char *group, bool written, struct weir_error *reterr)
{
        if (!order->json)
                return print_table(plan, group != NULL, reterr);
        print_json(plan, order, group, written);
        return 0;
}

/* ---- moving --------------------------------------------------------------------------------- */

int position_plan_move(struct position_plan *plan, struct weir_pg *pg, const char *worker, int how,
                       const char *reason, struct weir_error *reterr)
{
        WEIR_FREE struct weir_position_move *moves = calloc(plan->count + 1, sizeof *moves);
        size_t count = 0;
        int r;

        if (!moves)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->count);
        for (size_t i = 0; i < plan->count; i++)
                if (plan->places[i].verdict == WEIR_TRANSFER_MOVE ||
                    plan->places[i].verdict == WEIR_TRANSFER_SAME)
                        moves[count++] = (struct weir_position_move){
                                .topic = plan->places[i].topic,
                                .partition = plan->places[i].partition,
                                .next_offset = plan->places[i].to,
                        };
        r = weir_position_move(pg, worker, moves, count, how, reason, reterr);
        for (size_t i = 0; r == 0 && i < plan->count; i++)
                for (size_t k = 0; k < count; k++)
                        if (moves[k].partition == plan->places[i].partition &&
                            !strcmp(moves[k].topic, plan->places[i].topic)) {
                                struct position_place *place = &plan->places[i];

                                place->known.position = moves[k].before;
                                place->verdict = weir_transfer_to(&place->known, place->to, true,
                                                                  place->note);
                                break;
                        }
        return r;
}
