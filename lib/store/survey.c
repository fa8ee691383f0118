/* SPDX-License-Identifier: MIT */
/*
 * survey - the trail, the claims and the letters of ranges, counted
 *
 * Not reached   is what no row of the trail covers: behind the position, before the first start, and what an operator
 *               jumped over. The trail has no holes of its own (markers of transactions are passed by rows without
 *               records), so no rule about positions and their changes is needed, only the union of what rows cover.
 * The claims    have one index, by key, for what is written so often pays for each. So a count of them by place reads
 *               them all: some millions a second, and nobody waits for it (no lock, no claim is held up). It is bounded
 *               by a time, beyond which the answer is that nobody knows, not a part of the count.
 * Not chosen    sum(fresh) of the trail: rows straddle the ends of a range, and what was parked and applied later is in
 *               the row of another offset.
 * Known         a letter of an epoch that the live worker ran again has claimed at the live position: without an
 *               epoch it is counted there.
 * The pace      of a lane is told by transactions that followed each other: from the beginning of one to the beginning
 *               of the next. A lane that waits for records has small ones, which say how fast records came; so only those
 *               that handled PACE_EVENTS or more count, and the one in the middle is taken: pauses, restarts and locks
 *               are at the one end.
 */
#include "store/survey.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/param.h"
#include "store/row.h"

#define STR_(x) WEIR_STR_(x)
#define PACE_EVENTS 10
#define PACE_ROWS 200   /* of each position, the newest */
#define PACE_GAP "60 s" /* more than that was a pause */
#define PACE_LEAST 5    /* transactions: fewer say nothing */

/* $1 worker, $2 epoch, $3… the spans. */
#define SPANS                                                                                      \
        "WITH r AS (SELECT * FROM unnest($3::text[], $4::int8[], $5::int8[], $6::int8[])"          \
        " WITH ORDINALITY r(topic, partition, f, u, i)),"                                          \
        " own AS (SELECT r.i, r.f, r.u, o.id FROM r JOIN weir.position o ON o.worker = $1"         \
        " AND o.topic = r.topic AND o.partition = r.partition WHERE $2 IS NULL"                    \
        " UNION ALL SELECT r.i, r.f, r.u, g.position FROM r JOIN weir.replay_range g"              \
        " ON g.topic = r.topic AND g.partition = r.partition JOIN weir.replay y"                   \
        " ON y.id = g.replay AND y.worker = $1 AND y.policy <> 'live'"                             \
        " AND y.epoch IS NOT DISTINCT FROM $2) "

static int64_t number(const PGresult *result, int row, int column, int64_t if_null)
{
        return PQgetisnull(result, row, column)
                       ? if_null
                       : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void put_int8s(struct weir_param_list *list, const struct weir_survey_span *spans,
                      size_t count, int which)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(list, which == 0   ? spans[i].partition
                                              : which == 1 ? spans[i].from_offset
                                              : which == 2 ? spans[i].until_offset
                                                           : spans[i].position);
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
}

