/* SPDX-License-Identifier: MIT */
/*
 * claimed - a set of keys is asked for while the caller makes the next one
 *
 * The server looks up some hundred thousand keys a second, and decoding as many events takes about as long: one after the
 * other they would take twice the time. So a question is sent, and its answer fetched when the next one is ready. That
 * needs no thread: libpq holds the answer until somebody reads it.
 *
 * Sorted keys   the index of each generation is walked from left to right, which is a third faster, and more where it is
 *               larger than the memory of the server.
 * Always true   CD1. The statement is made for a set of generations, and reads its version in the same snapshot: another
 *                   version, or a table that is gone, and it is made anew and asked again.
 * The answer    lists the keys without a claim. Who looks at what was handled gets short answers; who looks at what was
 *               not pays for rows, and then for handlers, beside which it is nothing.
 * Not chosen    the view weir.claim, which has all generations: a worker's role need not have a right to it.
 *               `key = ANY($1)`: three times as slow (measured).
 */
#include "store/claimed.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/wire.h"

enum { ASKED_MAX = 5, COUNT_MAX = 1024 * 1024 };

struct order {
        struct weir_key key;
        uint32_t index; /* of the caller */
};

struct weir_claimed {
        struct weir_pg *pg;
        int64_t version; /* of weir.claim_state that @sql was made for; 0 = none */
        char *sql;
        struct order *order; /* by key */
        size_t count, room;
        struct weir_bytes array;
};

int weir_claimed_new(struct weir_pg *pg, struct weir_claimed **ret, struct weir_error *reterr)
{
        struct weir_claimed *claimed = calloc(1, sizeof *claimed);

        if (!claimed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "looking for claims");
        claimed->pg = pg;
        *ret = claimed;
        return 0;
}

void weir_claimed_free(struct weir_claimed *claimed)
{
        if (!claimed)
                return;
        free(claimed->sql);
        free(claimed->order);
        weir_bytes_fini(&claimed->array);
        free(claimed);
}

/* ---- the question ------------------------------------------------------------------------------- */

static int make_sql(struct weir_claimed *claimed, const struct weir_pg_rows *rows,
                    struct weir_error *reterr)
{
        size_t size = 0;
        FILE *out;

        free(claimed->sql);
        claimed->sql = NULL;
        out = open_memstream(&claimed->sql, &size);
        if (!out)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "looking for claims");
        fputs("SELECT 0::int8, version FROM weir.claim_state UNION ALL"
              " SELECT t.i, 0 FROM unnest($1::uuid[]) WITH ORDINALITY t(k, i) WHERE true",
              out);
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++)
                /* OFFSET 0: a probe of the index for each key, see apply.c */
                fprintf(out,
                        " AND NOT EXISTS (SELECT FROM weir.claim_%" PRId64
                        " c WHERE c.key = t.k OFFSET 0)",
                        weir_pg_rows_int(rows, i, 1, 0));
        return fclose(out) == 0 ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "looking for claims");
}

/* The newest first: what is asked for twice in a row is there more often. */
static int refresh(struct weir_claimed *claimed, struct weir_error *reterr)
{
        static const char ask[] = "SELECT s.version, g.generation FROM weir.claim_state s,"
                                  " weir.claim_generation g ORDER BY g.generation DESC";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(claimed->pg, ask, NULL, 0, &rows, reterr);

        if (r == 0 && weir_pg_rows_count(rows) == 0)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "weir.claim_generation is empty: run `weir migrate up`");
        if (r == 0)
                r = make_sql(claimed, rows, reterr);
        if (r == 0)
                claimed->version = weir_pg_rows_int(rows, 0, 0, 0);
        return r;
}

static int try_to_send(struct weir_claimed *claimed, struct weir_error *reterr)
{
        static const Oid types[] = { WEIR_OID_UUID_ARRAY };
        const char *const values[] = { (const char *)claimed->array.data };
        const int lengths[] = { (int)claimed->array.used }, formats[] = { 1 };
        struct weir_pg *pg = claimed->pg;
        char name[24];
        unsigned index;
        int r = claimed->version ? 0 : refresh(claimed, reterr), sent;

        if (r == 0)
                r = weir_wire_prepare(pg, claimed->sql, 1, types, &index, reterr);
        if (r < 0)
                return r;
        if (r == 0) {
                weir_wire_statement_name(index, name);
                sent = PQsendQueryPrepared(pg->conn, name, 1, values, lengths, formats, 1);
        } else {
                sent = PQsendQueryParams(pg->conn, claimed->sql, 1, types, values, lengths, formats,
                                         1);
        }
        return sent ? weir_wire_flush(pg, claimed->sql, reterr)
                    : weir_wire_fail(pg, NULL, claimed->sql, reterr);
}

