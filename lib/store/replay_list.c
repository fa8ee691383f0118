/* SPDX-License-Identifier: MIT */
/*
 * replay_list - how far replays are: reads only, locks nothing
 *
 * What a replay did stands in the trail of its positions, a row for each transaction: so it is counted there, by an index, and
 * not in a number of its own that a killed process would have left behind. Of policy 'live', whose position is the live
 * worker's, those rows count that were written since, until the next word of an operator, and lie in the range.
 * Skipped       events that had a claim: the events of a transaction, less those that were fresh.
 */
#include <stdio.h>

#include "store/position.h"
#include "store/replay.h"

#define DONE                                                                                       \
        "CROSS JOIN LATERAL (SELECT coalesce(sum(b.records), 0) AS records,"                       \
        " coalesce(sum(b.fresh), 0) AS applied, coalesce(sum(b.events - b.fresh), 0) AS skipped,"  \
        " coalesce(sum(b.dead), 0) AS dead FROM weir.batch b WHERE b.position = g.position"        \
        " AND (g.position <> g.live_position OR (b.at >= p.created_at"                             \
        " AND b.at < coalesce((SELECT min(c.at) FROM weir.position_change c WHERE c.position"      \
        " = g.position AND c.at > p.created_at), 'infinity')"                                      \
        " AND b.first_offset >= g.from_offset AND b.first_offset < g.until_offset))) b "           \
        "CROSS JOIN LATERAL (SELECT CASE WHEN g.position = g.live_position THEN 0 ELSE"            \
        " (SELECT count(*) FROM weir.parked k WHERE k.position = g.position) END AS parked) k "
#define NEXT "least(greatest(o.next_offset, g.from_offset), g.until_offset)"

int weir_replay_list(struct weir_pg *pg, const char *worker, int64_t id, int64_t limit,
                     struct weir_pg_rows **ret, struct weir_error *reterr)
{
#define COLUMN(tag, name, number, sql) sql ", "
        static const char sql[] = "SELECT " WEIR_REPLAY_COLUMNS(
                COLUMN) "NULL FROM (SELECT * FROM weir.replay WHERE ($1::text IS NULL OR worker = $1)"
                        " AND ($2 = 0 OR id = $2) ORDER BY id DESC LIMIT $3) p"
                        " CROSS JOIN LATERAL (SELECT"
                        " coalesce(sum(g.until_offset - g.from_offset), 0) AS offsets,"
                        " coalesce(sum(" NEXT " - g.from_offset), 0) AS passed,"
                        " coalesce(sum(b.records), 0) AS records,"
                        " coalesce(sum(b.applied), 0) AS applied,"
                        " coalesce(sum(b.skipped), 0) AS skipped, coalesce(sum(b.dead), 0) AS dead,"
                        " coalesce(sum(k.parked), 0) AS parked,"
                        " coalesce(sum(g.missing), 0) AS missing,"
                        " coalesce(sum(g.withheld), 0) AS withheld FROM weir.replay_range g"
                        " JOIN weir.position o ON o.id = g.position " DONE
                        "WHERE g.replay = p.id) s ORDER BY p.id DESC";
#undef COLUMN
        const struct weir_value params[] = { worker ? weir_text_z(worker) : weir_null(),
                                             weir_int8(id), weir_int8(limit) };

        return weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), ret, reterr);
}

int weir_replay_spans(struct weir_pg *pg, int64_t id, struct weir_pg_rows **ret,
                      struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT g.topic, g.partition, g.from_offset, g.until_offset, " NEXT
                ", b.records, b.applied, b.skipped, b.dead, k.parked, g.missing, g.withheld"
                " FROM weir.replay_range g JOIN weir.replay p ON p.id = g.replay"
                " JOIN weir.position o ON o.id = g.position " DONE
                "WHERE g.replay = $1 ORDER BY g.topic, g.partition";
        const struct weir_value number = weir_int8(id);

        return weir_pg_query(pg, sql, &number, 1, ret, reterr);
}

int weir_replay_live(struct weir_pg *pg, const char *worker, struct weir_pg_rows **ret,
                     struct weir_error *reterr)
{
        const struct weir_value name = weir_text_z(worker);

        return weir_pg_query(pg,
                             "SELECT topic, partition, next_offset FROM weir.position"
                             " WHERE worker = $1 AND next_offset IS NOT NULL"
                             " ORDER BY topic, partition",
                             &name, 1, ret, reterr);
}

int weir_replay_forgotten(struct weir_pg *pg, const char *worker, const char *epoch,
                          int64_t *ret_until_ms, char ret_text[32], struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_text_z(worker),
                                             epoch ? weir_text_z(epoch) : weir_null() };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(
                pg,
                "SELECT (extract(epoch FROM until) * 1000)::int8, " WEIR_REPLAY_TIME(
                        "until") " FROM weir.claim_dropped d WHERE $2::text IS NULL OR EXISTS (SELECT FROM"
                                 " weir.replay p WHERE p.worker = $1::text AND p.epoch = $2"
                                 " AND p.created_at <= d.until) ORDER BY until DESC LIMIT 1",
                params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        *ret_until_ms = weir_pg_rows_int(rows, 0, 0, -1);
        snprintf(ret_text, 32, "%s",
                 weir_pg_rows_count(rows) ? weir_pg_rows_text(rows, 0, 1).ptr : "");
        return 0;
}
