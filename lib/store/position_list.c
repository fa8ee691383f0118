/* SPDX-License-Identifier: MIT */
/*
 * position_list - positions to look at: reads only, locks nothing
 *
 * One statement, so one moment: what is said of two partitions was true at the same time. What a consumer that goes on in
 * weir's place would not know of is counted with it (parked events, attempts, dead letters), by indexes that begin with the
 * position.
 * Those of replays, whose worker is called NAME@ID, are shown by `weir replay show`: here only when they are asked for.
 * Not chosen    a view: its columns would be part of the schema, and a newer program could not show more of them.
 */
#include "store/position.h"

int weir_position_list(struct weir_pg *pg, const char *worker, struct weir_pg_rows **ret,
                       struct weir_error *reterr)
{
#define COLUMN(tag, name, number, sql) sql ", "
        static const char sql[] = "SELECT " WEIR_POSITION_COLUMNS(
                COLUMN) "NULL"
                        " FROM weir.position p LEFT JOIN LATERAL (SELECT at, reason FROM"
                        " weir.position_change c WHERE c.position = p.id ORDER BY c.id DESC LIMIT 1) c"
                        " ON true WHERE p.worker = $1 OR ($1::text IS NULL AND p.worker NOT LIKE '%@%')"
                        " ORDER BY p.worker, p.topic, p.partition";
#undef COLUMN
        const struct weir_value params[] = { worker ? weir_text_z(worker) : weir_null() };

        return weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), ret, reterr);
}

int weir_position_changes(struct weir_pg *pg, const char *worker, int64_t limit,
                          struct weir_pg_rows **ret, struct weir_error *reterr)
{
        static const char sql[] = "SELECT " WEIR_POSITION_TIME(
                "c.at") ", p.worker, p.topic, p.partition, c.before,"
                        " c.after, c.epoch, c.by, c.reason FROM weir.position_change c"
                        " JOIN weir.position p ON p.id = c.position"
                        " WHERE $1::text IS NULL OR p.worker = $1 ORDER BY c.id DESC LIMIT $2";
        const struct weir_value params[] = { worker ? weir_text_z(worker) : weir_null(),
                                             weir_int8(limit) };

        return weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), ret, reterr);
}

int weir_position_epochs(struct weir_pg *pg, const char *worker, const char *owner,
                         struct weir_position_epoch *ret, size_t room, size_t *ret_count,
                         struct weir_error *reterr)
{
        /* Whoever was taken for dead and did not know yet may have taken one of ours meanwhile. It is not ours by then, and
         * what happens to it would be seen by the fence alone, with the next record. So others' rows count once they rest. */
        static const char sql[] =
                "SELECT id, epoch FROM (SELECT id, epoch FROM weir.position WHERE worker = $1 AND"
                " (owner = $2 OR owner IS NULL OR updated_at < now() - interval '60 s')"
                " ORDER BY owner IS DISTINCT FROM $2, id LIMIT $3) p ORDER BY id";
        const struct weir_value params[] = { weir_text_z(worker), weir_text_z(owner),
                                             weir_int8((int64_t)room) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        *ret_count = weir_pg_rows_count(rows);
        for (size_t i = 0; i < *ret_count; i++)
                ret[i] = (struct weir_position_epoch){
                        .id = (int32_t)weir_pg_rows_int(rows, i, 0, 0),
                        .epoch = weir_pg_rows_int(rows, i, 1, 0),
                };
        return 0;
}
