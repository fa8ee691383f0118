/* SPDX-License-Identifier: MIT */
/*
 * pg - open a session that keeps weir's promise, and end transactions with a known outcome
 *
 * The promise rests on settings that a role, a database or a pooler may have turned off. They are
 * said anew on every connection, whatever the server's defaults are:
 *   synchronous_commit=on             off loses acknowledged commits: 5 of 500 in a measured crash
 *   default_transaction_isolation     the pipeline of apply.c needs a snapshot per statement
 *   TimeZone, client_encoding         what is stored must not depend on where weir runs
 *   client_connection_check_interval  a statement whose client is gone ends by itself and lets go
 *                                     of the position row; the interrupt in wire.c relies on it
 *   tcp_*, idle_in_transaction_...    a worker that froze in a transaction must not hold its
 *                                     partition for ever; an operator's own timeout is respected
 *
 * COMMIT        CM1 once COMMIT may have reached the server, only its own words count: success, or a
 *                   refusal on a connection that lives on. Everything else is WEIR_ECOMMIT, also
 *                   57P01: a backend that is terminated can say so after it committed.
 * Robbed        a plugin that has the connection may PQfinish() it: an event of libpq's tells, and conn becomes NULL before
 *               anybody uses what was freed. Or it closes the socket: another thread's next file gets the number, and
 *               weir would write SQL into it. So the socket is known by device and inode.
 * Known weak    libpq resolves host names with getaddrinfo(), which no latch interrupts.
 */
#include <ctype.h>
#include <libpq-events.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/wire.h"

enum { CONNECT_TIMEOUT_MS = 5000 };

static void take_notice(void *context, const PGresult *result)
{
        const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
        const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        bool warning = severity && strcmp(severity, "WARNING") == 0;

        (void)context;
        weir_log(warning ? WEIR_LOG_WARN : WEIR_LOG_DEBUG, "store.notice",
                 LOG_S("severity", severity), LOG_S("text", words));
}

/* Read the url: is it one, and does it set its own connect_timeout? libpq's message quotes parts of
 * the url, which may be parts of a password: it is not passed on. */
static int read_url(const char *url, int *timeout_ms, struct weir_error *reterr)
{
        PQconninfoOption *options = PQconninfoParse(url, NULL);
        int version = PQlibVersion();

        if (!options)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "libpq %d.%d does not understand store.url, or not one of its "
                                 "options; write it like postgresql://user@host:5432/database",
                                 version / 10000, version % 10000);
        for (const PQconninfoOption *o = options; o->keyword; o++)
                if (o->val && strcmp(o->keyword, "connect_timeout") == 0 &&
                    strtol(o->val, NULL, 10) > 0) {
                        long seconds = strtol(o->val, NULL, 10);

                        *timeout_ms = seconds > 3600 ? 3600000 : (int)seconds * 1000;
                }
        PQconninfoFree(options);
        return 0;
}

int weir_pg_check_url(const char *url, struct weir_error *reterr)
{
        int timeout_ms;

        return read_url(url, &timeout_ms, reterr);
}

static int start(const struct weir_pg_conf *conf, const char *url, PGconn **ret)
{
        /* libpq keeps the last value of a keyword: what stands before dbname (the url, expanded) is a
         * default, what stands behind it is forced. */
        const char *keywords[12], *values[12];
        size_t n = 0;

#define SETTING(k, v) (keywords[n] = (k), values[n++] = (v))
        SETTING("application_name", conf->application_name ? conf->application_name : "weir");
        SETTING("keepalives_idle", "10");
        SETTING("keepalives_interval", "5");
        SETTING("keepalives_count", "3");
        SETTING("tcp_user_timeout", "15000");
        SETTING("target_session_attrs", "read-write");
        SETTING("dbname", url);
        SETTING("client_encoding", "UTF8");
        if (conf->password)
                SETTING("password", conf->password);
#undef SETTING
        keywords[n] = values[n] = NULL;
        *ret = PQconnectStartParams(keywords, values, 1);
        return *ret ? 0 : -1;
}

static void know_socket(struct weir_pg *pg)
{
        struct stat st = { 0 };

        fstat(PQsocket(pg->conn), &st);
        pg->socket_device = st.st_dev;
        pg->socket_inode = st.st_ino;
}

static int take_event(PGEventId id, void *info, void *context)
{
        struct weir_pg *pg = context;

        (void)info;
        if (id == PGEVT_CONNDESTROY)
                pg->conn = NULL;
        else if (id == PGEVT_CONNRESET)
                know_socket(pg);
        return 1;
}

