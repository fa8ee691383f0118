/* SPDX-License-Identifier: MIT */
/*
 * table - what a table looks like, and rows in its binary form
 *
 * Values are turned into the column's own binary form at append, on the handler's stack: what does
 * not fit is refused there, with the column's name, and the failing event is known. What only the
 * server can judge (constraints, jsonb, UTF-8) is refused by COPY for the whole batch; the caller
 * then goes one by one.
 *
 * Always true   TB1 a row is in the buffer whole or not at all.
 *               TB2 the types are those read when the table was opened. A column altered since then
 *                   makes COPY fail: an operator's matter, told apart in send().
 * Not chosen    text COPY: escaping costs more than the swap of bytes, and floats lose digits.
 */
#include "store/table.h"

#include "store/wire.h"

struct column {
        char *name;
        char *type; /* as people write it, for messages */
        Oid oid;    /* base type of a domain */
        bool label; /* an enum: takes text */
};

struct weir_table {
        char *name;
        char *copy_sql;
        struct column *columns;
        size_t count;
};

struct weir_rowbuffer {
        const struct weir_table *table;
        struct weir_bytes bytes;
        size_t rows;
};

enum { CHUNK_BYTES = 256 * 1024, KEPT_BYTES = 16 * 1024, FIELD_MAX = 1024 * 1024 * 1024 - 1 };

static const char copy_header[] =
        "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"; /* 11 + 4 flags + 4 extension */

static const char *kind_name(int kind)
{
        static const char *const names[] = { "null", "text", "bytea",  "jsonb",       "bool",
                                             "int4", "int8", "float8", "timestamptz", "uuid" };

        return kind >= 0 && (size_t)kind < WEIR_COUNT_OF(names) ? names[kind] : "unknown kind";
}

static bool can_append(const struct column *column)
{
        switch (column->oid) {
        case WEIR_OID_TEXT:
        case WEIR_OID_VARCHAR:
        case WEIR_OID_BPCHAR:
        case WEIR_OID_NAME:
        case WEIR_OID_JSON:
        case WEIR_OID_JSONB:
        case WEIR_OID_BYTEA:
        case WEIR_OID_BOOL:
        case WEIR_OID_INT2:
        case WEIR_OID_INT4:
        case WEIR_OID_INT8:
        case WEIR_OID_FLOAT4:
        case WEIR_OID_FLOAT8:
        case WEIR_OID_TIMESTAMP:
        case WEIR_OID_TIMESTAMPTZ:
        case WEIR_OID_UUID: return true;
        default: return column->label;
        }
}

/* ---- open ------------------------------------------------------------------------------------- */

static void put_identifier(FILE *out, const char *name, size_t size)
{
        fputc('"', out);
        for (size_t i = 0; i < size; i++) {
                if (name[i] == '"')
                        fputc('"', out);
                fputc(name[i], out);
        }
        fputc('"', out);
}

static int make_copy_sql(struct weir_table *table, size_t schema_size)
{
        size_t size = 0;
        FILE *out = open_memstream(&table->copy_sql, &size);
        const char *relation = table->name + schema_size + 1;

        if (!out)
                return -1;
        fputs("COPY ", out);
        put_identifier(out, table->name, schema_size);
        fputc('.', out);
        put_identifier(out, relation, strlen(relation));
        for (size_t i = 0; i < table->count; i++) {
                fputs(i ? ", " : " (", out);
                put_identifier(out, table->columns[i].name, strlen(table->columns[i].name));
        }
        fputs(") FROM STDIN (FORMAT binary)", out);
        return fclose(out) == 0 ? 0 : -1;
}

/* Fill @column from the catalog's row. 0, or the reason why it cannot be. */
static const char *read_column(struct column *column, const char *name,
                               const struct weir_pg_rows *rows)
{
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++) {
                if (strcmp(weir_pg_rows_text(rows, i, 0).ptr, name) != 0)
                        continue;
                column->name = strdup(name);
                column->type = strdup(weir_pg_rows_text(rows, i, 2).ptr);
                column->oid = (Oid)weir_pg_rows_int(rows, i, 1, 0);
                column->label = weir_pg_rows_text(rows, i, 3).ptr[0] == 'e';
                if (!column->name || !column->type)
                        return "out of memory";
                if (weir_pg_rows_text(rows, i, 4).ptr[0] == 't')
                        return "is a generated column";
                return can_append(column)
                               ? NULL
                               : "has a type that cannot be appended to; use exec() for it";
        }
        return "does not exist";
}

