/* SPDX-License-Identifier: MIT */
#ifndef WEIR_HOST_H
#define WEIR_HOST_H
/*
 * host - what a plugin may ask of weir: options, tables, log, and the transaction in hand
 *
 * Every call goes through a size-first table of functions, so that a plugin built today loads
 * into a later weir, and links against nothing of weir. The inline functions below are the calls
 * to use; the tables behind them are shown because C needs to see them.
 *
 * Owner    what a call returns belongs to weir; how long it lives stands at the call. What a call
 *          is given is borrowed until it returns.
 * Errors   < 0 failure with @reterr filled; 0 done; > 0 an outcome that the call documents.
 * Units    in the name: _us microseconds, _ms milliseconds, size and _bytes bytes.
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

struct cJSON;       /* from <cjson/cJSON.h>, for plugins that read JSON data */
struct weir_table;  /* a table opened for append; owned by weir, lives as long as the plugin */
struct weir_option; /* a node of the worker's `options` group */
struct weir_rows;   /* rows of the last query of a transaction */

/* ---- values: parameters of statements and columns of appended rows -------------------------- */

/* Which type of PostgreSQL a value is sent as (binary formats, PostgreSQL 15, "Data Types"). */
enum weir_value_kind {
        WEIR_VALUE_NULL = 0,
        WEIR_VALUE_TEXT = 1,        /* text, varchar; UTF-8 without NUL, else 22021 = rejected */
        WEIR_VALUE_BYTEA = 2,       /* bytea; any bytes                                        */
        WEIR_VALUE_JSONB = 3,       /* jsonb; PostgreSQL checks it: 22xxx = rejected           */
        WEIR_VALUE_BOOL = 4,        /* boolean                                                 */
        WEIR_VALUE_INT4 = 5,        /* integer                                                 */
        WEIR_VALUE_INT8 = 6,        /* bigint                                                  */
        WEIR_VALUE_FLOAT8 = 7,      /* double precision                                        */
        WEIR_VALUE_TIMESTAMPTZ = 8, /* timestamptz; @i64 = microseconds since 1970, UTC        */
        WEIR_VALUE_UUID = 9         /* uuid; 16 bytes                                          */
};

/* A parameter of a statement or a column of a row. Made by the functions below, never by hand. */
struct weir_value {
        int32_t kind;  /* enum weir_value_kind */
        uint32_t size; /* bytes at @ptr; 0 for numbers */
        union {
                const void *ptr; /* borrowed until the call returns */
                int64_t i64;
                double f64;
        } u;
};

/* A size beyond 32 bits stays too big (PostgreSQL's limit is 1 GiB) instead of wrapping around. */
static inline struct weir_value weir_value_(int kind, const void *ptr, size_t size)
{
        struct weir_value value;

        memset(&value, 0, sizeof value);
        value.kind = ptr ? kind : WEIR_VALUE_NULL;
        value.size = !ptr ? 0 : size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
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

/* SQL NULL, of whatever type the column or parameter has. */
static inline struct weir_value weir_null(void)
{
        return weir_value_(WEIR_VALUE_NULL, NULL, 0);
}

/* Make a value of the type in the name. Any thread; the bytes are borrowed until the call that
 * takes the value returns. An absent view, text or uuid (NULL) becomes SQL NULL; an empty one stays
 * empty. */
static inline struct weir_value weir_text(struct weir_view v)
{
        return weir_value_(WEIR_VALUE_TEXT, v.ptr, v.size);
}
static inline struct weir_value weir_text_z(const char *s)
{
        return weir_value_(WEIR_VALUE_TEXT, s, s ? strlen(s) : 0);
}
static inline struct weir_value weir_bytea(struct weir_view v)
{
        return weir_value_(WEIR_VALUE_BYTEA, v.ptr, v.size);
}
static inline struct weir_value weir_jsonb(struct weir_view v)
{
        return weir_value_(WEIR_VALUE_JSONB, v.ptr, v.size);
}
static inline struct weir_value weir_uuid(const void *bytes16)
{
        return weir_value_(WEIR_VALUE_UUID, bytes16, 16);
}

/* The same for numbers; what does not fit into the column rejects the event (SQLSTATE 22003). */
static inline struct weir_value weir_bool(bool b)
{
        return weir_number_(WEIR_VALUE_BOOL, b ? 1 : 0);
}
static inline struct weir_value weir_int4(int32_t n)
{
        return weir_number_(WEIR_VALUE_INT4, n);
}
static inline struct weir_value weir_int8(int64_t n)
{
        return weir_number_(WEIR_VALUE_INT8, n);
}
static inline struct weir_value weir_float8(double d)
{
        struct weir_value value = weir_number_(WEIR_VALUE_FLOAT8, 0);

        value.u.f64 = d;
        return value;
}
/* Microseconds since 1970-01-01T00:00:00Z. WEIR_TIME_NONE becomes SQL NULL. */
static inline struct weir_value weir_timestamp_us(int64_t us)
{
        return us == WEIR_TIME_NONE ? weir_null() : weir_number_(WEIR_VALUE_TIMESTAMPTZ, us);
}

/* ---- the transaction in hand ---------------------------------------------------------------- */

/*
 * A transaction that weir opened and weir ends.
 *
 * Thread   lane thread, inside handle() or handle_batch(), never kept after the return.
 * Errors   each call returns 0, or < 0 with @reterr filled. After a failure the transaction is
 *          lost: return at once, with that very number or with your own outcome. Later calls fail
 *          with the same error, and weir remembers it: a handler that swallows it and returns DONE
 *          does not commit. What happens then follows the SQLSTATE:
 *            21 22 23 44 54 P0    the event is at fault: rejected, unless you return WEIR_RETRY
 *            connection, locks,   nobody's fault: tried again for ever, whatever you return
 *            resources, unknown
 *          A value of the wrong type and the like (WEIR_EUSAGE) rejects the event.
 */
struct weir_tx {
        const struct weir_tx_ops *ops;
};

/* The calls behind weir_tx_*(), described there; lane thread only, inside handle() and
 * handle_batch() only. */
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
        int (*emit)(struct weir_tx *tx, const char *topic, struct weir_view key,
                    const struct weir_event *event, struct weir_error *reterr);
        int (*deliver)(struct weir_tx *tx, const char *sink, const struct weir_event *event,
                       struct weir_error *reterr);
        /* ABI 1 ends here. */
};

