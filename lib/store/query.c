/* SPDX-License-Identifier: MIT */
/*
 * query - statements prepared once, parameters in binary, rows in text
 *
 * A statement is kept by its text and by the types of its parameters. The types belong to the key:
 * binary parameters have the width of their type, and a statement that was prepared while $1 was
 * NULL has the type that the server inferred. Sending eight bytes into that later fails with 22P03,
 * which would condemn an innocent event. A NULL fits every type, so it reuses any statement.
 *
 * Not chosen    throwing out the oldest text when the cache is full: a caller with more texts than
 *               places would prepare and deallocate on every call, slower than not preparing.
 */
#include <stdio.h>

#include "store/wire.h"

struct weir_pg_rows {
        PGresult *result;
};

void weir_wire_statement_name(unsigned index, char ret_name[24])
{
        snprintf(ret_name, 24, "weir_%u", index);
}

static bool fits(const struct weir_statement *statement, const char *sql, size_t count,
                 const Oid *types, const char *const *values)
{
        if (statement->count != count || strcmp(statement->sql, sql) != 0)
                return false;
        for (size_t i = 0; i < count; i++)
                if (statement->types[i] != types[i] && !(values && !values[i]))
                        return false;
        return true;
}

static int find_or_prepare(struct weir_pg *pg, const char *sql, size_t count, const Oid *types,
                           const char *const *values, unsigned *ret_index,
                           struct weir_error *reterr)
{
        struct weir_statement *statement;
        char name[24];
        int r;

        for (size_t i = 0; i < pg->statement_count; i++)
                if (fits(&pg->statements[i], sql, count, types, values)) {
                        *ret_index = (unsigned)i;
                        return 0;
                }
        if (pg->statement_count == WEIR_STATEMENTS_MAX)
                return 1;
        weir_wire_statement_name((unsigned)pg->statement_count, name);
        if (!PQsendPrepare(pg->conn, name, sql, (int)count, types))
                return weir_wire_fail(pg, NULL, sql, reterr);
        r = weir_wire_finish(pg, NULL, sql, reterr);
        if (r < 0)
                return r;
        statement = &pg->statements[pg->statement_count];
        statement->count = count;
        statement->sql = strdup(sql);
        statement->types = calloc(count ? count : 1, sizeof *statement->types);
        if (!statement->sql || !statement->types) {
                free(statement->sql);
                free(statement->types);
                *statement = (struct weir_statement){ .sql = NULL };
                pg->broken = true; /* the server has a name that we could not write down */
                return weir_fail(reterr, WEIR_ENOMEM, 0, "prepare: %.80s", sql);
        }
        if (count)
                memcpy(statement->types, types, count * sizeof *types);
        *ret_index = (unsigned)pg->statement_count++;
        return 0;
}

int weir_wire_prepare(struct weir_pg *pg, const char *sql, size_t count, const Oid *types,
                      unsigned *ret_index, struct weir_error *reterr)
{
        return find_or_prepare(pg, sql, count, types, NULL, ret_index, reterr);
}

void weir_wire_forget(struct weir_pg *pg)
{
        for (size_t i = 0; i < pg->statement_count; i++) {
                free(pg->statements[i].sql);
                free(pg->statements[i].types);
        }
        pg->statement_count = 0;
        weir_bytes_fini(&pg->scratch);
        weir_bytes_fini(&pg->claims.arrays);
        free(pg->claims.order);
        pg->claims.order = NULL;
}

static int run(struct weir_pg *pg, const char *sql, const struct weir_params *params,
               int result_format, PGresult **ret, struct weir_error *reterr)
{
        char name[24];
        unsigned index;
        int sent, r;

        if (weir_pg_broken(pg)) {
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, 0, "%s: connection is closed; in: %.80s",
                                 pg->where, sql);
        }
        r = find_or_prepare(pg, sql, params->count, params->types, params->values, &index, reterr);
        if (r < 0)
                return r;
        if (r > 0) {
                sent = PQsendQueryParams(pg->conn, sql, (int)params->count, params->types,
                                         params->values, params->lengths, params->formats,
                                         result_format);
        } else {
                weir_wire_statement_name(index, name);
                sent = PQsendQueryPrepared(pg->conn, name, (int)params->count, params->values,
                                           params->lengths, params->formats, result_format);
        }
        if (!sent)
                return weir_wire_fail(pg, NULL, sql, reterr);
        return weir_wire_finish(pg, ret, sql, reterr);
}

int weir_wire_query(struct weir_pg *pg, const char *sql, const struct weir_params *params,
                    PGresult **ret, struct weir_error *reterr)
{
        return run(pg, sql, params, 0, ret, reterr);
}

int weir_wire_query_binary(struct weir_pg *pg, const char *sql, const struct weir_params *params,
                           PGresult **ret, struct weir_error *reterr)
{
        return run(pg, sql, params, 1, ret, reterr);
}

static const Oid oid_of_kind[] = {
        [WEIR_VALUE_NULL] = 0,
        [WEIR_VALUE_TEXT] = WEIR_OID_TEXT,
        [WEIR_VALUE_BYTEA] = WEIR_OID_BYTEA,
        [WEIR_VALUE_JSONB] = WEIR_OID_JSONB,
        [WEIR_VALUE_BOOL] = WEIR_OID_BOOL,
        [WEIR_VALUE_INT4] = WEIR_OID_INT4,
        [WEIR_VALUE_INT8] = WEIR_OID_INT8,
        [WEIR_VALUE_FLOAT8] = WEIR_OID_FLOAT8,
        [WEIR_VALUE_TIMESTAMPTZ] = WEIR_OID_TIMESTAMPTZ,
        [WEIR_VALUE_UUID] = WEIR_OID_UUID,
};

