/* SPDX-License-Identifier: MIT */
/*
 * position_transfer - import and export: a worker takes over from another consumer, or hands over to one
 *
 * Two who handle the same records are the danger, and weir cannot stop the other one. So what can be seen of it is asked:
 * members of the group, a live process that holds a position. Either is an obstacle, and nothing is written over it: the
 * offsets of somebody who goes on are those of a moment that has passed. --force accepts that, where Kafka does.
 *
 * Always true   TP1 without --yes nothing is written; what is shown is what would be.
 *               TP2 a partition that is refused stops all of them, unless --partial: half a move is for him to decide who
 *                   sees it. One that has no offset is no refusal: there was nothing to take over.
 *               TP3 out and in again changes nothing: what stands where it should is left alone, without a word in the log.
 * The race      an export reads the positions, and a worker starts  2. it moves on, and Kafka has the older ones: whoever goes
 *               on there handles records again. The positions are read once more after the write, and a difference is said.
 * Not chosen    holding the positions locked during an export: weir's other processes would wait for Kafka.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "cmd.h"
#include "position.h"

static const char name[] = "position";

struct transfer {
        struct weir_pg *pg;
        struct weir_cluster *cluster;
        const struct weir_conf_worker *worker;
        const struct position_order *order;
        const char *group;
        struct position_plan plan;
        bool out;
};

static void transfer_fini(struct transfer *transfer)
{
        position_plan_fini(&transfer->plan);
        weir_cluster_close(transfer->cluster);
}

/* ---- the plan ------------------------------------------------------------------------------- */

static int check_topics(const struct transfer *transfer, struct weir_error *reterr)
{
        const struct weir_conf_worker *worker = transfer->worker;

        for (size_t i = 0; i < transfer->order->topic_count; i++) {
                const char *topic = transfer->order->topics[i], *near;
                bool found = false;

                for (size_t k = 0; k < worker->topic_count; k++)
                        found = found || !strcmp(worker->topics[k], topic);
                if (found)
                        continue;
                near = cmd_nearest(topic, worker->topics, worker->topic_count,
                                   sizeof worker->topics[0]);
                return weir_fail(reterr, WEIR_EUSAGE, 0, "worker %s does not read topic %s%s%s%s",
                                 worker->name, topic, near ? "; did you mean " : "",
                                 near ? near : "", near ? "?" : "");
        }
        return 0;
}

static bool wanted(const struct position_order *order, const char *topic)
{
        for (size_t i = 0; i < order->topic_count; i++)
                if (!strcmp(order->topics[i], topic))
                        return true;
        return order->topic_count == 0;
}

static int make_plan(struct transfer *transfer, const struct weir_conf *conf,
                     struct weir_error *reterr)
{
        struct position_plan *plan = &transfer->plan;
        int r = position_worker(conf, transfer->order->worker, &transfer->worker, reterr);

        if (r < 0)
                return r;
        transfer->group = transfer->order->group ? transfer->order->group : transfer->worker->group;
        r = check_topics(transfer, reterr);
        if (r == 0)
                r = position_cluster(conf, POSITION_ASK_MS, &transfer->cluster, reterr);
        for (size_t i = 0; r == 0 && i < transfer->worker->topic_count; i++)
                if (wanted(transfer->order, transfer->worker->topics[i]))
                        r = position_plan_topic(plan, transfer->cluster,
                                                transfer->worker->topics[i], -1, reterr);
        if (r == 0)
                r = position_plan_log(plan, transfer->cluster, reterr);
        if (r == 0)
                r = position_plan_committed(plan, transfer->cluster, transfer->group, reterr);
        if (r == 0)
                r = position_plan_rows(plan, transfer->pg, transfer->worker->name, reterr);
        return r;
}

static void judge(struct transfer *transfer)
{
        for (size_t i = 0; i < transfer->plan.count; i++) {
                struct position_place *place = &transfer->plan.places[i];

                place->verdict = transfer->out
                                         ? weir_transfer_out(&place->known, &place->to, place->note)
                                         : weir_transfer_in(&place->known, &place->to, place->note);
        }
        position_plan_count(&transfer->plan);
}

static const struct position_place *held(const struct position_plan *plan)
{
        for (size_t i = 0; i < plan->count; i++)
                if (plan->places[i].owner)
                        return &plan->places[i];
        return NULL;
}

/* What else is at work. It is said with the plan, not instead of it. */
static int find_obstacle(struct transfer *transfer, struct weir_error *reterr)
{
        const struct position_place *place = held(&transfer->plan);
        const char *force = transfer->order->force ? NULL : "--force";
        char *obstacle = transfer->plan.obstacle;
        struct weir_cluster_group members;
        int r = weir_cluster_group(transfer->cluster, transfer->group, &members, reterr);

        if (r < 0)
                return r;
        if (members.count && transfer->out)
                snprintf(obstacle, sizeof transfer->plan.obstacle,
                         "group %.100s has %zu member%s (%s): stop them, Kafka takes offsets only "
                         "for a group without members",
                         transfer->group, members.count, members.count == 1 ? "" : "s",
                         members.state);
        else if (members.count && force)
                snprintf(obstacle, sizeof transfer->plan.obstacle,
                         "group %.100s has %zu member%s (%s), and its offsets move on: stop them, "
                         "or take those of this moment with %s",
                         transfer->group, members.count, members.count == 1 ? "" : "s",
                         members.state, force);
        else if (transfer->out && place && force)
                snprintf(obstacle, sizeof transfer->plan.obstacle,
                         "worker %s runs (%.80s holds %.100s/%d), and its positions move on: stop "
                         "it, or write those of this moment with %s",
                         transfer->worker->name, place->owner, place->topic, (int)place->partition,
                         force);
        return 0;
}