int weir_table_open(struct weir_pg *pg, const char *name, const char *const *columns,
                    struct weir_table **ret, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT a.attname::text, coalesce(nullif(t.typbasetype, 0), t.oid)::int8,"
                " pg_catalog.format_type(a.atttypid, a.atttypmod), t.typtype::text,"
                " a.attgenerated <> ''"
                " FROM pg_catalog.pg_attribute a"
                " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
                " WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p')"
                " AND a.attnum > 0 AND NOT a.attisdropped";
        const char *dot = strchr(name, '.');
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_table *table;
        struct weir_value params[2];
        size_t count = 0;
        int r;

        if (!dot || dot == name || !dot[1] || strchr(dot + 1, '.'))
                return weir_fail(reterr, WEIR_ESCHEMA, 0, "table '%s': write it as schema.name",
                                 name);
        while (columns[count])
                count++;
        if (count == 0 || count > 1600)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "table %s: %zu columns", name, count);
        params[0] = weir_text((struct weir_view){ name, (size_t)(dot - name) });
        params[1] = weir_text_z(dot + 1);
        r = weir_pg_query(pg, sql, params, 2, &rows, reterr);
        if (r < 0)
                return r;
        if (weir_pg_rows_count(rows) == 0)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "table %s does not exist; run `weir migrate up`", name);
        table = calloc(1, sizeof *table);
        if (table) {
                table->name = strdup(name);
                table->columns = calloc(count, sizeof *table->columns);
                table->count = count;
        }
        if (!table || !table->name || !table->columns) {
                weir_table_free(table);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "table %s", name);
        }
        for (size_t i = 0; i < count; i++) {
                const char *wrong = read_column(&table->columns[i], columns[i], rows);

                if (wrong) {
                        r = weir_fail(reterr, WEIR_ESCHEMA, 0, "table %s: column %s%s%s%s %s", name,
                                      columns[i], table->columns[i].type ? " (" : "",
                                      table->columns[i].type ? table->columns[i].type : "",
                                      table->columns[i].type ? ")" : "", wrong);
                        weir_table_free(table);
                        return r;
                }
        }
        if (make_copy_sql(table, (size_t)(dot - name)) < 0) {
                weir_table_free(table);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "table %s", name);
        }
        *ret = table;
        return 0;
}

void weir_table_free(struct weir_table *table)
{
        if (!table)
                return;
        for (size_t i = 0; table->columns && i < table->count; i++) {
                free(table->columns[i].name);
                free(table->columns[i].type);
        }
        free(table->columns);
        free(table->copy_sql);
        free(table->name);
        free(table);
}

const char *weir_table_name(const struct weir_table *table)
{
        return table->name;
}

/* ---- append ----------------------------------------------------------------------------------- */

struct weir_rowbuffer *weir_rowbuffer_new(const struct weir_table *table)
{
        struct weir_rowbuffer *buffer = calloc(1, sizeof *buffer);

        if (buffer)
                buffer->table = table;
        return buffer;
}

void weir_rowbuffer_free(struct weir_rowbuffer *buffer)
{
        if (!buffer)
                return;
        weir_bytes_fini(&buffer->bytes);
        free(buffer);
}

size_t weir_rowbuffer_rows(const struct weir_rowbuffer *buffer)
{
        return buffer->rows;
}

size_t weir_rowbuffer_bytes(const struct weir_rowbuffer *buffer)
{
        return buffer->bytes.used;
}

void weir_rowbuffer_reset(struct weir_rowbuffer *buffer)
{
        weir_bytes_reset(&buffer->bytes, KEPT_BYTES);
        buffer->rows = 0;
}

/* What is wrong with a value; NULL sqlstate = the plugin's mistake, else the event's. */
struct misfit {
        const char *sqlstate, *words;
};
static const struct misfit fits = { NULL, NULL };

static struct misfit put_bytes(struct weir_bytes *out, const struct weir_value *value, bool version,
                               bool text)
{
        if (value->size > FIELD_MAX)
                return (struct misfit){ "22001", "value is longer than 1 GiB" };
        if (text && value->size && memchr(value->u.ptr, 0, value->size))
                return (struct misfit){ "22021",
                                        "text holds a NUL byte, which PostgreSQL cannot store" };
        weir_bytes_put32(out, value->size + (version ? 1u : 0u));
        if (version)
                weir_bytes_put(out, "\1", 1);
        weir_bytes_put(out, value->u.ptr, value->size);
        return fits;
}

