/* SPDX-License-Identifier: MIT */
#ifndef WEIR_HOST_H
#define WEIR_HOST_H
/*
 * host - what a plugin may ask of weir: options, tables, log, and the transaction in hand
 *
 * Every call goes through a size-first table of functions, so that a plugin built today loads
 * into a later weir. The inline functions below are the calls to use.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/event.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;         /* from <cjson/cJSON.h>, for plugins that read JSON data */
struct weir_table;    /* a table opened for append; owned by weir, lives as long as the plugin */
struct weir_option;   /* a node of the worker's `options` group */
struct weir_rows;     /* rows of the last query of a transaction */

/* ---- values: parameters of statements and columns of appended rows ---------------------- */

enum weir_value_kind {
        WEIR_VALUE_NULL = 0,
        WEIR_VALUE_TEXT = 1,         /* text, varchar                                       */
        WEIR_VALUE_BYTEA = 2,        /* bytea                                               */
        WEIR_VALUE_JSONB = 3,        /* jsonb; PostgreSQL checks it: 22xxx = rejected        */
        WEIR_VALUE_BOOL = 4,         /* boolean                                             */
        WEIR_VALUE_INT4 = 5,         /* integer                                             */
        WEIR_VALUE_INT8 = 6,         /* bigint                                              */
        WEIR_VALUE_FLOAT8 = 7,       /* double precision                                    */
        WEIR_VALUE_TIMESTAMPTZ = 8,  /* timestamptz; @i64 = microseconds since 1970, UTC     */
        WEIR_VALUE_UUID = 9          /* uuid; 16 bytes                                      */
};

struct weir_value {
        int32_t kind; /* enum weir_value_kind */
        uint32_t size;
        union {
                const void *ptr; /* borrowed until the call returns */
                int64_t i64;
                double f64;
        } u;
};

static inline struct weir_value weir_value_(int kind, const void *ptr, size_t size)
{
        struct weir_value value;

        memset(&value, 0, sizeof value);
        value.kind = ptr ? kind : WEIR_VALUE_NULL;
        value.size = (uint32_t)size;
        value.u.ptr = ptr;
        return value;
}

static inline struct weir_value weir_number_(int kind, int64_t number)
{
        struct weir_value value;

        memset(&value, 0, sizeof value);
        value.kind = kind;
        value.u.i64 = number;
        return value;
}

static inline struct weir_value weir_null(void) { return weir_value_(WEIR_VALUE_NULL, NULL, 0); }
/* An absent view (ptr NULL) becomes SQL NULL in all of these. */
static inline struct weir_value weir_text(struct weir_view v) { return weir_value_(WEIR_VALUE_TEXT, v.ptr, v.size); }
static inline struct weir_value weir_text_z(const char *s) { return weir_value_(WEIR_VALUE_TEXT, s, s ? strlen(s) : 0); }
static inline struct weir_value weir_bytea(struct weir_view v) { return weir_value_(WEIR_VALUE_BYTEA, v.ptr, v.size); }
static inline struct weir_value weir_jsonb(struct weir_view v) { return weir_value_(WEIR_VALUE_JSONB, v.ptr, v.size); }
static inline struct weir_value weir_uuid(const void *bytes16) { return weir_value_(WEIR_VALUE_UUID, bytes16, 16); }
static inline struct weir_value weir_bool(bool b) { return weir_number_(WEIR_VALUE_BOOL, b ? 1 : 0); }
static inline struct weir_value weir_int4(int32_t n) { return weir_number_(WEIR_VALUE_INT4, n); }
static inline struct weir_value weir_int8(int64_t n) { return weir_number_(WEIR_VALUE_INT8, n); }
/* WEIR_TIME_NONE becomes SQL NULL. */
static inline struct weir_value weir_timestamp_us(int64_t us)
{
        return us == WEIR_TIME_NONE ? weir_null() : weir_number_(WEIR_VALUE_TIMESTAMPTZ, us);
}
static inline struct weir_value weir_float8(double d)
{
        struct weir_value value = weir_number_(WEIR_VALUE_FLOAT8, 0);

        value.u.f64 = d;
        return value;
}

