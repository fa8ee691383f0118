/* SPDX-License-Identifier: MIT */
/*
 * outbox_row - what a relay reads of weir.outbox
 *
 * A reading begins above the id up to which the caller knows everything: an index entry of a removed row is walked
 * over until vacuum has been there, and the first walk looks at the row's page, which costs more than a live row.
 *
 * Late rows     ids become visible in the order of COMMIT, not of their numbers. A relay that went on behind the last
 *               id it has read would pass over a row whose transaction took longer, for ever, and what is behind it in
 *               its key would overtake. So each reading says which transactions were over (weir_outbox_sight), and the
 *               caller goes on behind what no transaction can get below any more.
 * Rows come in binary: a body in hex would be twice as long and read twice. Each becomes one block of memory of
 * its own, because a slow webhook must not hold the whole answer of the query.
 * Bounds        the caller gives rows and bytes; the sum of sizes is made by the server, which does not read a large
 *               value to know its length. Only where a window holds more than its bytes are they added up row by row:
 *               a window function over whole rows took two thirds of the reading. Sums are of int4: of int8 they
 *               would be numeric.
 */
#include "base/log.h"
#include "store/outbox.h"
#include "store/param.h"

#define STREAM                                                                                     \
        "t.kind = s.kind::\"char\" AND t.destination = s.destination AND t.shard = s.shard::int2"  \
        " AND t.id > s.after"
#define FIRST_SIZES                                                                                \
        "(SELECT t.id, coalesce(pg_catalog.octet_length(t.body), 0)"                               \
        " + coalesce(pg_catalog.octet_length(t.key), 0)"                                           \
        " + pg_catalog.pg_column_size(t.header_values) AS bytes FROM weir.outbox t WHERE " STREAM  \
        " ORDER BY t.id LIMIT s.rows)"

static const char fetch_sql[] =
        "SELECT s.ord, o.*,"
        " (SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot())),"
        " (SELECT CASE WHEN $7::bool THEN pg_catalog.txid_current() ELSE 0 END)"
        " FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),"
        "  pg_catalog.unnest($3::int8[]), pg_catalog.unnest($4::int8[]),"
        "  pg_catalog.unnest($5::int8[])) WITH ORDINALITY"
        "  AS s (kind, destination, shard, after, rows, ord)"
        " CROSS JOIN LATERAL (SELECT t.id, t.ctid, t.key, t.header_names, t.header_values, t.body,"
        "  t.message_id, t.worker, t.position, t.\"offset\", t.attempts,"
        "  coalesce((pg_catalog.date_part('epoch', t.next_try_at - now()) * 1000000)::int8, 0)"
        "  FROM weir.outbox t WHERE " STREAM " ORDER BY t.id LIMIT ("
        "   SELECT CASE WHEN coalesce(sum(f.bytes), 0) <= $6::int8 THEN s.rows ELSE"
        "    (SELECT count(*) FROM (SELECT sum(b.bytes) OVER (ORDER BY b.id) - b.bytes AS before"
        "      FROM " FIRST_SIZES " b) w WHERE w.before < $6::int8) END FROM " FIRST_SIZES " f)) o";

enum {
        ORD,
        ID,
        PLACE,
        KEY,
        NAMES,
        VALUES,
        BODY,
        MESSAGE_ID,
        WORKER,
        POSITION,
        OFFSET,
        ATTEMPTS,
        WAIT,
        OLDEST,
        DRAWN
};

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
        memcpy(row->place, PQgetvalue(result, i, PLACE), sizeof row->place);
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

static void put_windows(struct weir_param_list *list, const struct weir_outbox_window *windows,
                        const struct weir_stream *streams, size_t count)
{
        weir_param_streams(list, streams, count);
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(list, windows[i].after);
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(list, windows[i].rows);
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
}

int weir_outbox_fetch(struct weir_pg *pg, const struct weir_outbox_window *windows, size_t count,
                      uint64_t bytes, weir_outbox_row_fn *take, void *context,
                      struct weir_outbox_sight *sight, struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        WEIR_FREE struct weir_stream *streams = calloc(count + 1, sizeof *streams);
        struct weir_param_list list = weir_param_begin(pg);
        int r;

        if (!streams)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading of %zu streams", count);
        for (size_t i = 0; i < count; i++)
                streams[i] = windows[i].stream;
        put_windows(&list, windows, streams, count);
        weir_param_int8(&list, (int64_t)bytes);
        weir_param_bool(&list, sight->draw);
        sight->oldest = sight->drawn = 0;
        r = weir_param_run(pg, fetch_sql, &list, true, &result, reterr);
        if (r == 0 && PQntuples(result)) {
                sight->oldest = get64(PQgetvalue(result, 0, OLDEST));
                sight->drawn = get64(PQgetvalue(result, 0, DRAWN));
        }
        for (int i = 0; r == 0 && i < PQntuples(result); i++) {
                struct weir_outbox_row *row = make_row(result, i);
                size_t window = (size_t)get64(PQgetvalue(result, i, ORD)) - 1;

                r = row ? take(context, window, row) : WEIR_ENOMEM;
                if (r < 0)
                        return weir_fail(reterr, r, 0, "outbox: row %lld for %s: out of memory",
                                         (long long)get64(PQgetvalue(result, i, ID)),
                                         streams[window].destination);
        }
        return r;
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
