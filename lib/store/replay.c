/* SPDX-License-Identifier: MIT */
/*
 * replay - a plan is written whole: its row, its ranges, and their positions
 *
 * Always true   RY1.
 * Positions     of a replay are made with the plan, with an owner of '' and epoch 0: its lanes take them as any lane takes a
 *               position, and a second process that runs the same replay fences the first.
 * Live          what the locked rows hold when they are moved is what is replayed, and is what is recorded: below a live
 *               worker the plan that was shown is about an earlier moment. It counts from when they are locked, not from its
 *               BEGIN: while it waited for one row, the lane of another went on.
 * Not chosen    deleting plans when they are through: what was handled twice on purpose is asked for months later.
 */
#include "store/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/param.h"
#include "store/claims.h"
#include "store/position.h"

/* ---- writing a plan ------------------------------------------------------------------------- */

static void put_texts(struct weir_param_list *list, const struct weir_filter_list *values)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_TEXT, values->count, false);
        for (size_t i = 0; i < values->count; i++)
                weir_param_element_text(list, (struct weir_view){ values->values[i],
                                                                  strlen(values->values[i]) });
        weir_param_done(list, WEIR_OID_TEXT_ARRAY, false);
}

static int insert_row(struct weir_pg *pg, const struct weir_replay_plan *plan, bool live,
                      int64_t *ret_id, struct weir_error *reterr)
{
        /* A live one is over with its transaction, in which it may have waited for the lanes' rows. */
        static const char sql[] =
                "INSERT INTO weir.replay (types, sources, subjects, ids, worker, policy, epoch,"
                " effects, if_missing, rate_per_s, max_lag, asked_from, asked_to, plugin_version,"
                " owner, reason, by, state, created_at, ended_at) SELECT $1, $2, $3, $4, $5, $6, $7,"
                " $8, $9, $10::int4, nullif($11, -1), $12, $13, $14, $15, $16, session_user,"
                " CASE WHEN $17 THEN 'done' ELSE 'running' END,"
                " CASE WHEN $17 THEN clock_timestamp() ELSE now() END,"
                " CASE WHEN $17 THEN clock_timestamp() END RETURNING id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        int r;

        put_texts(&list, &plan->filter->types);
        put_texts(&list, &plan->filter->sources);
        put_texts(&list, &plan->filter->subjects);
        put_texts(&list, &plan->filter->ids);
        weir_param_text(&list, plan->worker);
        weir_param_text(&list, plan->policy);
        weir_param_text(&list, plan->epoch);
        weir_param_bool(&list, plan->effects);
        weir_param_text(&list, plan->skip_missing ? "skip" : "fail");
        weir_param_int8(&list, plan->rate_per_s);
        weir_param_int8(&list, plan->max_lag);
        weir_param_text(&list, plan->asked_from);
        weir_param_text(&list, plan->asked_to);
        weir_param_text(&list, plan->plugin_version);
        weir_param_text(&list, plan->owner);
        weir_param_text(&list, plan->reason ? plan->reason : "");
        weir_param_bool(&list, live);
        r = weir_param_run(pg, sql, &list, false, &result, reterr);
        if (r == 0)
                *ret_id = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        return r;
}

static void put_numbers(struct weir_param_list *list, const struct weir_replay_plan *plan,
                        size_t member)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, plan->place_count, false);
        for (size_t i = 0; i < plan->place_count; i++) {
                const struct weir_replay_place *place = &plan->places[i];

                weir_param_element_int8(list, member == 0   ? place->partition
                                              : member == 1 ? place->from_offset
                                              : member == 2 ? place->until_offset
                                                            : place->missing);
        }
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
}

/* $1 topics, $2 partitions, $3 from, $4 until, $5 missing, $6 id, $7 worker. */
static int insert_places(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t id,
                         const char *sql, struct weir_error *reterr)
{
        struct weir_param_list list = weir_param_begin(pg);

        weir_bytes_put_array(list.bytes, WEIR_OID_TEXT, plan->place_count, false);
        for (size_t i = 0; i < plan->place_count; i++)
                weir_param_element_text(&list, (struct weir_view){ plan->places[i].topic,
                                                                   strlen(plan->places[i].topic) });
        weir_param_done(&list, WEIR_OID_TEXT_ARRAY, false);
        for (size_t member = 0; member < 4; member++)
                put_numbers(&list, plan, member);
        weir_param_int8(&list, id);
        weir_param_text(&list, plan->worker);
        return weir_param_run(pg, sql, &list, false, NULL, reterr);
}

#define PLACES                                                                                     \
        "WITH u AS (SELECT * FROM unnest($1, $2, $3, $4, $5)"                                      \
        " AS u(topic, partition, from_offset, until_offset, missing)) "
/* Looked for first: a number of the identity that ON CONFLICT burns is one of two thousand million. */
static const char make_live[] = PLACES
        "INSERT INTO weir.position (worker, topic, partition, epoch, owner)"
        " SELECT $7, topic, partition::int4, 0, '' FROM u WHERE $6 > 0 AND NOT EXISTS (SELECT FROM"
        " weir.position p WHERE p.worker = $7 AND p.topic = u.topic AND p.partition = u.partition)"
        " ORDER BY topic, partition ON CONFLICT DO NOTHING";