/* ---- the transaction in hand -------------------------------------------------------------- */

struct weir_tx {
        const struct weir_tx_ops *ops;
};

/* Lane thread only, inside handle() only. Each returns 0, or < 0 with @reterr filled; after a
 * failure the transaction is lost: return at once, weir rolls back and decides by the SQLSTATE
 * (22xxx and 23xxx reject the event; connection, lock and resource errors are tried again). */
struct weir_tx_ops {
        uint32_t size;
        uint32_t reserved;
        int (*append)(struct weir_tx *tx, struct weir_table *table, const struct weir_value *values,
                      size_t count, struct weir_error *reterr);
        int (*exec)(struct weir_tx *tx, const char *sql, const struct weir_value *params,
                    size_t count, int64_t *ret_rows, struct weir_error *reterr);
        int (*query)(struct weir_tx *tx, const char *sql, const struct weir_value *params,
                     size_t count, const struct weir_rows **ret_rows, struct weir_error *reterr);
        size_t (*rows_count)(const struct weir_rows *rows);
        struct weir_view (*rows_text)(const struct weir_rows *rows, size_t row, size_t column);
        const struct cJSON *(*json)(struct weir_tx *tx, const struct weir_event *event,
                                    struct weir_error *reterr);
        void *(*connection)(struct weir_tx *tx);
        /* ABI 1 ends here. */
};

/* Append a row. Buffered; goes by one binary COPY per transaction and table. @values in the order
 * of the columns given to weir_host_table(). Errors: wrong count or type, out of memory. */
static inline int weir_tx_append_values(struct weir_tx *tx, struct weir_table *table,
                                        const struct weir_value *values, size_t count,
                                        struct weir_error *reterr)
{
        return tx->ops->append(tx, table, values, count, reterr);
}

/* Run a statement with $1, $2 … Prepared once per connection by its text, so @sql should be one
 * of few constant strings. What was appended so far is sent first. *ret_rows (may be NULL) =
 * rows affected. */
static inline int weir_tx_exec_values(struct weir_tx *tx, const char *sql,
                                      const struct weir_value *params, size_t count,
                                      int64_t *ret_rows, struct weir_error *reterr)
{
        return tx->ops->exec(tx, sql, params, count, ret_rows, reterr);
}

/* Like exec, with rows. *ret_rows is valid until the next query or the return of handle(). */
static inline int weir_tx_query_values(struct weir_tx *tx, const char *sql,
                                       const struct weir_value *params, size_t count,
                                       const struct weir_rows **ret_rows, struct weir_error *reterr)
{
        return tx->ops->query(tx, sql, params, count, ret_rows, reterr);
}

static inline size_t weir_rows_count(struct weir_tx *tx, const struct weir_rows *rows)
{
        return tx->ops->rows_count(rows);
}

/* Text form of a field; ptr NULL = SQL NULL or out of range. */
static inline struct weir_view weir_rows_text(struct weir_tx *tx, const struct weir_rows *rows,
                                              size_t row, size_t column)
{
        return tx->ops->rows_text(rows, row, column);
}

/* The event's JSON data as a tree, parsed on first use within weir's limits. NULL = not JSON or over
 * a limit, @reterr says which. Owned by weir until handle() returns. Numbers beyond 2^53 lose
 * digits in a tree: event->data keeps them. */
static inline const struct cJSON *weir_event_json(struct weir_tx *tx, const struct weir_event *event,
                                                  struct weir_error *reterr)
{
        return tx->ops->json(tx, event, reterr);
}

/* The libpq connection (PGconn *) for code that needs it. What was appended so far is sent first.
 * weir checks afterwards that the same transaction is still open and rejects the event if not. */
static inline void *weir_tx_connection(struct weir_tx *tx)
{
        return tx->ops->connection(tx);
}

/* ---- the host: what open() receives ------------------------------------------------------- */

enum weir_log_level { WEIR_LOG_ERROR = 0, WEIR_LOG_WARN = 1, WEIR_LOG_INFO = 2, WEIR_LOG_DEBUG = 3 };