/* Append @value in binary; 0, or the reason why it cannot be sent. */
static const char *put_value(struct weir_bytes *bytes, const struct weir_value *value)
{
        uint64_t bits;
        int64_t since_2000_us;

        switch (value->kind) {
        case WEIR_VALUE_TEXT:
        case WEIR_VALUE_BYTEA: weir_bytes_put(bytes, value->u.ptr, value->size); return NULL;
        case WEIR_VALUE_UUID:
                weir_bytes_put(bytes, value->u.ptr, value->size);
                return value->size == 16 ? NULL : "a uuid has 16 bytes";
        case WEIR_VALUE_JSONB:
                weir_bytes_put(bytes, "\1", 1); /* version of the binary form */
                weir_bytes_put(bytes, value->u.ptr, value->size);
                return NULL;
        case WEIR_VALUE_BOOL: weir_bytes_put(bytes, value->u.i64 ? "\1" : "\0", 1); return NULL;
        case WEIR_VALUE_INT4:
                weir_bytes_put32(bytes, (uint32_t)value->u.i64);
                return value->u.i64 == (int32_t)value->u.i64 ? NULL : "an int4 is out of range";
        case WEIR_VALUE_INT8: weir_bytes_put64(bytes, (uint64_t)value->u.i64); return NULL;
        case WEIR_VALUE_FLOAT8:
                memcpy(&bits, &value->u.f64, sizeof bits);
                weir_bytes_put64(bytes, bits);
                return NULL;
        case WEIR_VALUE_TIMESTAMPTZ:
                if (__builtin_sub_overflow(value->u.i64, WEIR_PG_EPOCH_US, &since_2000_us))
                        return "a timestamp is out of range";
                weir_bytes_put64(bytes, (uint64_t)since_2000_us);
                return NULL;
        default: return "unknown kind of value";
        }
}

int weir_pg_query(struct weir_pg *pg, const char *sql, const struct weir_value *params,
                  size_t count, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        enum { MANY = 65535 }; /* the protocol's own limit */
        WEIR_FREE Oid *types = NULL;
        WEIR_FREE const char **values = NULL;
        WEIR_FREE int *lengths = NULL;
        WEIR_FREE int *formats = NULL;
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_params wire;
        int r;

        if (count > MANY)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%zu parameters, %d are allowed: %.80s",
                                 count, MANY, sql);
        types = calloc(count + 1, sizeof *types);
        values = calloc(count + 1, sizeof *values);
        lengths = calloc(count + 1, sizeof *lengths);
        formats = calloc(count + 1, sizeof *formats);
        if (!types || !values || !lengths || !formats)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parameters of: %.80s", sql);
        weir_bytes_cut(&pg->scratch, 0);
        for (size_t i = 0; i < count; i++) {
                size_t before = pg->scratch.used;
                const char *wrong;

                formats[i] = 1;
                if (params[i].kind == WEIR_VALUE_NULL)
                        continue;
                wrong = put_value(&pg->scratch, &params[i]);
                if (!wrong && pg->scratch.used - before > INT32_MAX)
                        wrong = "too long";
                if (wrong)
                        return weir_fail(reterr, WEIR_EUSAGE, 0, "parameter $%zu: %s: %.80s", i + 1,
                                         wrong, sql);
                types[i] = oid_of_kind[params[i].kind];
                lengths[i] = (int)(pg->scratch.used - before);
        }
        /* One byte behind the last value keeps the address of an empty one from being NULL. */
        weir_bytes_put(&pg->scratch, "", 1);
        if (pg->scratch.failed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parameters of: %.80s", sql);
        for (size_t i = 0, at = 0; i < count; at += (size_t)lengths[i], i++)
                if (params[i].kind != WEIR_VALUE_NULL)
                        values[i] = (const char *)pg->scratch.data + at;
        wire = (struct weir_params){ count, types, values, lengths, formats };
        r = weir_wire_query(pg, sql, &wire, &result, reterr);
        weir_bytes_reset(&pg->scratch, 1024 * 1024);
        if (r < 0)
                return r;
        if (ret) {
                struct weir_pg_rows *rows = calloc(1, sizeof *rows);

                if (!rows)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "rows of: %.80s", sql);
                rows->result = WEIR_TAKE(result);
                *ret = rows;
        }
        return 0;
}

size_t weir_pg_rows_count(const struct weir_pg_rows *rows)
{
        return (size_t)PQntuples(rows->result);
}

int64_t weir_pg_rows_affected(const struct weir_pg_rows *rows)
{
        return strtoll(PQcmdTuples(rows->result), NULL, 10);
}

struct weir_view weir_pg_rows_text(const struct weir_pg_rows *rows, size_t row, size_t column)
{
        struct weir_view view = { NULL, 0 };

        if (row < (size_t)PQntuples(rows->result) && column < (size_t)PQnfields(rows->result) &&
            !PQgetisnull(rows->result, (int)row, (int)column)) {
                view.ptr = PQgetvalue(rows->result, (int)row, (int)column);
                view.size = (size_t)PQgetlength(rows->result, (int)row, (int)column);
        }
        return view;
}

int64_t weir_pg_rows_int(const struct weir_pg_rows *rows, size_t row, size_t column,
                         int64_t if_null)
{
        struct weir_view text = weir_pg_rows_text(rows, row, column);

        return text.ptr ? strtoll(text.ptr, NULL, 10) : if_null;
}

void weir_pg_rows_free(struct weir_pg_rows *rows)
{
        if (!rows)
                return;
        PQclear(rows->result);
        free(rows);
}
