/* SPDX-License-Identifier: MIT */
/*
 * deadletter_mark - the way back is a change of state, and the state is the memory of how far one came
 *
 * A chunk takes the lowest ids in the state that the filter names, under their locks, and changes them. So there is
 * no position of a requeue to be kept anywhere: who begins again finds what is still there.
 *
 * The race      1. two operators requeue the same letters  2. the second waits for the first one's locks
 *               3. he finds the state changed: the server reads the row anew and leaves it out (X4), and goes
 *               on to rows behind it, so that a chunk of none means that there are none.
 *               All take their locks in the order of ids, so nobody waits in a circle. A lane locks rows in the
 *               state 'requeue' only, one at a time.
 * The race      1. a drop takes back what was marked, while its lane runs it  2. whichever locks the row first
 *               decides: the lane finds its row gone and rolls its effects back, or the drop finds it applied.
 * Not chosen    SKIP LOCKED: what another has locked and then rolls back would be passed over, and counted by
 *               nobody. One UPDATE for all: an hour of locks, and nothing of it there after a Ctrl-C.
 */
#include "store/deadletter_mark.h"

#include <stdio.h>
#include <string.h>

#include "store/row.h"

enum { SQL_BYTES = 12288, MANY = 1000, ARENA_BYTES = 256 * 1024 };

/* ---- states --------------------------------------------------------------------------------- */

/* Rows of @which become @changes. */
static int change(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                  const char *which, const char *changes, size_t limit,
                  const struct weir_deadletter_mark *mark, struct weir_deadletter_chunk *ret,
                  struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];
        int by, note, r;

        weir_deadletter_where_make(filter, &where);
        by = weir_deadletter_where_add(&where, weir_text_z(mark->by));
        note = weir_deadletter_where_add(&where, weir_text_z(mark->note));
        snprintf(
                sql, sizeof sql,
                "WITH pick AS MATERIALIZED (SELECT d.id FROM weir.dead_letter d%s%s ORDER BY d.id"
                " LIMIT %zu FOR UPDATE),"
                " done AS (UPDATE weir.dead_letter SET %s, marked_at = now(), marked_by = $%d::text,"
                " note = coalesce($%d::text, note) WHERE id = ANY (ARRAY(SELECT id FROM pick))"
                " RETURNING id) SELECT count(*), min(id), max(id) FROM done",
                where.sql, which, limit, changes, by, note);
        r = weir_pg_query(pg, sql, where.values, where.count, &rows, reterr);
        if (r < 0)
                return r;
        *ret = (struct weir_deadletter_chunk){ weir_pg_rows_int(rows, 0, 0, 0),
                                               weir_pg_rows_int(rows, 0, 1, 0),
                                               weir_pg_rows_int(rows, 0, 2, 0) };
        return 0;
}

int weir_deadletter_requeue(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                            size_t limit, const struct weir_deadletter_mark *mark,
                            struct weir_deadletter_chunk *ret, struct weir_error *reterr)
{
        return change(
                pg, filter, " AND d.class <> 'deliver'",
                "state = 'requeue', deaths = 0, death = NULL, round = least(round + 1, " WEIR_STR_(
                        WEIR_ROUND_MAX) "), attempts = 0",
                limit, mark, ret, reterr);
}

int weir_deadletter_drop(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         size_t limit, const struct weir_deadletter_mark *mark,
                         struct weir_deadletter_chunk *ret, struct weir_error *reterr)
{
        return change(pg, filter, "", "state = 'dropped'", limit, mark, ret, reterr);
}

/* ---- into the outbox ------------------------------------------------------------------------ */

/* "{17,18}": an array as text, by which a statement takes any number of ids. */
struct id_list {
        char text[MANY * 21 + 3];
        size_t used;
};

static void id_list_add(struct id_list *list, int64_t id)
{
        list->used += (size_t)snprintf(list->text + list->used, sizeof list->text - list->used,
                                       "%c%lld", list->used ? ',' : '{', (long long)id);
}

/* Lock the next ones, and choose as many as fit into @bytes. */
static int pick(struct weir_pg *pg, const struct weir_deadletter_filter *filter, bool delivers,
                size_t limit, size_t bytes, struct id_list *ids, struct weir_deadletter_chunk *ret,
                struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_deadletter_where where;
        char sql[SQL_BYTES];
        int r;

        weir_deadletter_where_make(filter, &where);
        snprintf(sql, sizeof sql,
                 "WITH pick AS MATERIALIZED (SELECT d.id, coalesce(octet_length(d.value), 0)"
                 " + coalesce(octet_length(d.key), 0) + pg_column_size(d.header_values) AS bytes"
                 " FROM weir.dead_letter d%s AND d.class %s 'deliver' ORDER BY d.id LIMIT %zu"
                 " FOR UPDATE) SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS"
                 " before FROM pick) w WHERE before < %zu ORDER BY id",
                 where.sql, delivers ? "=" : "<>", limit < MANY ? limit : MANY, bytes);
        r = weir_pg_query(pg, sql, where.values, where.count, &rows, reterr);
        if (r < 0)
                return r;
        *ret = (struct weir_deadletter_chunk){ .count = (int64_t)weir_pg_rows_count(rows) };
        for (size_t i = 0; i < (size_t)ret->count; i++) {
                ret->last_id = weir_pg_rows_int(rows, i, 0, 0);
                if (i == 0)
                        ret->first_id = ret->last_id;
                id_list_add(ids, ret->last_id);
        }
        id_list_add(ids, 0); /* no letter has it: closes a list of none too */
        ids->text[ids->used++] = '}';
        ids->text[ids->used] = '\0';
        return 0;
}

