/* SPDX-License-Identifier: MIT */
/*
 * outbox_row - what a relay does to rows of weir.outbox: read, remove, postpone, bury
 *
 * A stream is read again only when nothing of it is held any more (lib/side), so a reading needs no "behind the
 * last id": ids become visible in the order of COMMIT, not of their numbers, and a row that was passed over
 * because its number is low would wait for ever.
 *
 * Rows come in binary: a body in hex would be twice as long and read twice. Each becomes one block of memory of
 * its own, because a slow webhook must not hold the whole answer of the query.
 * Sums are of int4: of int8 they would be numeric, and the reading twice as slow.
 * Bounds        the caller gives rows and bytes a stream; the sum of sizes is made by the server, which does not
 *               read a large value to know its length.
 */
#include "base/log.h"
#include "store/outbox.h"
#include "store/param.h"

static const char fetch_sql[] =
        "SELECT s.ord, o.id, o.key, o.header_names, o.header_values, o.body, o.message_id, o.worker,"
        " o.position, o.\"offset\", o.attempts, o.wait_us"
        " FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),"
        "      pg_catalog.unnest($3::int8[])) WITH ORDINALITY"
        "      AS s (kind, destination, shard, ord)"
        " CROSS JOIN LATERAL ("
        "  SELECT w.* FROM ("
        "   SELECT r.*, sum(r.bytes) OVER (ORDER BY r.id) - r.bytes AS before FROM ("
        "    SELECT t.*, (coalesce(pg_catalog.octet_length(t.body), 0)"
        "                 + coalesce(pg_catalog.octet_length(t.key), 0)"
        "                 + pg_catalog.pg_column_size(t.header_values)) AS bytes,"
        "           coalesce((pg_catalog.date_part('epoch', t.next_try_at - now())"
        "                     * 1000000)::int8, 0)"
        "           AS wait_us"
        "    FROM weir.outbox t WHERE t.kind = s.kind::\"char\" AND t.destination = s.destination"
        "    AND t.shard = s.shard::int2 ORDER BY t.id LIMIT $4::int8) r) w"
        "  WHERE w.before < $5::int8) o";

enum { ORD, ID, KEY, NAMES, VALUES, BODY, MESSAGE_ID, WORKER, POSITION, OFFSET, ATTEMPTS, WAIT };

static uint32_t get32(const char *p)
{
        uint32_t number;

        memcpy(&number, p, sizeof number);
        return __builtin_bswap32(number);
}

static int64_t get64(const char *p)
{
        uint64_t number;

        memcpy(&number, p, sizeof number);
        return (int64_t)__builtin_bswap64(number);
}

static struct weir_view field(const PGresult *result, int row, int column)
{
        if (PQgetisnull(result, row, column))
                return (struct weir_view){ NULL, 0 };
        return (struct weir_view){ PQgetvalue(result, row, column),
                                   (size_t)PQgetlength(result, row, column) };
}

/* Elements of a one-dimensional bytea[]. */
static size_t array_count(struct weir_view array)
{
        return array.size >= 20 && get32(array.ptr) == 1 ? get32(array.ptr + 12) : 0;
}

static struct weir_view array_next(struct weir_view array, size_t *at)
{
        uint32_t size = get32(array.ptr + *at);

        *at += 4;
        if (size == UINT32_MAX)
                return (struct weir_view){ NULL, 0 };
        *at += size;
        return (struct weir_view){ array.ptr + *at - size, size };
}

static struct weir_view copy(char **to, struct weir_view from)
{
        char *at = *to;

        if (!from.ptr)
                return from;
        memcpy(at, from.ptr, from.size);
        at[from.size] = '\0';
        *to = at + from.size + 1;
        return (struct weir_view){ at, from.size };
}

static struct weir_outbox_row *make_row(const PGresult *result, int i)
{
        static const int copied[] = { KEY, BODY, MESSAGE_ID, WORKER, NAMES, VALUES };
        struct weir_view names = field(result, i, NAMES), values = field(result, i, VALUES);
        size_t count = array_count(names), at_name = 20, at_value = 20, bytes;
        struct weir_outbox_row *row;
        struct weir_header *headers;
        char *to;

        /* An array's element brings its length of 4 bytes: room for the NUL behind its copy. */
        bytes = sizeof *row + count * sizeof *headers;
        for (size_t k = 0; k < WEIR_COUNT_OF(copied); k++)
                bytes += field(result, i, copied[k]).size + 1;
        row = malloc(bytes);
        if (!row)
                return NULL;
        headers = (struct weir_header *)(row + 1);
        to = (char *)(headers + count);
        *row = (struct weir_outbox_row){ .id = get64(PQgetvalue(result, i, ID)),
                                         .wait_us = get64(PQgetvalue(result, i, WAIT)),
                                         .attempts = (int32_t)get32(
                                                 PQgetvalue(result, i, ATTEMPTS)),
                                         .bytes = bytes,
                                         .headers = headers,
                                         .header_count = count };
        if (!PQgetisnull(result, i, POSITION))
                row->position = (int32_t)get32(PQgetvalue(result, i, POSITION));
        if (!PQgetisnull(result, i, OFFSET))
                row->offset = get64(PQgetvalue(result, i, OFFSET));
        row->key = copy(&to, field(result, i, KEY));
        row->body = copy(&to, field(result, i, BODY));
        row->message_id = copy(&to, field(result, i, MESSAGE_ID));
        row->worker = copy(&to, field(result, i, WORKER)).ptr;
        for (size_t k = 0; k < count; k++) {
                struct weir_view value;

                headers[k].name = copy(&to, array_next(names, &at_name)).ptr;
                value = copy(&to, array_next(values, &at_value));
                headers[k].value = value.ptr;
                headers[k].size = value.size;
        }
        return row;
}