static void name_it(struct weir_pg *pg)
{
        const char *host = PQhost(pg->conn), *port = PQport(pg->conn);
        const char *database = PQdb(pg->conn), *user = PQuser(pg->conn);

        snprintf(pg->where, sizeof pg->where, "PostgreSQL %.120s:%.10s/%.63s as %.63s",
                 host ? host : "", port ? port : "", database ? database : "", user ? user : "");
}

static int connect_it(struct weir_pg *pg, int64_t deadline_us, struct weir_error *reterr)
{
        PostgresPollingStatusType state = PGRES_POLLING_WRITING;

        for (;;) {
                int r;

                name_it(pg);
                if (PQstatus(pg->conn) == CONNECTION_BAD || state == PGRES_POLLING_FAILED)
                        return weir_fail(reterr, WEIR_EDB, 0, "%s: %s", pg->where,
                                         PQerrorMessage(pg->conn));
                if (state == PGRES_POLLING_OK)
                        return 0;
                r = weir_wire_wait(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                   deadline_us, "connect", reterr);
                if (r < 0)
                        return r;
                state = PQconnectPoll(pg->conn);
        }
}

static int settle(struct weir_pg *pg, struct weir_error *reterr)
{
        static const char settings[] =
                "SET synchronous_commit = on;"
                "SET default_transaction_isolation = 'read committed';"
                "SET TimeZone = 'UTC';"
                "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"
                "SET tcp_keepalives_count = 3; SET tcp_user_timeout = 15000;"
                "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', false)"
                " WHERE pg_catalog.current_setting('server_version_num')::int4 >= 140000;"
                "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false)"
                " WHERE pg_catalog.current_setting('idle_in_transaction_session_timeout') = '0';"
                "SELECT pg_catalog.pg_is_in_recovery()"
                " OR pg_catalog.current_setting('transaction_read_only')::bool";
        const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        int r;

        if (!encoding || strcmp(encoding, "UTF8") != 0)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s: the database's encoding is %s, events need UTF8: create the "
                                 "database with ENCODING 'UTF8'",
                                 pg->where, encoding ? encoding : "unknown");
        if (!PQsendQuery(pg->conn, settings))
                return weir_wire_fail(pg, NULL, "session settings", reterr);
        r = weir_wire_finish(pg, &result, "session settings", reterr);
        if (r < 0)
                return r;
        if (PQntuples(result) != 1 || strcmp(PQgetvalue(result, 0, 0), "t") == 0)
                return weir_fail(reterr, WEIR_EDB, 0,
                                 "%s: server is read-only (a standby, or "
                                 "default_transaction_read_only is on)",
                                 pg->where);
        return 0;
}

int weir_pg_open(const struct weir_pg_conf *conf, struct weir_latch *interrupt,
                 struct weir_pg **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        const char *url = conf->url ? conf->url : "";
        int timeout_ms = conf->connect_timeout_ms > 0 ? conf->connect_timeout_ms
                                                      : CONNECT_TIMEOUT_MS;
        int64_t deadline_us;
        int r;

        r = read_url(url, &timeout_ms, reterr);
        if (r < 0)
                return r;
        deadline_us = weir_clock_us() + (int64_t)timeout_ms * 1000;
        pg = calloc(1, sizeof *pg);
        if (!pg || start(conf, url, &pg->conn) < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "connection to PostgreSQL");
        pg->interrupt = interrupt;
        PQsetNoticeReceiver(pg->conn, take_notice, NULL);
        r = connect_it(pg, deadline_us, reterr);
        if (r < 0)
                return r;
        know_socket(pg);
        if (!PQregisterEventProc(pg->conn, take_event, "weir", pg))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "connection to PostgreSQL");
        if (PQsetnonblocking(pg->conn, 1) < 0)
                return weir_wire_fail(pg, NULL, "connect", reterr);
        r = settle(pg, reterr);
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(pg);
        return 0;
}

void weir_pg_close(struct weir_pg *pg)
{
        if (!pg)
                return;
        PQfinish(pg->conn);
        weir_wire_forget(pg);
        free(pg);
}

void weir_pg_set_interrupt(struct weir_pg *pg, struct weir_latch *interrupt)
{
        pg->interrupt = interrupt;
}

bool weir_pg_broken(const struct weir_pg *pg)
{
        return pg->broken || PQstatus(pg->conn) != CONNECTION_OK;
}

bool weir_pg_robbed(struct weir_pg *pg)
{
        int fd = PQsocket(pg->conn); /* -1: libpq closed it itself */
        struct stat st;

        if (pg->conn && (fd < 0 || (fstat(fd, &st) == 0 && st.st_dev == pg->socket_device &&
                                    st.st_ino == pg->socket_inode)))
                return false;
        pg->conn = NULL; /* not finished: that would close whose number it is now */
        pg->broken = true;
        return true;
}