static struct misfit put_integer(struct weir_bytes *out, Oid oid, int64_t number)
{
        if (oid == WEIR_OID_INT8) {
                weir_bytes_put32(out, 8);
                weir_bytes_put64(out, (uint64_t)number);
        } else if (oid == WEIR_OID_INT4 && number == (int32_t)number) {
                weir_bytes_put32(out, 4);
                weir_bytes_put32(out, (uint32_t)number);
        } else if (oid == WEIR_OID_INT2 && number == (int16_t)number) {
                weir_bytes_put32(out, 2);
                weir_bytes_put16(out, (uint16_t)number);
        } else {
                return (struct misfit){ "22003", "integer is out of range" };
        }
        return fits;
}

static struct misfit put_real(struct weir_bytes *out, Oid oid, double number)
{
        if (oid == WEIR_OID_FLOAT4) {
                float narrow;
                uint32_t bits;

                if (number > 3.4028234663852886e38 || number < -3.4028234663852886e38)
                        if (number - number == 0) /* infinities pass as they are */
                                return (struct misfit){ "22003", "number is out of range" };
                narrow = (float)number;
                memcpy(&bits, &narrow, sizeof bits);
                weir_bytes_put32(out, 4);
                weir_bytes_put32(out, bits);
        } else {
                uint64_t bits;

                memcpy(&bits, &number, sizeof bits);
                weir_bytes_put32(out, 8);
                weir_bytes_put64(out, bits);
        }
        return fits;
}

static struct misfit put_field(struct weir_bytes *out, const struct column *column,
                               const struct weir_value *value)
{
        static const struct misfit other = { NULL, "does not take this kind of value" };
        Oid oid = column->oid;
        int64_t since_2000_us;

        switch (value->kind) {
        case WEIR_VALUE_NULL: weir_bytes_put32(out, UINT32_MAX); return fits;
        case WEIR_VALUE_TEXT:
                if (oid == WEIR_OID_TEXT || oid == WEIR_OID_VARCHAR || oid == WEIR_OID_BPCHAR ||
                    oid == WEIR_OID_NAME || oid == WEIR_OID_JSON || column->label)
                        return put_bytes(out, value, false, true);
                return other;
        case WEIR_VALUE_BYTEA:
                return oid == WEIR_OID_BYTEA ? put_bytes(out, value, false, false) : other;
        case WEIR_VALUE_JSONB:
                if (oid == WEIR_OID_JSONB || oid == WEIR_OID_JSON)
                        return put_bytes(out, value, oid == WEIR_OID_JSONB, true);
                return other;
        case WEIR_VALUE_BOOL:
                if (oid != WEIR_OID_BOOL)
                        return other;
                weir_bytes_put32(out, 1);
                weir_bytes_put(out, value->u.i64 ? "\1" : "\0", 1);
                return fits;
        case WEIR_VALUE_INT4:
        case WEIR_VALUE_INT8:
                if (oid == WEIR_OID_INT2 || oid == WEIR_OID_INT4 || oid == WEIR_OID_INT8)
                        return put_integer(out, oid, value->u.i64);
                return other;
        case WEIR_VALUE_FLOAT8:
                if (oid == WEIR_OID_FLOAT4 || oid == WEIR_OID_FLOAT8)
                        return put_real(out, oid, value->u.f64);
                return other;
        case WEIR_VALUE_TIMESTAMPTZ:
                if (oid != WEIR_OID_TIMESTAMPTZ && oid != WEIR_OID_TIMESTAMP)
                        return other;
                if (__builtin_sub_overflow(value->u.i64, WEIR_PG_EPOCH_US, &since_2000_us))
                        return (struct misfit){ "22008", "timestamp is out of range" };
                weir_bytes_put32(out, 8);
                weir_bytes_put64(out, (uint64_t)since_2000_us);
                return fits;
        case WEIR_VALUE_UUID:
                if (oid != WEIR_OID_UUID)
                        return other;
                if (value->size != 16)
                        return (struct misfit){ NULL, "takes 16 bytes" };
                return put_bytes(out, value, false, false);
        default: return other;
        }
}

