/* SPDX-License-Identifier: MIT */
/*
 * tx - stands between a handler and the transaction that must be committed whole or not at all
 *
 * A handler is trusted code with bugs. Its bugs may cost its own event, never the promise: half of
 * an event's effects must not be committed, and no effect without the position that moves with it.
 *
 * Always true   T1  a transaction in which a call failed is never reported as done.
 *               T2  the position is committed by weir alone. A COMMIT by the handler would move it
 *                   past events of the batch that were never handled: they would be lost. So a
 *                   COMMIT is made to fail while the handler has the connection: a cursor WITH
 *                   HOLD is materialised by COMMIT, and this one's query raises an error. It dies
 *                   with its transaction, so that closing it afterwards also proves that the
 *                   transaction is still the same.
 *               T3  an event is never condemned for a deadlock, a full disk or a lost connection.
 *               T4  rows are sent before any statement that could see them, in the order of the
 *                   tables.
 * Bounds        unsent rows: FLUSH_BYTES, then they are sent early, in the same transaction.
 *               Trees: what the events in hand make within the limits of JSON, freed when the
 *               handler returns.
 * Not chosen    comparing pg_current_xact_id() afterwards: it tells that events were lost, the
 *               cursor keeps them from being lost. An allow-list of statements: CALL cannot commit
 *               inside a transaction block, so the first word is enough.
 * Known weak    a handler that closes the cursor itself and commits is found out, but not undone.
 */
#include "plugin/verdict.h"

#include <string.h>
#include <strings.h>

#include "event/json.h"
#include "plugin/emit.h"

enum { FLUSH_BYTES = 64 * 1024 * 1024 };

/* T2. Planned at DECLARE, run at COMMIT: n is no constant, so the cast fails then and not before.
 * */
static const char guard_sql[] =
        "DECLARE weir_guard NO SCROLL CURSOR WITH HOLD FOR SELECT pg_catalog.left("
        "'COMMIT belongs to weir, a plugin must not end its transaction', n)::pg_catalog.int4 "
        "FROM pg_catalog.generate_series(100, 100) AS n";

static struct weir_handler_tx *inner(struct weir_tx *tx)
{
        return (struct weir_handler_tx *)tx;
}

/* May the handler call us now? */
static int ready(struct weir_handler_tx *tx, struct weir_error *reterr)
{
        if (!tx->pg || !tx->events)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "plugin %s: a transaction was used outside of the handler",
                                 tx->worker->name);
        return tx->failed ? weir_verdict_failed(tx, reterr) : 0;
}

/* ---- rows to be appended -------------------------------------------------------------------- */

static int send_rows(struct weir_handler_tx *tx, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };

        if (tx->failed)
                return weir_verdict_failed(tx, reterr);
        if (tx->unsent_bytes == 0)
                return 0;
        for (size_t i = 0; i < tx->table_count; i++)
                if (tx->buffers[i] && weir_rowbuffer_send(tx->buffers[i], tx->pg, &error) < 0)
                        return weir_verdict_lose(tx, &error, reterr);
        tx->unsent_bytes = 0;
        return 0;
}

static int find_table(const struct weir_handler_tx *tx, const struct weir_table *table, size_t *ret)
{
        for (size_t i = 0; i < tx->table_count; i++)
                if (tx->tables[i] == table) {
                        *ret = i;
                        return 0;
                }
        return -1;
}

static int op_append(struct weir_tx *public, struct weir_table *table,
                     const struct weir_value *values, size_t count, struct weir_error *reterr)
{
        struct weir_handler_tx *tx = inner(public);
        struct weir_error error = { .code = 0 };
        struct weir_rowbuffer *buffer;
        size_t index, before;
        int r = ready(tx, reterr);

        if (r < 0)
                return r;
        if (find_table(tx, table, &index) < 0) {
                weir_fail(&error, WEIR_EUSAGE, 0,
                          "plugin %s: append to a table that it did not open", tx->worker->name);
                return weir_verdict_lose(tx, &error, reterr);
        }
        if (!tx->buffers[index])
                tx->buffers[index] = weir_rowbuffer_new(table);
        buffer = tx->buffers[index];
        if (!buffer) {
                weir_fail(&error, WEIR_ENOMEM, 0, "rows of %s", weir_table_name(table));
                return weir_verdict_lose(tx, &error, reterr);
        }
        before = weir_rowbuffer_bytes(buffer);
        if (weir_rowbuffer_append(buffer, values, count, &error) < 0)
                return weir_verdict_lose(tx, &error, reterr);
        tx->unsent_bytes += weir_rowbuffer_bytes(buffer) - before;
        return tx->unsent_bytes > FLUSH_BYTES ? send_rows(tx, reterr) : 0;
}

/* ---- statements ----------------------------------------------------------------------------- */