int weir_outbox_fetch(struct weir_pg *pg, const struct weir_stream *streams, size_t count,
                      uint32_t rows, uint64_t bytes, weir_outbox_row_fn *take, void *context,
                      struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        int r;

        weir_param_streams(&list, streams, count);
        weir_param_int8(&list, rows);
        weir_param_int8(&list, (int64_t)bytes);
        r = weir_param_run(pg, fetch_sql, &list, true, &result, reterr);
        for (int i = 0; r == 0 && i < PQntuples(result); i++) {
                struct weir_outbox_row *row = make_row(result, i);
                size_t stream = (size_t)get64(PQgetvalue(result, i, ORD)) - 1;

                r = row ? take(context, stream, row) : WEIR_ENOMEM;
                if (r < 0)
                        return weir_fail(reterr, r, 0, "outbox: row %lld for %s: out of memory",
                                         (long long)get64(PQgetvalue(result, i, ID)),
                                         streams[stream].destination);
        }
        return r;
}

int weir_outbox_remove(struct weir_pg *pg, const int64_t *ids, size_t count,
                       struct weir_error *reterr)
{
        struct weir_param_list list = weir_param_begin(pg);

        weir_param_int8_array(&list, ids, count);
        return weir_param_run(pg, "DELETE FROM weir.outbox WHERE id = ANY($1::int8[])", &list,
                              false, NULL, reterr);
}

/* Foreign words (an answer's, the broker's) into a text column: what is not ASCII becomes '?'. */
static void put_words(struct weir_param_list *list, const char *words)
{
        for (const char *p = words; *p && p - words < 1000; p++)
                weir_bytes_put(list->bytes, (unsigned char)*p < 0x20 || *p & 0x80 ? "?" : p, 1);
        weir_param_done(list, WEIR_OID_TEXT, false);
}

int weir_outbox_postpone(struct weir_pg *pg, int64_t id, int64_t wait_us, const char *error,
                         struct weir_error *reterr)
{
        struct weir_param_list list = weir_param_begin(pg);

        weir_param_int8(&list, id);
        weir_param_int8(&list, wait_us);
        put_words(&list, error);
        return weir_param_run(pg,
                              "UPDATE weir.outbox SET attempts = attempts + 1, error = $3,"
                              " next_try_at = now() + $2::int8 * interval '1 microsecond'"
                              " WHERE id = $1",
                              &list, false, NULL, reterr);
}

int weir_outbox_bury(struct weir_pg *pg, const struct weir_outbox_refused *rows, size_t count,
                     const char *reason, const char *text, bool tried, struct weir_error *reterr)
{
        static const char sql[] =
                "WITH why AS (SELECT * FROM ROWS FROM (pg_catalog.unnest($1::int8[]),"
                " pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))"
                "             AS u (id, source, event_id)),"
                " gone AS (DELETE FROM weir.outbox o USING why WHERE o.id = why.id"
                "          RETURNING o.*, why.source, why.event_id)"
                " INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\", key,"
                " value, header_names, header_values, class, reason, text, attempts, plugin_version,"
                " source, event_id, first_failed_at, round, message_id, destination)"
                " SELECT coalesce(g.position, 0), g.worker, coalesce(p.topic, ''),"
                " coalesce(p.partition, -1), coalesce(g.\"offset\", -1), g.key, g.body,"
                " g.header_names, g.header_values, 'deliver', $4, $5, g.attempts + $6::int8, '',"
                " g.source, g.event_id, g.made_at, g.round, g.message_id,"
                " CASE g.kind WHEN 't' THEN 'topic ' ELSE 'sink ' END || g.destination"
                " FROM gone g LEFT JOIN weir.position p ON p.id = g.position ORDER BY g.id";
        struct weir_param_list list = weir_param_begin(pg);

        weir_bytes_put_array(list.bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(&list, rows[i].id);
        weir_param_done(&list, WEIR_OID_INT8_ARRAY, false);
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

int weir_outbox_notified(struct weir_pg *pg, struct weir_error *reterr)
{
        PGnotify *notice;
        int any = 0;

        if (weir_pg_broken(pg) || !PQconsumeInput(pg->conn)) {
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, 0, "%s: connection was lost while listening",
                                 pg->where);
        }
        while ((notice = PQnotifies(pg->conn)) != NULL) {
                if (any < 2)
                        any = strcmp(notice->extra, WEIR_OUTBOX_OPENED) == 0 ? 2 : 1;
                PQfreemem(notice);
        }
        return any;
}