bool weir_pg_in_transaction(const struct weir_pg *pg)
{
        return !weir_pg_broken(pg) && PQtransactionStatus(pg->conn) == PQTRANS_INTRANS;
}

bool weir_pg_idle(const struct weir_pg *pg)
{
        return !weir_pg_broken(pg) && PQtransactionStatus(pg->conn) == PQTRANS_IDLE &&
               PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF;
}

void *weir_pg_native(struct weir_pg *pg)
{
        return pg->conn;
}

int weir_pg_socket(const struct weir_pg *pg)
{
        return PQsocket(pg->conn);
}

int weir_pg_server_version(const struct weir_pg *pg)
{
        return PQserverVersion(pg->conn);
}

int weir_pg_run(struct weir_pg *pg, const char *sql, struct weir_error *reterr)
{
        if (weir_pg_broken(pg)) {
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, 0, "%s: connection is closed; in: %.80s",
                                 pg->where, sql);
        }
        if (!PQsendQuery(pg->conn, sql))
                return weir_wire_fail(pg, NULL, sql, reterr);
        return weir_wire_finish(pg, NULL, sql, reterr);
}

int weir_pg_begin(struct weir_pg *pg, struct weir_error *reterr)
{
        return weir_pg_run(pg, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", reterr);
}

/* The server's answer to COMMIT, by CM1. @result NULL = there was none. */
static int judge_commit(struct weir_pg *pg, const PGresult *result, struct weir_error *reterr)
{
        int r;

        if (result && PQresultStatus(result) == PGRES_COMMAND_OK) {
                if (strcmp(PQcmdStatus((PGresult *)result), "COMMIT") == 0)
                        return 0;
                r = weir_fail(reterr, WEIR_ESQL, 0,
                              "%s: COMMIT was answered by %.20s: a statement of the "
                              "transaction had failed",
                              pg->where, PQcmdStatus((PGresult *)result));
                if (reterr)
                        snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "25P02");
                return r;
        }
        r = weir_wire_fail(pg, result, "COMMIT", reterr);
        if (r == WEIR_ESQL && !weir_pg_broken(pg))
                return r;
        pg->broken = true;
        if (reterr)
                reterr->code = WEIR_ECOMMIT;
        weir_error_prefix(reterr, "outcome of COMMIT unknown: ");
        return WEIR_ECOMMIT;
}

int weir_pg_commit(struct weir_pg *pg, struct weir_error *reterr)
{
        PGresult *result = NULL, *end = NULL;
        int r;

        if (weir_pg_broken(pg)) {
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, 0, "%s: connection was lost before COMMIT",
                                 pg->where);
        }
        if (PQtransactionStatus(pg->conn) == PQTRANS_IDLE) {
                r = weir_fail(reterr, WEIR_ESQL, 0,
                              "%s: COMMIT, but no transaction is open: something "
                              "ended it before",
                              pg->where);
                if (reterr)
                        snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "25P01");
                return r;
        }
        if (!PQsendQuery(pg->conn, "COMMIT"))
                return judge_commit(pg, NULL, reterr);
        r = weir_wire_next(pg, &result, "COMMIT", reterr);
        if (r < 0) {
                if (reterr)
                        reterr->code = WEIR_ECOMMIT;
                weir_error_prefix(reterr, "outcome of COMMIT unknown: ");
                return WEIR_ECOMMIT;
        }
        r = judge_commit(pg, result, reterr);
        PQclear(result);
        if (r == WEIR_ECOMMIT)
                return r;
        /* The outcome is known; a connection that dies now is only broken. */
        while (!weir_pg_broken(pg) && weir_wire_next(pg, &end, "COMMIT", NULL) == 0 && end)
                PQclear(end);
        return r;
}

void weir_pg_rollback(struct weir_pg *pg)
{
        if (weir_pg_broken(pg) || weir_pg_run(pg, "ROLLBACK", NULL) < 0 ||
            PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
                pg->broken = true;
}

int weir_pg_classify(const struct weir_error *error)
{
        /* Classes (PostgreSQL, appendix A) in which the same event fails again on a sound server. 54: a row or
         * an index entry too large. P0: what a trigger or a procedure raises about the row it was given. */
        static const char *const data[] = { "21", "22", "23", "44", "54", "P0" };

        if (error->code == WEIR_ESQL)
                for (size_t i = 0; i < WEIR_COUNT_OF(data); i++)
                        if (!strncmp(error->sqlstate, data[i], 2))
                                return WEIR_SQL_DATA;
        return WEIR_SQL_INFRASTRUCTURE;
}

int weir_pg_library_version(void)
{
        return PQlibVersion();
}