/**
 * Append a row to @table, @values in the order of the columns given to weir_host_table().
 *
 * Buffered, and copied: @values may go away. One binary COPY per transaction and table, at the
 * next exec, query or connection, or at the end; tables go in the order in which they were opened,
 * so open the parent of a foreign key first.
 * Errors   WEIR_EUSAGE  wrong count or type, a table that is not this plugin's
 *          WEIR_ENOMEM
 *          what the COPY says, when 64 MiB of unsent rows are sent early
 */
static inline int weir_tx_append_values(struct weir_tx *tx, struct weir_table *table,
                                        const struct weir_value *values, size_t count,
                                        struct weir_error *reterr)
{
        return tx->ops->append(tx, table, values, count, reterr);
}

/**
 * Run one statement with $1, $2 … and no rows to read.
 *
 * Prepared once per connection by its text, so @sql should be one of few constant strings. What was
 * appended so far is sent first. *ret_rows (may be NULL) = rows affected. @params may be NULL
 * where @count is 0. Settings by SET LOCAL only: the connection is used again by others.
 * Errors   WEIR_ESQL with reterr->sqlstate; WEIR_EDB when the connection is gone;
 *          WEIR_EUSAGE for COMMIT, ROLLBACK, BEGIN, SAVEPOINT and the like: they are weir's.
 */
static inline int weir_tx_exec_values(struct weir_tx *tx, const char *sql,
                                      const struct weir_value *params, size_t count,
                                      int64_t *ret_rows, struct weir_error *reterr)
{
        return tx->ops->exec(tx, sql, params, count, ret_rows, reterr);
}

/**
 * Like exec, with rows to read: weir_rows_count() and weir_rows_text().
 *
 * Owner    weir; *ret_rows and what weir_rows_text() gives are valid until the next query of this
 *          transaction or the return of the handler, whichever comes first.
 */
static inline int weir_tx_query_values(struct weir_tx *tx, const char *sql,
                                       const struct weir_value *params, size_t count,
                                       const struct weir_rows **ret_rows, struct weir_error *reterr)
{
        return tx->ops->query(tx, sql, params, count, ret_rows, reterr);
}

/* How many rows the query gave. */
static inline size_t weir_rows_count(struct weir_tx *tx, const struct weir_rows *rows)
{
        return tx->ops->rows_count(rows);
}

/* Text form of a field, NUL-terminated; ptr NULL = SQL NULL or out of range. */
static inline struct weir_view weir_rows_text(struct weir_tx *tx, const struct weir_rows *rows,
                                              size_t row, size_t column)
{
        return tx->ops->rows_text(rows, row, column);
}

/**
 * Give the event's JSON data as a tree, parsed on first use within weir's limits, once.
 *
 * @event must be the one in hand (or one of the batch), not a copy. Numbers beyond 2^53 lose digits
 * in a tree: event->data keeps them.
 * Owner    weir, until the handler returns. Read-only: another call may give the same tree.
 * Errors   NULL: no data, not JSON, or over a limit; @reterr says which and where (WEIR_EDECODE).
 *          This does not lose the transaction: return WEIR_REJECT, or go on without.
 */