struct weir_host {
        uint32_t size;
        uint32_t reserved;
        const char *worker;  /* name of the worker in the configuration */
        const char *runtime; /* version of weir */
        void *context;       /* weir's own */

        /* Open @table ("schema.name") for append into @columns (a NULL-terminated list, in the
         * order the values will come). Checked against the database: missing table or column is
         * an error. Main thread, in open() only. */
        int (*table)(const struct weir_host *host, const char *table, const char *const *columns,
                     struct weir_table **ret_table, struct weir_error *reterr);

        /* Options of the worker: strings, numbers, booleans by a dotted path ("rules.[0].type").
         * 1 = found, 0 = absent (*ret untouched), < 0 = there but of another type. */
        int (*option_text)(const struct weir_host *host, const char *path, const char **ret,
                           struct weir_error *reterr);
        int (*option_int)(const struct weir_host *host, const char *path, int64_t *ret,
                          struct weir_error *reterr);
        int (*option_bool)(const struct weir_host *host, const char *path, bool *ret,
                           struct weir_error *reterr);
        int (*option_count)(const struct weir_host *host, const char *path, size_t *ret,
                            struct weir_error *reterr);
        /* Say that @path is a known option. Options nobody asked for or declared stop the start
         * with file and line, so that a typing error does not pass. */
        void (*option_known)(const struct weir_host *host, const char *path);
        /* "file:line" of an option, for errors of the plugin's own checks. */
        const char *(*option_where)(const struct weir_host *host, const char *path);

        /* Write a log line. Any thread. @event is a dotted name, @text the rest of the line. */
        void (*log)(const struct weir_host *host, int level, const char *event, const char *text);
        /* ABI 1 ends here. */
};

static inline int weir_host_table(const struct weir_host *host, const char *table,
                                  const char *const *columns, struct weir_table **ret_table,
                                  struct weir_error *reterr)
{
        return host->table(host, table, columns, ret_table, reterr);
}

/* Fill @reterr and return @outcome: `return weir_refuse(WEIR_REJECT, reterr, "no amount in %s", id)`. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline int weir_refuse(int outcome, struct weir_error *reterr, const char *format, ...)
{
        va_list ap;

        if (reterr) {
                reterr->code = WEIR_EHANDLER;
                va_start(ap, format);
                vsnprintf(reterr->text, sizeof reterr->text, format, ap);
                va_end(ap);
        }
        return outcome;
}

#ifdef __cplusplus
}

/* weir_tx_append(tx, table, reterr, values...) and friends: C++ form */
template <class... Values>
inline int weir_tx_append(struct weir_tx *tx, struct weir_table *table, struct weir_error *reterr,
                          Values... values)
{
        const struct weir_value list[] = { values... };

        return weir_tx_append_values(tx, table, list, sizeof...(values), reterr);
}
template <class... Values>
inline int weir_tx_exec(struct weir_tx *tx, const char *sql, struct weir_error *reterr, Values... values)
{
        const struct weir_value list[] = { values..., weir_null() };

        return weir_tx_exec_values(tx, sql, list, sizeof...(values), NULL, reterr);
}
#else
#define WEIR_VALUES_(...) ((const struct weir_value[]){ __VA_ARGS__ })
#define WEIR_VALUES_COUNT_(...) (sizeof WEIR_VALUES_(__VA_ARGS__) / sizeof(struct weir_value))
#define weir_tx_append(tx, table, reterr, ...)                                                  \
        weir_tx_append_values(tx, table, WEIR_VALUES_(__VA_ARGS__),                             \
                              WEIR_VALUES_COUNT_(__VA_ARGS__), reterr)
#define weir_tx_exec(tx, sql, reterr, ...)                                                      \
        weir_tx_exec_values(tx, sql, WEIR_VALUES_(__VA_ARGS__),                                 \
                            WEIR_VALUES_COUNT_(__VA_ARGS__), NULL, reterr)
#define weir_tx_query(tx, sql, ret_rows, reterr, ...)                                           \
        weir_tx_query_values(tx, sql, WEIR_VALUES_(__VA_ARGS__),                                \
                             WEIR_VALUES_COUNT_(__VA_ARGS__), ret_rows, reterr)
#endif
#endif
