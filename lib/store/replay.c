/* SPDX-License-Identifier: MIT */
/*
 * replay - a plan is written once; its state is changed by who saw it last
 *
 * Always true   RS1, RS2, RS3.
 * The race      1. the process of replay 3 is killed  2. two operators resume it at once. Each has read the row, and that its
 *               process is gone. The first one's UPDATE changes owner and started_at; the second one waits for the row's
 *               lock, finds it changed, and changes nothing (RS2). Whether a process is there is no part of that: a look
 *               at the sessions belongs to the moment before, the compare-and-set decides.
 *               1. an operator stops it  2. its last lane is through: done. The process ends it in its own name from running or
 *               stopping, so it is done; the operator's UPDATE found running and is kept, or found done and is told so.
 * Positions     of a replay are made with the plan, with an owner of '' and epoch 0: its lanes take them as any lane takes a
 *               position, and a second process that runs the same replay fences the first.
 * Not chosen    a heartbeat in the row: sessions die with their process, or with its network, which is what a heartbeat
 *               would say later.
 *               deleting plans when they are through: what was handled twice on purpose is asked for months later.
 */
#include "store/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/param.h"
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
        static const char running[] =
                "INSERT INTO weir.replay (types, sources, subjects, ids, worker, policy, epoch,"
                " effects, if_missing, rate_per_s, max_lag, asked_from, asked_to, plugin_version,"
                " owner, reason, state, by, ended_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
                " $10::int4, nullif($11, -1), $12, $13, $14, $15, $16, 'running', session_user,"
                " NULL::timestamptz RETURNING id";
        static const char done[] =
                "INSERT INTO weir.replay (types, sources, subjects, ids, worker, policy, epoch,"
                " effects, if_missing, rate_per_s, max_lag, asked_from, asked_to, plugin_version,"
                " owner, reason, state, by, ended_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
                " $10::int4, nullif($11, -1), $12, $13, $14, $15, $16, 'done', session_user, now()"
                " RETURNING id";
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
        r = weir_param_run(pg, live ? done : running, &list, false, &result, reterr);
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
        int r = insert_row(pg, plan, false, ret_id, reterr);

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

/* ---- reading one ---------------------------------------------------------------------------- */

enum {
        WORKER,
        POLICY,
        EPOCH,
        STATE,
        OWNER,
        TEXT,
        FROM,
        TO,
        SINCE,
        EFFECTS,
        SKIPS,
        HELD,
        RATE,
        MAX_LAG,
        KEPT
};

static bool is_true(const struct weir_pg_rows *rows, size_t column)
{
        return *weir_pg_rows_text(rows, 0, column).ptr == 't';
}

static void read_row(struct weir_replay *replay)
{
        const struct weir_pg_rows *row = replay->row;

        replay->worker = weir_pg_rows_text(row, 0, WORKER).ptr;
        replay->policy = weir_pg_rows_text(row, 0, POLICY).ptr;
        replay->epoch = weir_pg_rows_text(row, 0, EPOCH).ptr;
        replay->state = weir_pg_rows_text(row, 0, STATE).ptr;
        replay->owner = weir_pg_rows_text(row, 0, OWNER).ptr;
        replay->text = weir_pg_rows_text(row, 0, TEXT).ptr;
        replay->asked_from = weir_pg_rows_text(row, 0, FROM).ptr;
        replay->asked_to = weir_pg_rows_text(row, 0, TO).ptr;
        replay->since = weir_pg_rows_text(row, 0, SINCE).ptr;
        replay->kept = weir_pg_rows_text(row, 0, KEPT).ptr;
        replay->effects = is_true(row, EFFECTS);
        replay->skip_missing = is_true(row, SKIPS);
        replay->held = is_true(row, HELD);
        replay->rate_per_s = (int32_t)weir_pg_rows_int(row, 0, RATE, 0);
        replay->max_lag = weir_pg_rows_int(row, 0, MAX_LAG, -1);
}

static int load_row(struct weir_pg *pg, struct weir_replay *replay, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT p.worker, p.policy, p.epoch, p.state, p.owner, p.text, p.asked_from,"
                " p.asked_to, p.started_at, p.effects, p.if_missing = 'skip', " WEIR_POSITION_HELD
                ", p.rate_per_s, p.max_lag, CASE WHEN p.state = 'failed' THEN (SELECT"
                " 'generation ' || d.generation || ' of claims was dropped at ' || "
                "to_char(d.dropped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                " FROM weir.claim_dropped d WHERE d.dropped_at >= p.created_at"
                " ORDER BY d.generation LIMIT 1) END FROM weir.replay p WHERE p.id = $1";
        const struct weir_value number = weir_int8(replay->id);
        int r = weir_pg_query(pg, sql, &number, 1, &replay->row, reterr);

        if (r < 0)
                return r;
        if (weir_pg_rows_count(replay->row) == 0)
                return 1;
        read_row(replay);
        return 0;
}

static int load_filter(struct weir_pg *pg, struct weir_replay *replay, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT k, v FROM weir.replay, LATERAL (SELECT 0 AS k, unnest(types) AS v"
                " UNION ALL SELECT 1, unnest(sources) UNION ALL SELECT 2, unnest(subjects)"
                " UNION ALL SELECT 3, unnest(ids)) u WHERE id = $1 ORDER BY k";
        struct weir_filter_list *lists[] = { &replay->filter.types, &replay->filter.sources,
                                             &replay->filter.subjects, &replay->filter.ids };
        const struct weir_value number = weir_int8(replay->id);
        size_t count;
        int r = weir_pg_query(pg, sql, &number, 1, &replay->filter_rows, reterr);

        if (r < 0)
                return r;
        count = weir_pg_rows_count(replay->filter_rows);
        replay->values = calloc(count + 1, sizeof *replay->values);
        if (!replay->values)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "a filter of %zu values", count);
        for (size_t i = 0; i < count; i++) {
                struct weir_filter_list
                        *list = lists[weir_pg_rows_int(replay->filter_rows, i, 0, 0)];

                replay->values[i] = weir_pg_rows_text(replay->filter_rows, i, 1).ptr;
                if (list->count++ == 0)
                        list->values = &replay->values[i];
        }
        return 0;
}