static inline const struct cJSON *weir_event_json(struct weir_tx *tx,
                                                  const struct weir_event *event,
                                                  struct weir_error *reterr)
{
        return tx->ops->json(tx, event, reterr);
}

/**
 * Give the libpq connection (PGconn *), for code that needs it.
 *
 * What was appended so far is sent first. Until the handler returns, a cursor named weir_guard
 * stands in the transaction: it makes every COMMIT fail, so leave it alone, and savepoints of any
 * name but your own (weir_spare is weir's). Afterwards weir checks
 * that the transaction is still the one it opened; if not, the event is rejected. When a statement
 * of yours fails, copy its SQLSTATE into reterr->sqlstate: weir then decides as for its own calls,
 * also when you undid it by a savepoint and return WEIR_RETRY or WEIR_REJECT; a failed transaction
 * without one counts as WEIR_RETRY, and so uses up an attempt. Empty the field again when you go on and then
 * refuse for a reason of your own: an infrastructure SQLSTATE in it is waited for, for ever.
 * Owner    weir. It is in non-blocking mode (PQexec() waits all the same); leave it idle and
 *          without open results when the handler returns.
 * Errors   NULL: the transaction is lost already. Return; the reason is known.
 */
static inline void *weir_tx_connection(struct weir_tx *tx)
{
        return tx->ops->connection(tx);
}

/**
 * Send @event to the Kafka topic @topic, if and when this transaction commits.
 *
 * A row of weir.outbox, in the transaction; a relay produces it (idempotent, acks=all) within
 * milliseconds of COMMIT, at least once, in the order of the calls for one topic and @key. Binary
 * mode, headers ce_*. @key ptr NULL: no key, no order. @event may be the one in hand (it is passed
 * on with its bytes unchanged) or one that you filled: source and type are required; without an id it
 * gets one that is the same each time the event in hand is handled.
 * Errors   WEIR_EUSAGE: no valid CloudEvent, or no valid topic name: rejects the event in hand.
 */
static inline int weir_tx_emit(struct weir_tx *tx, const char *topic, struct weir_view key,
                               const struct weir_event *event, struct weir_error *reterr)
{
        return tx->ops->emit(tx, topic, key, event, reterr);
}

/**
 * Send @event to the sink named @sink of the configuration (webhook, topic or file), likewise.
 *
 * Order for one sink and the key of the event in hand. A sink that is down delays nobody else;
 * what it refuses for good is kept in weir.dead_letter with its answer.
 * Errors   WEIR_EUSAGE: no valid CloudEvent, or no such sink: rejects the event in hand. Ask
 *          weir_host_sink_known() in open() to find a misspelt name before any event does.
 */
static inline int weir_tx_deliver(struct weir_tx *tx, const char *sink,
                                  const struct weir_event *event, struct weir_error *reterr)
{
        return tx->ops->deliver(tx, sink, event, reterr);
}

/* ---- the host: what open() receives --------------------------------------------------------- */

/* How much a line of weir_host.log() matters; the configuration's log.level decides what is
 * written. */
enum weir_log_level {
        WEIR_LOG_ERROR = 0,
        WEIR_LOG_WARN = 1,
        WEIR_LOG_INFO = 2,
        WEIR_LOG_DEBUG = 3
};

/* What open() receives. Valid until close() has returned; may be kept by the plugin. Texts in it
 * live as long. Each slot says from which thread and when it may be called. */
struct weir_host {
        uint32_t size; /* sizeof(struct weir_host) as compiled into weir; grows at the end */
        uint32_t reserved;
        const char *worker;  /* name of the worker in the configuration */
        const char *runtime; /* version of weir */
        void *context;       /* weir's own */

        /* Open @table ("schema.name") for append into @columns (a NULL-terminated list, in the
         * order the values will come). Main thread, in open() only; asks the database, so it may
         * block. Owner: weir, until close() has returned.
         * Errors: WEIR_ESCHEMA no such table, column, or a type that cannot be appended to;
         * WEIR_EDB database unavailable: return it. weir opens a plugin before it asks for the
         * database, so that bad options are refused first; open() is then called once more. */
        int (*table)(const struct weir_host *host, const char *table, const char *const *columns,
                     struct weir_table **ret_table, struct weir_error *reterr);