int weir_rowbuffer_append(struct weir_rowbuffer *buffer, const struct weir_value *values,
                          size_t count, struct weir_error *reterr)
{
        const struct weir_table *table = buffer->table;
        size_t before = buffer->bytes.used;

        if (count != table->count)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%s: %zu values for %zu columns",
                                 table->name, count, table->count);
        weir_bytes_put16(&buffer->bytes, (uint16_t)count);
        for (size_t i = 0; i < count; i++) {
                struct misfit misfit = put_field(&buffer->bytes, &table->columns[i], &values[i]);

                if (misfit.words) {
                        weir_bytes_cut(&buffer->bytes, before);
                        weir_fail(reterr, misfit.sqlstate ? WEIR_ESQL : WEIR_EUSAGE, 0,
                                  "%s: column %s (%s): %s: %s", table->name, table->columns[i].name,
                                  table->columns[i].type, kind_name(values[i].kind), misfit.words);
                        if (reterr && misfit.sqlstate)
                                memcpy(reterr->sqlstate, misfit.sqlstate, 6);
                        return misfit.sqlstate ? WEIR_ESQL : WEIR_EUSAGE;
                }
        }
        if (buffer->bytes.failed) {
                weir_bytes_cut(&buffer->bytes, before);
                return weir_fail(reterr, WEIR_ENOMEM, 0,
                                 "%s: row %zu of the batch, after %zu bytes", table->name,
                                 buffer->rows + 1, before);
        }
        buffer->rows++;
        return 0;
}

/* ---- send ------------------------------------------------------------------------------------- */

static int put_copy(struct weir_pg *pg, const char *sql, const void *data, size_t size,
                    struct weir_error *reterr)
{
        const char *p = data;

        while (size > 0) {
                size_t step = size < CHUNK_BYTES ? size : CHUNK_BYTES;
                int r = PQputCopyData(pg->conn, p, (int)step);

                if (r < 0)
                        return weir_wire_fail(pg, NULL, sql, reterr);
                if (r > 0) {
                        p += step;
                        size -= step;
                }
                /* One chunk at a time in libpq's buffer: a slow server must not make it grow. */
                r = weir_wire_flush(pg, sql, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Between COPY's start and its end nothing else can be said on the connection: every failure that is
 * not the server's own answer at the end breaks it. */
int weir_wire_copy(struct weir_pg *pg, const char *sql, const void *rows, size_t size,
                   struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *start = NULL;
        int r;

        if (!PQsendQuery(pg->conn, sql))
                return weir_wire_fail(pg, NULL, sql, reterr);
        r = weir_wire_next(pg, &start, sql, reterr);
        if (r < 0)
                return r;
        if (!start || PQresultStatus(start) != PGRES_COPY_IN) {
                r = weir_wire_fail(pg, start, sql, reterr);
                /* Read to the end of the refused command; it brings nothing more. */
                PQclear(start);
                start = NULL;
                while (!weir_pg_broken(pg) && weir_wire_next(pg, &start, sql, NULL) == 0 && start)
                        PQclear(WEIR_TAKE(start));
                return r;
        }
        r = put_copy(pg, sql, copy_header, 19, reterr);
        if (r == 0)
                r = put_copy(pg, sql, rows, size, reterr);
        if (r == 0)
                r = put_copy(pg, sql, "\377\377", 2, reterr);
        if (r < 0) {
                pg->broken = true;
                return r;
        }
        while ((r = PQputCopyEnd(pg->conn, NULL)) == 0) {
                r = weir_wire_flush(pg, sql, reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return weir_wire_fail(pg, NULL, sql, reterr);
        return weir_wire_finish(pg, NULL, sql, reterr);
}

/* TB2: the server reads our bytes as another type. Two of the states are of class 22 and one of class
 * 08, but neither the event nor the connection is at fault. */
static bool is_misread(const char *sqlstate)
{
        return !strcmp(sqlstate, "22P03") || !strcmp(sqlstate, "22P04") ||
               !strcmp(sqlstate, "08P01");
}

int weir_rowbuffer_send(struct weir_rowbuffer *buffer, struct weir_pg *pg,
                        struct weir_error *reterr)
{
        int r;

        if (buffer->rows == 0)
                return 0;
        if (weir_pg_broken(pg)) {
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, 0, "%s: connection is closed; COPY %s",
                                 pg->where, buffer->table->name);
        }
        r = weir_wire_copy(pg, buffer->table->copy_sql, buffer->bytes.data, buffer->bytes.used,
                           reterr);
        if (r < 0 && reterr && !weir_pg_broken(pg) && is_misread(reterr->sqlstate)) {
                reterr->code = r = WEIR_ESCHEMA;
                weir_error_prefix(reterr, "%s was altered since the worker started, restart it: ",
                                  buffer->table->name);
        }
        weir_rowbuffer_reset(buffer);
        return r;
}