static struct weir_param_list begin(struct weir_pg *pg, const char *worker, const char *epoch,
                                    const struct weir_survey_span *spans, size_t count)
{
        struct weir_param_list list = weir_param_begin(pg);

        weir_param_text(&list, worker);
        weir_param_text(&list, epoch);
        weir_bytes_put_array(list.bytes, WEIR_OID_TEXT, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_text(&list, (struct weir_view){ spans[i].topic,
                                                                   strlen(spans[i].topic) });
        weir_param_done(&list, WEIR_OID_TEXT_ARRAY, false);
        for (int which = 0; which < 3; which++)
                put_int8s(&list, spans, count, which);
        return list;
}

/* The span that a row is about: its first column counts from 1. */
static struct weir_survey_span *span_of(const PGresult *result, int row,
                                        struct weir_survey_span *spans, size_t count)
{
        int64_t i = number(result, row, 0, 0);

        return i >= 1 && (size_t)i <= count ? &spans[i - 1] : NULL;
}

/* ---- what was done of them ---------------------------------------------------------------------- */

static int count_unreached(struct weir_pg *pg, const char *worker, const char *epoch,
                           struct weir_survey_span *spans, size_t count, struct weir_error *reterr)
{
        /* The rows of a position begin in order of first_offset: what a row covers beyond all rows before it. */
        static const char sql[] = SPANS
                ", part AS (SELECT o.i, greatest(b.first_offset, o.f) AS lo, least(b.next_offset, o.u) AS hi"
                " FROM own o JOIN weir.batch b ON b.position = o.id AND b.first_offset < o.u"
                " AND b.next_offset > o.f),"
                " walk AS (SELECT i, lo, hi, max(hi) OVER (PARTITION BY i ORDER BY lo, hi"
                " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM part)"
                " SELECT i, sum(greatest(hi - greatest(lo, coalesce(before, lo)), 0))::int8"
                " FROM walk GROUP BY i";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = begin(pg, worker, epoch, spans, count);
        int r = weir_param_run(pg, sql, &list, false, &result, reterr);

        for (size_t i = 0; r == 0 && i < count; i++)
                spans[i].unreached = spans[i].until_offset - spans[i].from_offset;
        for (int row = 0; r == 0 && row < PQntuples(result); row++) {
                struct weir_survey_span *span = span_of(result, row, spans, count);

                if (span)
                        span->unreached -= number(result, row, 1, 0);
        }
        return r;
}

static int count_letters(struct weir_pg *pg, const char *worker, struct weir_survey_span *spans,
                         size_t count, struct weir_error *reterr)
{
        /* Letters of a replay hang on the live position. */
        static const char sql[] = SPANS
                "SELECT o.i, count(*) FROM own o JOIN weir.dead_letter d ON d.position = o.id"
                " AND d.\"offset\" >= o.f AND d.\"offset\" < o.u"
                " WHERE d.state IN ('kept', 'requeue') AND d.class <> 'deliver' GROUP BY o.i";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = begin(pg, worker, NULL, spans, count);
        int r = weir_param_run(pg, sql, &list, false, &result, reterr);

        for (size_t i = 0; r == 0 && i < count; i++)
                spans[i].letters = 0;
        for (int row = 0; r == 0 && row < PQntuples(result); row++) {
                struct weir_survey_span *span = span_of(result, row, spans, count);

                if (span)
                        span->letters = number(result, row, 1, 0);
        }
        return r;
}

/* All generations of one moment: a snapshot of the transaction. */
static int make_claims_sql(struct weir_pg *pg, char **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        size_t size = 0;
        FILE *out;
        int r = weir_pg_query(pg, "SELECT generation FROM weir.claim_generation ORDER BY 1", NULL,
                              0, &rows, reterr);

        if (r < 0)
                return r;
        out = open_memstream(ret, &size);
        if (!out)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "counting claims");
        fputs(SPANS "SELECT o.i, count(*) FROM own o JOIN (SELECT NULL::int4 AS position,"
                    " NULL::int8 AS at WHERE false",
              out);
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++)
                fprintf(out,
                        " UNION ALL SELECT position, \"offset\" FROM weir.claim_%" PRId64
                        " WHERE position IN (SELECT id FROM own)",
                        weir_pg_rows_int(rows, i, 0, 0));
        fputs(") c ON c.position = o.id AND c.at >= o.f AND c.at < o.u GROUP BY o.i", out);
        return fclose(out) == 0 ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "counting claims");
}

static int ask_applied(struct weir_pg *pg, const char *worker, const char *epoch,
                       int32_t timeout_ms, const struct weir_survey_span *spans, size_t count,
                       PGresult **ret, struct weir_error *reterr)
{
        const struct weir_value timeout = weir_int4(timeout_ms);
        WEIR_FREE char *sql = NULL;
        struct weir_param_list list;
        int r = weir_pg_query(
                pg, "SELECT pg_catalog.set_config('statement_timeout', $1::int4::text, true)",
                &timeout, 1, NULL, reterr);

        if (r == 0)
                r = make_claims_sql(pg, &sql, reterr);
        if (r < 0)
                return r;
        list = begin(pg, worker, epoch, spans, count);
        return weir_param_run(pg, sql, &list, false, ret, reterr);
}

