/* SPDX-License-Identifier: MIT */
/*
 * replay_state - the state of a replay is changed by who saw it last
 *
 * Always true   RY2, RY3.
 * The race      1. the process of replay 3 is killed  2. two operators resume it at once. Each has read the row, and that its
 *               process is gone. The first one's UPDATE changes owner and started_at; the second one waits for the row's
 *               lock, finds it changed, and changes nothing (RY2). Whether a process is there is no part of that: a look
 *               at the sessions belongs to the moment before, the compare-and-set decides.
 *               1. an operator stops it  2. its last lane is through: done. The process ends it in its own name from running or
 *               stopping, so it is done; the operator's UPDATE found running and is kept, or found done and is told so.
 * Not chosen    a heartbeat in the row: sessions die with their process, or with its network, which is what a heartbeat
 *               would say later.
 */
#include <assert.h>
#include <stdlib.h>

#include "store/claims.h"
#include "store/position.h"
#include "store/replay.h"

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
        GONE
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
        replay->gone = weir_pg_rows_text(row, 0, GONE).ptr;
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
                ", p.rate_per_s, p.max_lag, (SELECT"
                " 'generation ' || d.generation || ' of claims was dropped at ' || "
                "to_char(d.dropped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                " FROM weir.claim_dropped d WHERE d.dropped_at >= p.created_at"
                " ORDER BY d.generation LIMIT 1) FROM weir.replay p WHERE p.id = $1";
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
                " g.until_offset, o.next_offset, (SELECT count(*) FROM weir.parked k"
                " WHERE k.position = o.id) FROM weir.replay_range g"
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
                        .parked = weir_pg_rows_int(rows, i, 7, 0),
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

#define AS_SEEN                                                                                    \
        " WHERE id = $1 AND state = $2 AND owner = $3 AND started_at = $4::text::timestamptz"

/* RY2: $1 to $4 are AS_SEEN, @more of them what the statement wants besides. */
static int change(struct weir_pg *pg, const struct weir_replay *replay, const char *sql,
                  const struct weir_value *more, size_t count, struct weir_error *reterr)
{
        struct weir_value params[8] = { weir_int8(replay->id), weir_text_z(replay->state),
                                        weir_text_z(replay->owner), weir_text_z(replay->since) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r;

        assert(count <= 4);
        for (size_t i = 0; i < count; i++)
                params[4 + i] = more[i];
        r = weir_pg_query(pg, sql, params, 4 + count, &rows, reterr);
        if (r < 0)
                return r;
        return weir_pg_rows_affected(rows) != 1;
}

int weir_replay_take(struct weir_pg *pg, const struct weir_replay *replay, const char *owner,
                     struct weir_error *reterr)
{
        const struct weir_value more[] = {
                weir_text_z(owner),
                weir_text_z(replay->skip_missing ? "skip" : "fail"),
                weir_int4(replay->rate_per_s),
                replay->max_lag < 0 ? weir_null() : weir_int8(replay->max_lag),
        };

        int r = weir_pg_begin(pg, reterr);

        if (r < 0)
                return r;
        r = weir_claims_stand(pg, reterr); /* CL4 */
        if (r == 0)
                r = change(pg, replay,
                           "UPDATE weir.replay SET state = 'running', owner = $5, text = '',"
                           " if_missing = $6, rate_per_s = $7, max_lag = $8,"
                           " started_at = clock_timestamp(), ended_at = NULL" AS_SEEN
                           " AND (state <> 'failed' OR NOT EXISTS (SELECT FROM weir.claim_dropped d"
                           " WHERE d.dropped_at >= created_at))",
                           more, WEIR_COUNT_OF(more), reterr);
        if (r == 0)
                return weir_pg_commit(pg, reterr);
        if (!weir_pg_broken(pg))
                weir_pg_rollback(pg);
        return r;
}

int weir_replay_stop(struct weir_pg *pg, const struct weir_replay *replay, bool *ret_stopped,
                     struct weir_error *reterr)
{
        const struct weir_value state = weir_text_z(replay->held ? "stopping" : "stopped");
        int r = change(pg, replay,
                       "UPDATE weir.replay SET state = $5, ended_at = CASE $5 WHEN 'stopped'"
                       " THEN now() END" AS_SEEN " AND state IN ('running', 'stopping')",
                       &state, 1, reterr);

        if (r == 0)
                *ret_stopped = !replay->held;
        return r;
}

int weir_replay_give_up(struct weir_pg *pg, const struct weir_replay *replay,
                        struct weir_error *reterr)
{
        return change(pg, replay,
                      "UPDATE weir.replay SET state = 'failed',"
                      " text = 'given up by ' || session_user,"
                      " ended_at = coalesce(ended_at, now())" AS_SEEN,
                      NULL, 0, reterr);
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