static int load_spans(struct weir_pg *pg, struct weir_replay *replay, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT g.topic, g.partition, g.position, g.live_position, g.from_offset,"
                " g.until_offset, o.next_offset FROM weir.replay_range g"
                " JOIN weir.position o ON o.id = g.position WHERE g.replay = $1"
                " ORDER BY g.topic, g.partition";
        const struct weir_value number = weir_int8(replay->id);
        int r = weir_pg_query(pg, sql, &number, 1, &replay->span_rows, reterr);
        const struct weir_pg_rows *rows = replay->span_rows;

        if (r < 0)
                return r;
        replay->span_count = weir_pg_rows_count(rows);
        replay->spans = calloc(replay->span_count + 1, sizeof *replay->spans);
        if (!replay->spans)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu partitions", replay->span_count);
        for (size_t i = 0; i < replay->span_count; i++)
                replay->spans[i] = (struct weir_replay_span){
                        .topic = weir_pg_rows_text(rows, i, 0).ptr,
                        .partition = (int32_t)weir_pg_rows_int(rows, i, 1, 0),
                        .position = (int32_t)weir_pg_rows_int(rows, i, 2, 0),
                        .live_position = (int32_t)weir_pg_rows_int(rows, i, 3, 0),
                        .from_offset = weir_pg_rows_int(rows, i, 4, 0),
                        .until_offset = weir_pg_rows_int(rows, i, 5, 0),
                        .next_offset = weir_pg_rows_int(rows, i, 6, 0),
                };
        return 0;
}

int weir_replay_load(struct weir_pg *pg, int64_t id, struct weir_replay **ret,
                     struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_replay_freep) struct weir_replay *replay = calloc(1, sizeof *replay);
        int r;

        if (!replay)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "replay %lld", (long long)id);
        replay->id = id;
        r = load_row(pg, replay, reterr);
        if (r == 0)
                r = load_filter(pg, replay, reterr);
        if (r == 0)
                r = load_spans(pg, replay, reterr);
        if (r == 0)
                *ret = WEIR_TAKE(replay);
        return r;
}

void weir_replay_free(struct weir_replay *replay)
{
        if (!replay)
                return;
        free(replay->spans);
        free(replay->values);
        weir_pg_rows_free(replay->row);
        weir_pg_rows_free(replay->span_rows);
        weir_pg_rows_free(replay->filter_rows);
        free(replay);
}

/* ---- changing its state --------------------------------------------------------------------- */

/* RS2: $1 id, $2 state, $3 owner and $4 started_at as they were seen; $5 what the statement wants besides. */
static int change(struct weir_pg *pg, const struct weir_replay *replay, const char *sql,
                  const char *word, struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_int8(replay->id), weir_text_z(replay->state),
                                             weir_text_z(replay->owner), weir_text_z(replay->since),
                                             weir_text_z(word) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        return weir_pg_rows_affected(rows) != 1;
}

#define AS_SEEN                                                                                    \
        " WHERE id = $1 AND state = $2 AND owner = $3 AND started_at = $4::text::timestamptz"

int weir_replay_take(struct weir_pg *pg, const struct weir_replay *replay, const char *owner,
                     struct weir_error *reterr)
{
        return change(pg, replay,
                      "UPDATE weir.replay SET state = 'running', owner = $5, text = '',"
                      " started_at = clock_timestamp(), ended_at = NULL" AS_SEEN,
                      owner, reterr);
}

int weir_replay_stop(struct weir_pg *pg, const struct weir_replay *replay, bool *ret_stopped,
                     struct weir_error *reterr)
{
        int r = change(pg, replay,
                       "UPDATE weir.replay SET state = $5, ended_at = CASE $5 WHEN 'stopped'"
                       " THEN now() END" AS_SEEN " AND state IN ('running', 'stopping')",
                       replay->held ? "stopping" : "stopped", reterr);

        if (r == 0)
                *ret_stopped = !replay->held;
        return r;
}

int weir_replay_give_up(struct weir_pg *pg, const struct weir_replay *replay,
                        struct weir_error *reterr)
{
        return change(pg, replay,
                      "UPDATE weir.replay SET state = 'failed', text = $5 || session_user,"
                      " ended_at = coalesce(ended_at, now())" AS_SEEN,
                      "given up by ", reterr);
}

int weir_replay_end(struct weir_pg *pg, int64_t id, const char *owner, const char *state,
                    const char *text, struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_int8(id), weir_text_z(owner), weir_text_z(state),
                                             weir_text_z(text) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg,
                              "UPDATE weir.replay SET state = $3, text = $4, ended_at = now()"
                              " WHERE id = $1 AND owner = $2 AND state IN ('running', 'stopping')",
                              params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        return weir_pg_rows_affected(rows) != 1;
}

int weir_replay_look(struct weir_pg *pg, int64_t id, const char *owner, struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_int8(id), weir_text_z(owner) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg,
                              "SELECT CASE WHEN owner <> $2 THEN 2 WHEN state = 'running' THEN 0"
                              " WHEN state = 'stopping' THEN 1 ELSE 2 END FROM weir.replay"
                              " WHERE id = $1",
                              params, WEIR_COUNT_OF(params), &rows, reterr);

        return r < 0 ? r : (int)weir_pg_rows_int(rows, 0, 0, 2);
}