static int count_applied(struct weir_pg *pg, const char *worker, const char *epoch,
                         int32_t timeout_ms, struct weir_survey_span *spans, size_t count,
                         struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_error error = { .code = 0 };
        int r = weir_pg_begin(pg, reterr);

        if (r < 0)
                return r;
        r = ask_applied(pg, worker, epoch, timeout_ms, spans, count, &result, &error);
        if (!weir_pg_broken(pg))
                weir_pg_rollback(pg);
        for (size_t i = 0; i < count; i++)
                spans[i].applied = r < 0 ? -1 : 0;
        if (r < 0 && strcmp(error.sqlstate, "57014") == 0)
                return 0;
        if (r < 0)
                *reterr = error;
        for (int row = 0; r == 0 && row < PQntuples(result); row++) {
                struct weir_survey_span *span = span_of(result, row, spans, count);

                if (span)
                        span->applied = number(result, row, 1, 0);
        }
        return r;
}

int weir_survey_count(struct weir_pg *pg, const char *worker, const char *epoch, int32_t timeout_ms,
                      struct weir_survey_span *spans, size_t count, struct weir_error *reterr)
{
        int r = count_unreached(pg, worker, epoch, spans, count, reterr);

        if (r == 0)
                r = count_letters(pg, worker, spans, count, reterr);
        if (r == 0)
                r = count_applied(pg, worker, epoch, timeout_ms, spans, count, reterr);
        return r;
}

/* ---- one by one, and how fast --------------------------------------------------------------------- */

int weir_survey_letters(struct weir_pg *pg, const struct weir_survey_span *spans, size_t count,
                        size_t most, struct weir_survey_letter **ret, size_t *ret_count,
                        bool *ret_more, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT r.i, d.item, d.\"offset\" FROM unnest($1::int8[], $2::int8[], $3::int8[])"
                " WITH ORDINALITY r(p, f, u, i) JOIN weir.dead_letter d ON d.position = r.p"
                " AND d.\"offset\" >= r.f AND d.\"offset\" < r.u"
                " WHERE d.state IN ('kept', 'requeue') AND d.class <> 'deliver'"
                " ORDER BY r.i, d.\"offset\", d.item LIMIT $4";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        struct weir_survey_letter *letters;
        size_t found;
        int r;

        put_int8s(&list, spans, count, 3);
        put_int8s(&list, spans, count, 1);
        put_int8s(&list, spans, count, 2);
        weir_param_int8(&list, (int64_t)most + 1);
        r = weir_param_run(pg, sql, &list, true, &result, reterr);
        if (r < 0)
                return r;
        found = (size_t)PQntuples(result);
        *ret_more = found > most;
        found = found > most ? most : found;
        letters = calloc(found + 1, sizeof *letters);
        if (!letters)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu dead letters", found);
        for (size_t i = 0; i < found; i++)
                letters[i] = (struct weir_survey_letter){
                        .span = (uint32_t)weir_row_get_int(result, (int)i, 0, 1) - 1,
                        .item = (int32_t)weir_row_get_int(result, (int)i, 1, -1),
                        .offset = weir_row_get_int(result, (int)i, 2, -1),
                };
        *ret = letters;
        *ret_count = found;
        return 0;
}

int weir_survey_pace(struct weir_pg *pg, const char *worker, struct weir_survey_pace *ret,
                     struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT count(*), coalesce(sum(fresh), 0)::int8,"
                " percentile_cont(0.5) WITHIN GROUP (ORDER BY us / fresh)"
                " FROM weir.position o, LATERAL (SELECT fresh, (extract(epoch FROM lead(at) OVER"
                " (ORDER BY id) - at) * 1e6)::float8 AS us FROM (SELECT id, at, fresh FROM weir.batch"
                " WHERE position = o.id ORDER BY first_offset DESC, id DESC LIMIT " STR_(
                        PACE_ROWS) ") newest) t"
                                   " WHERE o.worker = $1 AND fresh >= " STR_(
                                           PACE_EVENTS) " AND us > 0"
                                                        " AND us < extract(epoch FROM interval '" PACE_GAP
                                                        "') * 1e6";
        const struct weir_value params[] = { weir_text_z(worker) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        *ret = (struct weir_survey_pace){ .transactions = weir_pg_rows_int(rows, 0, 0, 0),
                                          .events = weir_pg_rows_int(rows, 0, 1, 0) };
        if (ret->transactions < PACE_LEAST)
                ret->transactions = 0;
        else
                ret->us_per_event = strtod(weir_pg_rows_text(rows, 0, 2).ptr, NULL);
        return 0;
}