        /* Options of the worker, by a dotted path ("rules.[0].type"). In open() only.
         * 1 = found, 0 = absent (*ret untouched, so preset it), < 0 = there but of another type;
         * @reterr names file and line. Texts live until close() has returned.
         * Asking makes an option known, see option_known. */
        int (*option_text)(const struct weir_host *host, const char *path, const char **ret,
                           struct weir_error *reterr);
        int (*option_int)(const struct weir_host *host, const char *path, int64_t *ret,
                          struct weir_error *reterr);
        int (*option_bool)(const struct weir_host *host, const char *path, bool *ret,
                           struct weir_error *reterr);
        /* How many elements a list, an array or a group has. Returns as above. */
        int (*option_count)(const struct weir_host *host, const char *path, size_t *ret,
                            struct weir_error *reterr);
        /* Say that @path is a known option although it was not asked for. Options nobody asked for
         * or declared stop the start with file and line, so that a typing error does not pass. */
        void (*option_known)(const struct weir_host *host, const char *path);
        /* "file:line" of an option (of the worker where it is absent), for errors of the plugin's
         * own checks. */
        const char *(*option_where)(const struct weir_host *host, const char *path);

        /* Write a log line. Any thread, until close() has returned; never blocks for long. @event
         * is a dotted name that stays the same for ever, @text what is to be said, in one line.
         * @level beyond the known ones counts as the nearest. */
        void (*log)(const struct weir_host *host, int level, const char *event, const char *text);

        /* Is there a sink of this name in the configuration? Any thread. */
        bool (*sink_known)(const struct weir_host *host, const char *name);
        /* Is it of kind topic, and the topic one that this worker reads? What is delivered there comes
         * back. weir warns of such a sink, and of such a reply_topic, when sink_known was asked. Any
         * thread. */
        bool (*sink_returns)(const struct weir_host *host, const char *name);
        /* For an open() that reports all mistakes at once: the @index-th option that nobody has asked
         * for or declared so far, as "file:line: options.path: the plugin knows no such option".
         * false = there are no more. In open() only. */
        bool (*option_unknown)(const struct weir_host *host, size_t index, char *text, size_t size);
        /* ABI 1 ends here. */
};

/* The slot above as a call. Main thread, in open() only. */
static inline int weir_host_table(const struct weir_host *host, const char *table,
                                  const char *const *columns, struct weir_table **ret_table,
                                  struct weir_error *reterr)
{
        return host->table(host, table, columns, ret_table, reterr);
}

static inline bool weir_host_sink_known(const struct weir_host *host, const char *name)
{
        return host->sink_known(host, name);
}

static inline bool weir_host_sink_returns(const struct weir_host *host, const char *name)
{
        return host->sink_returns(host, name);
}

/* Fill @reterr and return @outcome: the last line of a handler that says no. Any thread. The short
 * forms are weir_reject() and weir_retry() in worker.h. A text that is too long is cut. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline int
weir_refuse(int outcome, struct weir_error *reterr, const char *format, ...)
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

/* The three calls with the values in the argument list, C++ form. */
template <class... Values>
inline int weir_tx_append(struct weir_tx *tx, struct weir_table *table, struct weir_error *reterr,
                          Values... values)
{
        const struct weir_value list[] = { values..., weir_null() };

        return weir_tx_append_values(tx, table, list, sizeof...(values), reterr);
}
template <class... Values>
inline int weir_tx_exec(struct weir_tx *tx, const char *sql, struct weir_error *reterr,
                        Values... values)
{
        const struct weir_value list[] = { values..., weir_null() };

        return weir_tx_exec_values(tx, sql, list, sizeof...(values), NULL, reterr);
}
template <class... Values>
inline int weir_tx_query(struct weir_tx *tx, const char *sql, const struct weir_rows **ret_rows,
                         struct weir_error *reterr, Values... values)
{
        const struct weir_value list[] = { values..., weir_null() };

        return weir_tx_query_values(tx, sql, list, sizeof...(values), ret_rows, reterr);
}
#else
/* The three calls with the values in the argument list:
 *   weir_tx_append(tx, table, reterr, weir_text(event->id), weir_int8(event->offset))
 * C wants at least one value: a statement without parameters goes by
 *   weir_tx_exec_values(tx, sql, NULL, 0, NULL, reterr). */
#define WEIR_VALUES_(...) ((const struct weir_value[]){ __VA_ARGS__ })
#define WEIR_VALUES_COUNT_(...) (sizeof WEIR_VALUES_(__VA_ARGS__) / sizeof(struct weir_value))
#define weir_tx_append(tx, table, reterr, ...)                                                     \
        weir_tx_append_values(tx, table, WEIR_VALUES_(__VA_ARGS__),                                \
                              WEIR_VALUES_COUNT_(__VA_ARGS__), reterr)
#define weir_tx_exec(tx, sql, reterr, ...)                                                         \
        weir_tx_exec_values(tx, sql, WEIR_VALUES_(__VA_ARGS__), WEIR_VALUES_COUNT_(__VA_ARGS__),   \
                            NULL, reterr)
#define weir_tx_query(tx, sql, ret_rows, reterr, ...)                                              \
        weir_tx_query_values(tx, sql, WEIR_VALUES_(__VA_ARGS__), WEIR_VALUES_COUNT_(__VA_ARGS__),  \
                             ret_rows, reterr)
#endif
#endif