static const char read_sql[] =
        "SELECT id, position, partition, \"offset\", attempts, item, round, at_byte,"
        " first_failed_at, worker, topic, class, reason, text, plugin_version, source, event_id,"
        " destination, message_id, record_time, key, value, header_names, header_values"
        " FROM weir.dead_letter WHERE id = ANY ($1::text::int8[]) ORDER BY id";
enum {
        ID,
        POSITION,
        PARTITION,
        OFFSET,
        ATTEMPTS,
        ITEM,
        ROUND,
        AT_BYTE,
        FIRST_FAILED,
        WORKER,
        TOPIC,
        CLASS,
        REASON,
        TEXT,
        VERSION,
        SOURCE,
        EVENT_ID,
        DESTINATION,
        MESSAGE_ID,
        RECORD
};

static int read_letter(const PGresult *result, int i, struct weir_arena *arena,
                       struct weir_deadletter_sendable *ret, struct weir_error *reterr)
{
        struct weir_view text[RECORD];
        struct weir_kept_record record;
        bool good = true;
        int r;

        for (int column = WORKER; column < RECORD; column++)
                good = good && weir_row_get_view(result, i, column, arena, &text[column]);
        if (!good)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading a dead letter");
        r = weir_row_get_record(result, i, RECORD, arena, &record, reterr);
        *ret = (struct weir_deadletter_sendable){
                .id = weir_row_get_int(result, i, ID, 0),
                .letter = { .position = (int32_t)weir_row_get_int(result, i, POSITION, 0),
                            .worker = text[WORKER].ptr,
                            .topic = text[TOPIC].ptr,
                            .partition = (int32_t)weir_row_get_int(result, i, PARTITION, 0),
                            .offset = weir_row_get_int(result, i, OFFSET, 0),
                            .klass = text[CLASS].ptr,
                            .reason = text[REASON].ptr,
                            .text = text[TEXT].ptr,
                            .at_byte = weir_row_get_int(result, i, AT_BYTE, -1),
                            .attempts = (int32_t)weir_row_get_int(result, i, ATTEMPTS, 0),
                            .plugin_version = text[VERSION].ptr,
                            .source = text[SOURCE],
                            .id = text[EVENT_ID],
                            .first_failed_us = weir_row_get_time_us(result, i, FIRST_FAILED, 0),
                            .item = (int32_t)weir_row_get_int(result, i, ITEM, 0),
                            .round = (int32_t)weir_row_get_int(result, i, ROUND, 1) },
                .destination = text[DESTINATION].ptr,
                .message_id = text[MESSAGE_ID].ptr,
        };
        if (r < 0)
                return r;
        ret->letter.record_time_ms = record.record_time_ms;
        ret->letter.key = record.key;
        ret->letter.value = record.value;
        ret->letter.headers = record.headers;
        ret->letter.header_count = record.header_count;
        return 0;
}

static int read_all(struct weir_pg *pg, const struct id_list *ids, weir_deadletter_send_fn *send,
                    void *context, struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_arena arena;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_list(&row, ids->text);
        r = weir_row_query(&row, read_sql, &result, reterr);
        if (r < 0)
                return r;
        weir_arena_init(&arena, ARENA_BYTES);
        for (int i = 0; r == 0 && i < PQntuples(result); i++) {
                struct weir_deadletter_sendable sendable;

                weir_arena_reset(&arena);
                r = read_letter(result, i, &arena, &sendable, reterr);
                if (r == 0)
                        r = send(context, &sendable, &arena, reterr);
        }
        weir_arena_fini(&arena);
        return r;
}

int weir_deadletter_send(struct weir_pg *pg, const struct weir_deadletter_filter *filter,
                         bool delivers, size_t limit, size_t bytes,
                         const struct weir_deadletter_mark *mark, weir_deadletter_send_fn *send,
                         void *context, struct weir_deadletter_chunk *ret,
                         struct weir_error *reterr)
{
        static const char sql[] =
                "UPDATE weir.dead_letter SET state = 'sent', marked_at = now(), marked_by = $2,"
                " note = coalesce($3, note) WHERE id = ANY ($1::text::int8[])";
        struct id_list ids = { .used = 0 };
        struct weir_value params[3];
        int r = pick(pg, filter, delivers, limit, bytes, &ids, ret, reterr);

        if (r < 0 || ret->count == 0)
                return r;
        r = read_all(pg, &ids, send, context, reterr);
        if (r < 0)
                return r;
        params[0] = weir_text_z(ids.text);
        params[1] = weir_text_z(mark->by);
        params[2] = weir_text_z(mark->note);
        return weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), NULL, reterr);
}

/* ---- afterwards ----------------------------------------------------------------------------- */

int weir_deadletter_outcome(struct weir_pg *pg, const char *by, int64_t first_id, int64_t last_id,
                            struct weir_pg_rows **ret, struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_text_z(by), weir_int8(first_id),
                                             weir_int8(last_id) };

        return weir_pg_query(pg,
                             "SELECT state, count(*) FROM weir.dead_letter WHERE marked_by = $1"
                             " AND id BETWEEN $2 AND $3 GROUP BY state ORDER BY state",
                             params, WEIR_COUNT_OF(params), ret, reterr);
}

int weir_deadletter_waiting(struct weir_pg *pg, const char *by, int64_t *ret,
                            struct weir_error *reterr)
{
        const struct weir_value params[] = { weir_text_z(by) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg,
                              "SELECT count(*) FROM weir.dead_letter WHERE state = 'requeue'"
                              " AND marked_by = $1",
                              params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r == 0)
                *ret = weir_pg_rows_int(rows, 0, 0, 0);
        return r;
}