/* The table of a generation that was dropped since: the set has changed. */
static bool is_gone(const struct weir_error *error)
{
        return error->code == WEIR_ESQL && strcmp(error->sqlstate, "42P01") == 0;
}

static int send(struct weir_claimed *claimed, struct weir_error *reterr)
{
        struct weir_error error = { .code = 0 };
        int r = try_to_send(claimed, &error);

        for (int i = 1; r < 0 && is_gone(&error) && i < ASKED_MAX; i++) {
                claimed->version = 0;
                r = try_to_send(claimed, &error);
        }
        if (r < 0)
                *reterr = error;
        return r;
}

static int by_key(const void *a, const void *b)
{
        return memcmp(a, b, sizeof(struct weir_key)); /* a struct order begins with it */
}

static int make_array(struct weir_claimed *claimed, const struct weir_key *keys, size_t count)
{
        if (count > claimed->room) {
                struct order *order = reallocarray(claimed->order, count, sizeof *order);

                if (!order)
                        return -1;
                claimed->order = order;
                claimed->room = count;
        }
        claimed->count = count;
        for (size_t i = 0; i < count; i++)
                claimed->order[i] = (struct order){ keys[i], (uint32_t)i };
        if (count)
                qsort(claimed->order, count, sizeof *claimed->order, by_key);
        weir_bytes_cut(&claimed->array, 0);
        weir_bytes_put_array(&claimed->array, WEIR_OID_UUID, count, false);
        for (size_t i = 0; i < count; i++) {
                weir_bytes_put32(&claimed->array, sizeof(struct weir_key));
                weir_bytes_put(&claimed->array, claimed->order[i].key.bytes,
                               sizeof(struct weir_key));
        }
        return claimed->array.failed ? -1 : 0;
}

int weir_claimed_ask(struct weir_claimed *claimed, const struct weir_key *keys, size_t count,
                     struct weir_error *reterr)
{
        if (count > COUNT_MAX)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%zu keys at a time", count);
        if (make_array(claimed, keys, count) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "looking for %zu claims", count);
        return send(claimed, reterr);
}

/* ---- the answer --------------------------------------------------------------------------------- */

static uint64_t get64(const PGresult *result, int row, int column)
{
        uint64_t number = 0;

        if (PQgetlength(result, row, column) == (int)sizeof number)
                memcpy(&number, PQgetvalue(result, row, column), sizeof number);
        return __builtin_bswap64(number);
}

/* 0; 1: of another set of generations. */
static int take(struct weir_claimed *claimed, const PGresult *result, bool *ret)
{
        int rows = PQntuples(result);
        int64_t version = -1;

        for (size_t i = 0; i < claimed->count; i++)
                ret[i] = true;
        for (int row = 0; row < rows; row++) {
                uint64_t i = get64(result, row, 0);

                if (i == 0)
                        version = (int64_t)get64(result, row, 1);
                else if (i <= claimed->count)
                        ret[claimed->order[i - 1].index] = false;
        }
        return version != claimed->version;
}

int weir_claimed_answer(struct weir_claimed *claimed, bool *ret, struct weir_error *reterr)
{
        for (int asked = 1;; asked++) {
                __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
                struct weir_error error = { .code = 0 };
                int r = weir_wire_finish(claimed->pg, &result, claimed->sql, &error);

                if (r == 0 && take(claimed, result, ret) == 0)
                        return 0;
                if (r < 0 && !is_gone(&error)) {
                        *reterr = error;
                        return r;
                }
                if (asked == ASKED_MAX)
                        return weir_fail(reterr, WEIR_EDB, 0,
                                         "%s: the claim generations changed %d times during one "
                                         "question",
                                         claimed->pg->where, ASKED_MAX);
                claimed->version = 0;
                r = send(claimed, reterr);
                if (r < 0)
                        return r;
        }
}