/* Behind white space, empty statements and comments, where a statement begins. */
static const char *first_word(const char *sql)
{
        for (;;) {
                unsigned depth = 1;

                sql += strspn(sql, " \t\r\n\f\v;");
                if (strncmp(sql, "--", 2) == 0) {
                        sql += strcspn(sql, "\r\n");
                        continue;
                }
                if (strncmp(sql, "/*", 2) != 0)
                        return sql;
                for (sql += 2; *sql && depth; sql++) {
                        if (strncmp(sql, "*/", 2) == 0 && sql++)
                                depth--;
                        else if (strncmp(sql, "/*", 2) == 0 && sql++)
                                depth++;
                }
        }
}

/* T2 for statements that go through us; the server takes one statement per call. */
static bool ends_transaction(const char *sql)
{
        static const char *const words[] = { "abort",   "begin",    "commit",    "end",  "prepare",
                                             "release", "rollback", "savepoint", "start" };
        const char *word = first_word(sql);
        size_t size = strspn(word,
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789$");

        for (size_t i = 0; i < WEIR_COUNT_OF(words); i++)
                if (strlen(words[i]) == size && strncasecmp(words[i], word, size) == 0)
                        return true;
        return false;
}

static int run(struct weir_handler_tx *tx, const char *sql, const struct weir_value *params,
               size_t count, struct weir_pg_rows **ret_rows, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        int r = ready(tx, reterr);

        if (r < 0)
                return r;
        if (ends_transaction(sql)) {
                weir_fail(&error, WEIR_EUSAGE, 0,
                          "plugin %s: \"%.60s\": transactions are begun and ended by weir alone",
                          tx->worker->name, sql);
                return weir_verdict_lose(tx, &error, reterr);
        }
        r = send_rows(tx, reterr);
        if (r < 0)
                return r;
        if (weir_pg_query(tx->pg, sql, params, count, ret_rows, &error) < 0)
                return weir_verdict_lose(tx, &error, reterr);
        return 0;
}

static int op_exec(struct weir_tx *public, const char *sql, const struct weir_value *params,
                   size_t count, int64_t *ret_rows, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = run(inner(public), sql, params, count, ret_rows ? &rows : NULL, reterr);

        if (r == 0 && ret_rows)
                *ret_rows = weir_pg_rows_affected(rows);
        return r;
}

static int op_query(struct weir_tx *public, const char *sql, const struct weir_value *params,
                    size_t count, const struct weir_rows **ret_rows, struct weir_error *reterr)
{
        struct weir_handler_tx *tx = inner(public);
        struct weir_pg_rows *rows = NULL;
        int r = run(tx, sql, params, count, &rows, reterr);

        if (r < 0)
                return r;
        weir_pg_rows_free(tx->rows);
        tx->rows = rows;
        *ret_rows = (const struct weir_rows *)rows;
        return 0;
}

static size_t op_rows_count(const struct weir_rows *rows)
{
        return weir_pg_rows_count((const struct weir_pg_rows *)rows);
}

static struct weir_view op_rows_text(const struct weir_rows *rows, size_t row, size_t column)
{
        return weir_pg_rows_text((const struct weir_pg_rows *)rows, row, column);
}

/* ---- data as a tree ------------------------------------------------------------------------- */

/* Handlers go through a batch in order, so the event is nearly always where the last one was, or
 * next. */
int weir_handler_tx_find(struct weir_handler_tx *tx, const struct weir_event *event, size_t *ret)
{
        for (size_t i = tx->event_hint; i < tx->event_count && i < tx->event_hint + 2; i++)
                if (tx->events[i] == event) {
                        *ret = tx->event_hint = i;
                        return 0;
                }
        for (size_t i = 0; i < tx->event_count; i++)
                if (tx->events[i] == event) {
                        *ret = tx->event_hint = i;
                        return 0;
                }
        return -1;
}

static int make_tree_room(struct weir_handler_tx *tx)
{
        if (tx->tree_room >= tx->event_count)
                return 0;
        free(tx->trees);
        tx->trees = calloc(tx->event_count,
                           sizeof(struct cJSON *)); /* none exist yet in this call */
        tx->tree_room = tx->trees ? tx->event_count : 0;
        return tx->trees ? 0 : WEIR_ENOMEM;
}

static const struct cJSON *op_json(struct weir_tx *public, const struct weir_event *event,
                                   struct weir_error *reterr)
{
        struct weir_handler_tx *tx = inner(public);
        struct weir_error error = { .code = 0 };
        struct weir_refusal refusal = { .klass = WEIR_REFUSED_NOT };
        size_t index;
        int r;

        if (ready(tx, reterr) < 0)
                return NULL;
        if (weir_handler_tx_find(tx, event, &index) < 0) {
                weir_fail(reterr, WEIR_EUSAGE, 0,
                          "plugin %s: JSON of an event that is not in hand (a copy?)",
                          tx->worker->name);
                return NULL;
        }
        if (event->data_kind != WEIR_DATA_JSON) {
                weir_fail(reterr, WEIR_EDECODE, 0, "data is not JSON: datacontenttype is %.100s",
                          event->datacontenttype.ptr ? event->datacontenttype.ptr : "absent");
                return NULL;
        }
        r = make_tree_room(tx);
        if (r == 0 && tx->trees[index])
                return tx->trees[index];
        if (r == 0)
                r = weir_json_parse(event->data, &tx->limits, &tx->trees[index], &refusal);
        if (r == 0)
                return tx->trees[index];
        if (r > 0) {
                weir_fail(reterr, WEIR_EDECODE, 0, "data: %s at byte %zu: %s",
                          weir_refusal_name(refusal.klass), refusal.at, refusal.reason);
                return NULL;
        }
        weir_fail(&error, r, 0, "JSON data of %zu bytes: out of memory", event->data.size);
        weir_verdict_lose(tx, &error, reterr); /* T3: or the handler would reject it */
        return NULL;
}

/* ---- the connection itself ------------------------------------------------------------------ */

static void *op_connection(struct weir_tx *public)
{
        struct weir_handler_tx *tx = inner(public);
        struct weir_error error = { .code = 0 };

        if (ready(tx, NULL) < 0 || send_rows(tx, NULL) < 0)
                return NULL;
        if (!tx->guarded && weir_pg_run(tx->pg, guard_sql, &error) < 0) {
                weir_verdict_lose(tx, &error, NULL);
                return NULL;
        }
        tx->guarded = true;
        return weir_pg_native(tx->pg);
}

/* ---- what is to leave ------------------------------------------------------------------------ */

static int op_emit(struct weir_tx *public, const char *topic, struct weir_view key,
                   const struct weir_event *event, struct weir_error *reterr)
{
        struct weir_handler_tx *tx = inner(public);
        int r = ready(tx, reterr);

        return r < 0 ? r : weir_emit_to_topic(tx, topic, key, event, reterr);
}

static int op_deliver(struct weir_tx *public, const char *sink, const struct weir_event *event,
                      struct weir_error *reterr)
{
        struct weir_handler_tx *tx = inner(public);
        int r = ready(tx, reterr);

        return r < 0 ? r : weir_emit_to_sink(tx, sink, event, reterr);
}

/* ---- life ----------------------------------------------------------------------------------- */

static const struct weir_tx_ops ops = {
        .size = sizeof ops,
        .append = op_append,
        .exec = op_exec,
        .query = op_query,
        .rows_count = op_rows_count,
        .rows_text = op_rows_text,
        .json = op_json,
        .connection = op_connection,
        .emit = op_emit,
        .deliver = op_deliver,
};

struct weir_handler_tx *weir_handler_tx_new(struct weir_handler *handler,
                                            const struct weir_limits *limits)
{
        WEIR_CLEANUP(weir_handler_tx_freep) struct weir_handler_tx *tx = calloc(1, sizeof *tx);
        size_t count = weir_handler_table_count(handler);

        if (!tx)
                return NULL;
        tx->public.ops = &ops;
        tx->worker = weir_handler_worker(handler);
        tx->handler = handler;
        tx->worker_name = weir_handler_name(handler);
        tx->self = weir_handler_self(handler);
        if (limits)
                tx->limits = *limits;
        tx->tables = calloc(count + 1, sizeof(struct weir_table *));
        tx->buffers = calloc(count + 1, sizeof(struct weir_rowbuffer *));
        if (!tx->tables || !tx->buffers)
                return NULL;
        tx->table_count = count;
        for (size_t i = 0; i < count; i++)
                tx->tables[i] = weir_handler_table(handler, i);
        return WEIR_TAKE(tx);
}

void weir_handler_tx_free(struct weir_handler_tx *tx)
{
        if (!tx)
                return;
        for (size_t i = 0; i < tx->table_count; i++)
                weir_rowbuffer_free(tx->buffers[i]);
        weir_pg_rows_free(tx->rows);
        weir_outbox_writer_free(tx->outbox);
        weir_arena_fini(&tx->arena);
        free(tx->trees);
        free(tx->tables);
        free(tx->buffers);
        free(tx);
}

void weir_handler_tx_attach(struct weir_handler_tx *tx, struct weir_pg *pg, int32_t position)
{
        tx->pg = pg;
        tx->position = position;
        tx->withheld = 0;
        tx->failed = false;
}

void weir_handler_tx_withhold(struct weir_handler_tx *tx, bool withhold)
{
        tx->withhold = withhold;
}

uint32_t weir_handler_tx_withheld(const struct weir_handler_tx *tx)
{
        return tx->withheld;
}

void weir_handler_tx_detach(struct weir_handler_tx *tx)
{
        for (size_t i = 0; i < tx->table_count; i++)
                if (tx->buffers[i])
                        weir_rowbuffer_reset(tx->buffers[i]);
        if (tx->outbox)
                weir_outbox_reset(tx->outbox);
        tx->unsent_bytes = 0;
        tx->failed = false;
        tx->pg = NULL;
}

struct weir_tx *weir_handler_tx_public(struct weir_handler_tx *tx)
{
        return &tx->public;
}

int weir_handler_tx_flush(struct weir_handler_tx *tx, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        int r = send_rows(tx, reterr);

        if (r == 0 && tx->outbox && weir_outbox_send(tx->outbox, tx->pg, &error) < 0)
                return weir_verdict_lose(tx, &error, reterr);
        return r;
}
