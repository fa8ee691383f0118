/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_PG_H
#define WEIR_STORE_PG_H
/*
 * pg - one connection to PostgreSQL whose every wait can be interrupted
 *
 * Never PQexec that blocks: sends are non-blocking, waits poll the socket and a latch, so that a stop
 * deadline or a revocation ends a lane that hangs in a dead network. A connection that was interrupted
 * or failed in mid-command is `broken`: it is closed, never reused (closing rolls back).
 * Session  synchronous_commit=on, client_encoding=UTF8, TimeZone=UTC, search_path=pg_catalog only
 *          where weir's own statements need it (all names are qualified), tcp keepalives on both sides.
 * Thread   one owner at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/host.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/thread.h"

struct weir_pg;

struct weir_pg_conf {
        const char *url;              /* libpq URI or key=value */
        const char *password;         /* NULL = as libpq finds it; never printed */
        const char *application_name; /* shown in pg_stat_activity */
        int connect_timeout_ms;       /* 0 = 5000 */
};

/* Does the libpq in use understand @url? Asks no server. 0 or WEIR_ECONF, which repeats nothing of it. */
int weir_pg_check_url(const char *url, struct weir_error *reterr);

/* @interrupt may be NULL. Errors: WEIR_EDB (transient), WEIR_ESTOP, WEIR_ECONF (unparsable url). The
 * text names host, port, database and user, never the password. */
int weir_pg_open(const struct weir_pg_conf *conf, struct weir_latch *interrupt,
                 struct weir_pg **ret, struct weir_error *reterr);
void weir_pg_close(struct weir_pg *pg);
WEIR_DEFINE_FREEP(struct weir_pg, weir_pg_close)
void weir_pg_set_interrupt(struct weir_pg *pg, struct weir_latch *interrupt);
bool weir_pg_broken(const struct weir_pg *pg);
/* After somebody else had weir_pg_native(): did he finish the connection, or close its socket? A server or a network does
 * neither, so this is proof. True: broken, and left as it is, because its descriptor may be another's by now. */
bool weir_pg_robbed(struct weir_pg *pg);
bool weir_pg_in_transaction(const struct weir_pg *pg); /* open and not failed */
bool weir_pg_idle(const struct weir_pg *pg);
void *weir_pg_native(struct weir_pg *pg); /* PGconn *, for plugins */
/* To wait on beside others, for what the server says unasked. */
int weir_pg_socket(const struct weir_pg *pg);
int weir_pg_server_version(const struct weir_pg *pg); /* 150018 */

/* Run SQL without parameters, several statements allowed (migrations). */
int weir_pg_run(struct weir_pg *pg, const char *sql, struct weir_error *reterr);

/* Run one statement with parameters in binary, prepared once per connection by its text (at most 64
 * texts are kept; beyond, unprepared). Results in text. *ret may be NULL. Failed statements:
 * WEIR_ESQL with sqlstate; 08xxx, 57P0x and a lost connection: WEIR_EDB. */
struct weir_pg_rows;
int weir_pg_query(struct weir_pg *pg, const char *sql, const struct weir_value *params,
                  size_t count, struct weir_pg_rows **ret, struct weir_error *reterr);
size_t weir_pg_rows_count(const struct weir_pg_rows *rows);
int64_t weir_pg_rows_affected(const struct weir_pg_rows *rows);
struct weir_view weir_pg_rows_text(const struct weir_pg_rows *rows, size_t row, size_t column);
int64_t weir_pg_rows_int(const struct weir_pg_rows *rows, size_t row, size_t column,
                         int64_t if_null);
void weir_pg_rows_free(struct weir_pg_rows *rows);
WEIR_DEFINE_FREEP(struct weir_pg_rows, weir_pg_rows_free)

int weir_pg_begin(struct weir_pg *pg, struct weir_error *reterr);
/* WEIR_ECOMMIT: the connection broke after COMMIT was sent; look at the position row. WEIR_ESQL: the
 * server refused and rolled back. A COMMIT answered by ROLLBACK (failed transaction) is WEIR_ESQL. */
int weir_pg_commit(struct weir_pg *pg, struct weir_error *reterr);
void weir_pg_rollback(struct weir_pg *pg); /* on failure the connection becomes broken */

/* What a failed statement means (DESIGN, "What a failure means"). */
enum weir_sql_class {
        WEIR_SQL_INFRASTRUCTURE, /* wait and try again for ever: 08 40 42 53 55P03 57 58 XX and the unknown */
        WEIR_SQL_DATA            /* the event is at fault: 21 22 23 44 54 P0 */
};
int weir_pg_classify(const struct weir_error *error);

int weir_pg_library_version(void); /* libpq in use: 150018 */

#endif