static const char make_own[] = PLACES
        "INSERT INTO weir.position (worker, topic, partition, epoch, owner, next_offset)"
        " SELECT $7 || '@' || $6, topic, partition::int4, 0, '', from_offset FROM u"
        " ORDER BY topic, partition";
static const char make_ranges[] = PLACES
        "INSERT INTO weir.replay_range (replay, topic, partition, position, live_position,"
        " from_offset, until_offset, missing) SELECT $6, u.topic, u.partition::int4, o.id, l.id,"
        " u.from_offset, u.until_offset, u.missing FROM u"
        " JOIN weir.position l ON l.worker = $7 AND l.topic = u.topic AND l.partition = u.partition"
        " JOIN weir.position o ON o.worker = $7 || '@' || $6 AND o.topic = u.topic"
        " AND o.partition = u.partition";
static const char make_live_ranges[] = PLACES
        "INSERT INTO weir.replay_range (replay, topic, partition, position, live_position,"
        " from_offset, until_offset, missing) SELECT $6, u.topic, u.partition::int4, l.id, l.id,"
        " u.from_offset, u.until_offset, u.missing FROM u"
        " JOIN weir.position l ON l.worker = $7 AND l.topic = u.topic AND l.partition = u.partition";

static int insert_rows(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t *ret_id,
                       struct weir_error *reterr)
{
        int r = weir_claims_stand(pg, reterr); /* CL4 */

        if (r == 0)
                r = insert_row(pg, plan, false, ret_id, reterr);
        if (r == 0)
                r = insert_places(pg, plan, *ret_id, make_live, reterr);
        if (r == 0)
                r = insert_places(pg, plan, *ret_id, make_own, reterr);
        return r == 0 ? insert_places(pg, plan, *ret_id, make_ranges, reterr) : r;
}

/* What the locked rows held is what is replayed, not what was seen before. */
static int move_live(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t *ret_id,
                     struct weir_error *reterr)
{
        WEIR_FREE struct weir_position_move *moves = calloc(plan->place_count + 1, sizeof *moves);
        WEIR_FREE struct weir_replay_place *places = calloc(plan->place_count + 1, sizeof *places);
        struct weir_replay_plan moved = *plan;
        int r;

        if (!moves || !places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", plan->place_count);
        for (size_t i = 0; i < plan->place_count; i++)
                moves[i] = (struct weir_position_move){
                        .topic = plan->places[i].topic,
                        .partition = plan->places[i].partition,
                        .next_offset = plan->places[i].from_offset
                };
        r = weir_position_move_rows(pg, plan->worker, moves, plan->place_count, 0, plan->reason,
                                    reterr);
        for (size_t i = 0; r == 0 && i < plan->place_count; i++) {
                places[i] = (struct weir_replay_place){ .topic = moves[i].topic,
                                                        .partition = moves[i].partition,
                                                        .from_offset = moves[i].next_offset,
                                                        .until_offset = moves[i].before };
                if (moves[i].before < moves[i].next_offset)
                        r = weir_fail(reterr, WEIR_EUSAGE, 0,
                                      "%s/%d: the live position stands at %lld now, before %lld: "
                                      "nothing was moved; weir position set moves forward",
                                      moves[i].topic, (int)moves[i].partition,
                                      (long long)moves[i].before, (long long)moves[i].next_offset);
        }
        moved.places = places;
        if (r == 0)
                r = insert_row(pg, &moved, true, ret_id, reterr);
        return r == 0 ? insert_places(pg, &moved, *ret_id, make_live_ranges, reterr) : r;
}

typedef int write_fn(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t *ret_id,
                     struct weir_error *reterr);

static int write_plan(struct weir_pg *pg, const struct weir_replay_plan *plan, write_fn *write,
                      int64_t *ret_id, struct weir_error *reterr)
{
        int64_t id = 0;
        int r = weir_pg_begin(pg, reterr);

        if (r < 0)
                return r;
        r = write(pg, plan, &id, reterr);
        if (r < 0) {
                weir_pg_rollback(pg);
                return r;
        }
        WEIR_FAILPOINT("replay.planned");
        r = weir_pg_commit(pg, reterr);
        if (r == WEIR_ECOMMIT)
                weir_error_prefix(reterr,
                                  "the plan is there whole or not at all, `weir replay list %s` "
                                  "says which: ",
                                  plan->worker);
        if (r == 0)
                *ret_id = id;
        return r;
}

int weir_replay_insert(struct weir_pg *pg, const struct weir_replay_plan *plan, int64_t *ret_id,
                       struct weir_error *reterr)
{
        return write_plan(pg, plan, insert_rows, ret_id, reterr);
}

int weir_replay_insert_live(struct weir_pg *pg, const struct weir_replay_plan *plan,
                            int64_t *ret_id, struct weir_error *reterr)
{
        if (!plan->reason || !*plan->reason)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "worker %s: moving a position needs a reason", plan->worker);
        return write_plan(pg, plan, move_live, ret_id, reterr);
}