/* ---- carrying it out ------------------------------------------------------------------------ */

static int write_out(struct transfer *transfer, struct weir_error *reterr)
{
        const struct position_plan *plan = &transfer->plan;
        WEIR_FREE struct weir_cluster_offset *offsets = calloc(plan->count + 1, sizeof *offsets);
        WEIR_FREE char *words = NULL;
        size_t count = 0;

        if (!offsets || asprintf(&words, "weir: %s", transfer->order->reason) < 0) {
                words = NULL; /* asprintf leaves it undefined */
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu offsets", plan->count);
        }
        for (size_t i = 0; i < plan->count; i++)
                if (plan->places[i].verdict == WEIR_TRANSFER_MOVE)
                        offsets[count++] = (struct weir_cluster_offset){
                                plan->places[i].topic,
                                plan->places[i].partition,
                                plan->places[i].to,
                        };
        return count ? weir_cluster_commit(transfer->cluster, transfer->group, offsets, count,
                                           words, reterr)
                     : 0;
}

/* Did they stay where they were while Kafka was told? An exit code, or < 0. */
static int look_again(struct transfer *transfer, struct weir_error *reterr)
{
        struct position_plan *plan = &transfer->plan;
        int r = position_plan_rows(plan, transfer->pg, transfer->worker->name, reterr);

        for (size_t i = 0; r == 0 && i < plan->count; i++) {
                const struct position_place *place = &plan->places[i];

                if (place->to >= 0 && place->known.position != place->to)
                        return cmd_say(CMD_FAILED, name,
                                       "%s/%d: the position went on to %" PRId64 " while %" PRId64
                                       " was written: worker %s runs; stop it and export once more",
                                       place->topic, (int)place->partition, place->known.position,
                                       place->to, transfer->worker->name);
        }
        return r;
}

static int write_plan(struct transfer *transfer, struct weir_error *reterr)
{
        int r = transfer->out
                        ? write_out(transfer, reterr)
                        : position_plan_move(&transfer->plan, transfer->pg, transfer->worker->name,
                                             WEIR_MOVE_MAKE | WEIR_MOVE_KEEP,
                                             transfer->order->reason, reterr);

        WEIR_FAILPOINT("position.written");
        if (r == 0 && !transfer->out)
                position_plan_count(&transfer->plan);
        return r;
}

/* The last line: what was done, or what keeps it from being done and how to go on. An exit code. */
static int conclude(const struct transfer *transfer, bool written)
{
        const struct position_order *order = transfer->order;
        const struct position_plan *plan = &transfer->plan;
        const char *where = transfer->out ? "written to group" : "taken from group";

        if (*plan->obstacle)
                return cmd_say(CMD_FAILED, name, "nothing was written: %s", plan->obstacle);
        if (plan->refused && !order->partial)
                return cmd_say(CMD_FAILED, name,
                               "nothing was written: %zu of %zu partitions are refused, see the "
                               "notes; --partial goes on with the others",
                               plan->refused, plan->count);
        if (order->json)
                return CMD_DONE;
        printf("%zu of %zu partitions %s%s %s", plan->moves, plan->count,
               written ? "" : "would be ", where, transfer->group);
        if (plan->same)
                printf(", %zu stand there already", plan->same);
        if (plan->left)
                printf(", %zu without an offset left alone", plan->left);
        if (plan->refused)
                printf(", %zu refused", plan->refused);
        puts(written || order->dry_run ? "" : "; nothing was written, --yes --reason TEXT does it");
        return CMD_DONE;
}

static bool may_write(const struct transfer *transfer)
{
        return transfer->order->yes && !transfer->order->dry_run && !*transfer->plan.obstacle &&
               (!transfer->plan.refused || transfer->order->partial);
}

static int carry_out(struct transfer *transfer, const struct weir_conf *conf,
                     struct weir_error *reterr)
{
        bool written;
        int code, r = make_plan(transfer, conf, reterr);

        if (r < 0)
                return r;
        judge(transfer);
        if (transfer->plan.left == transfer->plan.count)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 transfer->out
                                         ? "worker %s has no position yet, nothing to write to "
                                           "group %s"
                                         : "nothing to take over for worker %s: group %s has "
                                           "committed no offset of its topics; is that its name?",
                                 transfer->worker->name, transfer->group);
        r = find_obstacle(transfer, reterr);
        if (r < 0)
                return r;
        written = may_write(transfer);
        if (written)
                r = write_plan(transfer, reterr);
        if (r == 0)
                r = position_plan_print(&transfer->plan, transfer->order, transfer->group, written,
                                        reterr);
        if (r < 0)
                return r;
        code = conclude(transfer, written);
        if (written && transfer->out && !transfer->order->force)
                return look_again(transfer, reterr);
        return code;
}

int position_import(struct weir_pg *pg, const struct weir_conf *conf,
                    const struct position_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(transfer_fini) struct transfer transfer = { .pg = pg, .order = order };

        return carry_out(&transfer, conf, reterr);
}

int position_export(struct weir_pg *pg, const struct weir_conf *conf,
                    const struct position_order *order, struct weir_error *reterr)
{
        WEIR_CLEANUP(transfer_fini)
        struct transfer transfer = { .pg = pg, .order = order, .out = true };

        return carry_out(&transfer, conf, reterr);
}
