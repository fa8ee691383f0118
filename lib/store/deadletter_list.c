/* SPDX-License-Identifier: MIT */
/*
 * deadletter_list - what lies there, for people and programs
 *
 * Columns are one table (WEIR_DEADLETTER_COLUMNS), read by list, show and their JSON. Times are text made by the
 * server, in UTC: nothing here does arithmetic with them. Values and headers are read by show only: a list of a
 * thousand letters must not read a gigabyte.
 *
 * Not chosen    a view in the schema: the columns of a command's output would need a migration to change.
 */
#include "store/deadletter_list.h"

#include <stdio.h>

#include "store/position.h"
#include "store/row.h"

enum { SQL_BYTES = 12288 };

/* @sql with the parameters of @where. */
static int query(struct weir_pg *pg, const char *sql, const struct weir_deadletter_where *where,
                 struct weir_pg_rows **ret, struct weir_error *reterr)
{
        return weir_pg_query(pg, sql, where->values, where->count, ret, reterr);
}

static int query_int(struct weir_pg *pg, const char *sql, const struct weir_deadletter_where *where,
                     int64_t *ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, where ? where->values : NULL, where ? where->count : 0,
                              &rows, reterr);

        if (r == 0)
                *ret = weir_pg_rows_int(rows, 0, 0, 0);
        return r;
}

int weir_deadletter_now(struct weir_pg *pg, int64_t *ret_us, struct weir_error *reterr)
{
        return query_int(pg, "SELECT (extract(epoch FROM now()) * 1000000)::int8", NULL, ret_us,
                         reterr);
}

int weir_deadletter_last_id(struct weir_pg *pg, int64_t *ret, struct weir_error *reterr)
{
        return query_int(pg, "SELECT coalesce(max(id), 0) FROM weir.dead_letter", NULL, ret,
                         reterr);
}

int weir_deadletter_count(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int64_t *ret, struct weir_error *reterr)
{
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];

        weir_deadletter_where_make(filter, &where);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM weir.dead_letter d%s", where.sql);
        return query_int(pg, sql, &where, ret, reterr);
}

/* ---- rows ----------------------------------------------------------------------------------- */

#define WEIR_DEADLETTER_SQL(tag, name, number, sql) ", " sql
static const char columns[] = "NULL" WEIR_DEADLETTER_COLUMNS(WEIR_DEADLETTER_SQL);
enum { COLUMNS_SKIP = sizeof "NULL, " - 1 }; /* the first one brings a comma too */

int weir_deadletter_list(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         size_t limit, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];

        weir_deadletter_where_make(filter, &where);
        snprintf(sql, sizeof sql,
                 "SELECT %s FROM weir.dead_letter d%s ORDER BY d.id DESC LIMIT %zu",
                 columns + COLUMNS_SKIP, where.sql, limit);
        return query(pg, sql, &where, ret, reterr);
}

int weir_deadletter_show(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                         struct weir_pg_rows **ret, struct weir_kept_record *ret_record,
                         struct weir_error *reterr)
{
        static const char whole[] =
                "SELECT record_time, key, value, header_names, header_values FROM weir.dead_letter"
                " WHERE id = $1";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_deadletter_filter filter;
        struct weir_row row;
        int r;

        weir_deadletter_filter_init(&filter);
        filter.ids[0] = (struct weir_deadletter_range){ id, id };
        filter.id_count = 1;
        r = weir_deadletter_list(pg, &filter, 1, &rows, reterr);
        if (r < 0 || weir_pg_rows_count(rows) == 0)
                return r < 0 ? r : 1;
        weir_row_begin(&row, pg);
        weir_row_int8(&row, id);
        r = weir_row_query(&row, whole, &result, reterr);
        if (r < 0 || PQntuples(result) == 0)
                return r < 0 ? r : 1;
        r = weir_row_get_record(result, 0, 0, arena, ret_record, reterr);
        if (r == 0)
                *ret = WEIR_TAKE(rows);
        return r;
}

/* ---- sums ----------------------------------------------------------------------------------- */

int weir_deadletter_stats(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int64_t limit, bool delivers_last, struct weir_pg_rows **ret,
                          struct weir_error *reterr)
{
        struct weir_deadletter_where where;
        char sql[SQL_BYTES], order[80] = "";

        weir_deadletter_where_make(filter, &where);
        if (limit)
                snprintf(order, sizeof order, " ORDER BY %sd.id LIMIT %lld",
                         delivers_last ? "d.class = 'deliver', " : "", (long long)limit);
        snprintf(sql, sizeof sql,
                 "SELECT worker, class, reason, count(*), " WEIR_DEADLETTER_TIME(
                         "min(failed_at)") /* */
                 ", " WEIR_DEADLETTER_TIME(
                         "max(failed_at)") ", min(round), max(round),"
                                           " (array_agg(left(text, 200) ORDER BY id))[1]"
                                           " FROM (SELECT * FROM weir.dead_letter d%s%s) l"
                                           " GROUP BY worker, class, reason"
                                           " ORDER BY count(*) DESC, worker, class, reason",
                 where.sql, order);
        return query(pg, sql, &where, ret, reterr);
}

int weir_deadletter_hours(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                          int hours, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];

        weir_deadletter_where_make(filter, &where);
        snprintf(sql, sizeof sql,
                 "WITH sums AS (SELECT date_trunc('hour', failed_at, 'UTC') AS hour, count(*) AS n"
                 " FROM weir.dead_letter d%s GROUP BY 1),"
                 " ends AS (SELECT greatest(min(hour), max(hour) - %d * interval '1 hour') AS a,"
                 " max(hour) AS b FROM sums)"
                 " SELECT to_char(h AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:00\"Z\"'),"
                 " coalesce(n, 0) FROM ends, generate_series(a, b, interval '1 hour') h"
                 " LEFT JOIN sums ON hour = h ORDER BY h",
                 where.sql, hours - 1);
        return query(pg, sql, &where, ret, reterr);
}

int weir_deadletter_lonely(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                           size_t limit, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];

        weir_deadletter_where_make(filter, &where);
        snprintf(sql, sizeof sql,
                 "SELECT m.worker, m.topic, m.partition, sum(m.n)::int8 FROM (SELECT worker, topic,"
                 " partition, position, count(*) AS n FROM weir.dead_letter d%s"
                 " AND d.class <> 'deliver' GROUP BY 1, 2, 3, 4) m"
                 " LEFT JOIN weir.position p ON p.id = m.position"
                 " WHERE p.id IS NULL OR NOT " WEIR_POSITION_HELD
                 " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT %zu",
                 where.sql, limit);
        return query(pg, sql, &where, ret, reterr);
}
