/* SPDX-License-Identifier: MIT */
/*
 * outbox_settle - what a relay does to rows of weir.outbox: remove, postpone, bury
 *
 * Remove        a row is removed at the place where it was read (ctid): half of what a descent into the index costs.
 *               A place alone proves nothing: VACUUM FULL moves rows, and another row may lie there by then. So the id
 *               must be the same too; what was not met there is removed by its key, and whoever has it gone already
 *               (another relay, after a lost connection) is right as well.
 * Postpone      the clock of a message that its receiver fails at runs from one such try to the next, in the row, so it
 *               survives whoever counts. A try that shows nobody there stops it: a receiver that is down uses up nothing.
 *               One interval counts for what was to be waited and a minute more: weir may have been down itself.
 */
#include "base/log.h"
#include "store/outbox.h"
#include "store/param.h"

static void put_places(struct weir_param_list *list, const struct weir_outbox_name *rows,
                       size_t count)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_TID, count, false);
        for (size_t i = 0; i < count; i++) {
                weir_bytes_put32(list->bytes, sizeof rows[i].place);
                weir_bytes_put(list->bytes, rows[i].place, sizeof rows[i].place);
        }
        weir_param_done(list, WEIR_OID_TID_ARRAY, false);
}

static void put_ids(struct weir_param_list *list, const struct weir_outbox_name *rows, size_t count)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(list, rows[i].id);
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
}

/* $1 to $4: kinds, destinations, shards, ids. */
static int put_names(struct weir_param_list *list, const struct weir_outbox_name *rows,
                     size_t count, struct weir_error *reterr)
{
        WEIR_FREE struct weir_stream *streams = calloc(count + 1, sizeof *streams);

        if (!streams)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "names of %zu rows", count);
        for (size_t i = 0; i < count; i++)
                streams[i] = rows[i].stream;
        weir_param_streams(list, streams, count);
        put_ids(list, rows, count);
        return 0;
}

#define NAMES                                                                                      \
        "pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),"                            \
        " pg_catalog.unnest($3::int8[]), pg_catalog.unnest($4::int8[])"
#define NAMED                                                                                      \
        "o.kind = u.kind::\"char\" AND o.destination = u.destination"                              \
        " AND o.shard = u.shard::int2 AND o.id = u.id"

int weir_outbox_remove(struct weir_pg *pg, const struct weir_outbox_name *rows, size_t count,
                       struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        size_t removed;
        int r;

        put_places(&list, rows, count);
        put_ids(&list, rows, count);
        r = weir_param_run(pg,
                           "DELETE FROM weir.outbox o USING ROWS FROM"
                           " (pg_catalog.unnest($1::tid[]), pg_catalog.unnest($2::int8[]))"
                           " AS u (place, id) WHERE o.ctid = u.place AND o.id = u.id",
                           &list, false, &result, reterr);
        if (r < 0)
                return r;
        removed = strtoul(PQcmdTuples(result), NULL, 10);
        if (removed == count)
                return 0;
        PQclear(result);
        result = NULL;
        list = weir_param_begin(pg);
        r = put_names(&list, rows, count, reterr);
        if (r == 0)
                r = weir_param_run(pg,
                                   "DELETE FROM weir.outbox o USING ROWS FROM (" NAMES
                                   ") AS u (kind, destination, shard, id) WHERE " NAMED,
                                   &list, false, &result, reterr);
        return r < 0 ? r : removed + strtoul(PQcmdTuples(result), NULL, 10) < count;
}

/* Foreign words (an answer's, the broker's) into a text column: what is not ASCII becomes '?'. */
static void put_words(struct weir_param_list *list, const char *words)
{
        for (const char *p = words; *p && p - words < 1000; p++)
                weir_bytes_put(list->bytes, (unsigned char)*p < 0x20 || *p & 0x80 ? "?" : p, 1);
        weir_param_done(list, WEIR_OID_TEXT, false);
}

int weir_outbox_postpone(struct weir_pg *pg, const struct weir_outbox_name *row, int64_t wait_us,
                         const char *error, bool answered, int64_t *ret_refused_us,
                         struct weir_error *reterr)
{
        static const char sql[] =
                "UPDATE weir.outbox o SET attempts = attempts + 1, error = $6,"
                " next_try_at = now() + $5::int8 * interval '1 microsecond',"
                " refused_us = refused_us + CASE WHEN $7::bool AND refused_at IS NOT NULL THEN"
                "  (extract(epoch FROM least(now() - refused_at,"
                "   coalesce(next_try_at - refused_at, interval '0') + interval '1 minute'))"
                "   * 1000000)::int8 ELSE 0 END,"
                " refused_at = CASE WHEN $7::bool THEN now() END"
                " FROM ROWS FROM (" NAMES ") AS u (kind, destination, shard, id) WHERE " NAMED
                " RETURNING o.refused_us";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        int r = put_names(&list, row, 1, reterr);

        if (r < 0)
                return r;
        weir_param_int8(&list, wait_us);
        put_words(&list, error);
        weir_param_bool(&list, answered);
        r = weir_param_run(pg, sql, &list, false, &result, reterr);
        *ret_refused_us = r == 0 && PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10)
                                                      : 0;
        return r;
}

int weir_outbox_bury(struct weir_pg *pg, const struct weir_outbox_refused *rows, size_t count,
                     const char *reason, const char *text, bool tried, struct weir_error *reterr)
{
        static const char sql[] =
                "WITH why AS (SELECT * FROM ROWS FROM (" NAMES
                ", pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]))"
                "             AS u (kind, destination, shard, id, source, event_id)),"
                " gone AS (DELETE FROM weir.outbox o USING why u WHERE " NAMED
                "          RETURNING o.*, u.source, u.event_id)"
                " INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\", key,"
                " value, header_names, header_values, class, reason, text, attempts, plugin_version,"
                " source, event_id, first_failed_at, round, message_id, destination)"
                " SELECT coalesce(g.position, 0), g.worker, coalesce(p.topic, ''),"
                " coalesce(p.partition, -1), coalesce(g.\"offset\", -1), g.key, g.body,"
                " g.header_names, g.header_values, 'deliver', $7, $8, g.attempts + $9::int8, '',"
                " g.source, g.event_id, g.made_at, g.round, g.message_id,"
                " CASE g.kind WHEN 't' THEN 'topic ' ELSE 'sink ' END || g.destination"
                " FROM gone g LEFT JOIN weir.position p ON p.id = g.position ORDER BY g.id";
        WEIR_FREE struct weir_outbox_name *names = calloc(count + 1, sizeof *names);
        struct weir_param_list list = weir_param_begin(pg);
        int r;

        if (!names)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "names of %zu rows", count);
        for (size_t i = 0; i < count; i++)
                names[i] = rows[i].name;
        r = put_names(&list, names, count, reterr);
        if (r < 0)
                return r;
        weir_bytes_put_array(list.bytes, WEIR_OID_TEXT, count, true);
        for (size_t i = 0; i < count; i++)
                weir_param_element_text(&list, rows[i].source);
        weir_param_done(&list, WEIR_OID_TEXT_ARRAY, false);
        weir_bytes_put_array(list.bytes, WEIR_OID_TEXT, count, true);
        for (size_t i = 0; i < count; i++)
                weir_param_element_text(&list, rows[i].event_id);
        weir_param_done(&list, WEIR_OID_TEXT_ARRAY, false);
        weir_param_text(&list, reason);
        put_words(&list, text);
        weir_param_int8(&list, tried ? 1 : 0);
        return weir_param_run(pg, sql, &list, false, NULL, reterr);
}
