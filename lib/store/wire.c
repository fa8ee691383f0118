/* SPDX-License-Identifier: MIT */
/*
 * wire - every wait for PostgreSQL, in one place
 *
 * libpq's own waits cannot be ended from outside: a lane that sits in PQexec when the network dies
 * holds its partition until TCP gives up. Here each wait polls the socket and the latch of the
 * thread's owner. There is no third way to wait in lib/store/.
 *
 * Always true   WI1 a wait that ends early marks the connection broken: nobody knows what is still
 *                   on its way, so it is closed and never used again.
 *               WI2 while we wait to send we also read: a server that answers a large request in
 *                   parts stops reading when nobody reads the answers, and both would wait for ever.
 * The race      The latch is set at the moment the answer arrives. The answer wins: the socket is
 *               looked at first, so a COMMIT that was answered is never reported as unknown.
 * Not chosen    PQcancel on interrupt: it connects anew and blocks. The server ends the statement by
 *               itself, see client_connection_check_interval in pg.c.
 */
#include "store/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "base/clock.h"

int weir_wire_wait(struct weir_pg *pg, short events, int64_t deadline_us, const char *sql,
                   struct weir_error *reterr)
{
        for (;;) {
                struct pollfd fds[2] = { { .fd = PQsocket(pg->conn), .events = events },
                                         { .fd = pg->interrupt ? pg->interrupt->fd : -1,
                                           .events = POLLIN } };
                int timeout_ms = -1;
                int r;

                if (deadline_us != INT64_MAX) {
                        int64_t left_ms = (deadline_us - weir_clock_us() + 999) / 1000;

                        timeout_ms = left_ms <= 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
                }
                r = poll(fds, 2, timeout_ms);
                if (r < 0 && errno == EINTR)
                        continue;
                if (r > 0 && fds[0].revents)
                        return 0;
                pg->broken = true;
                if (r > 0)
                        return weir_fail(reterr, WEIR_ESTOP, 0, "%s: interrupted in: %.80s",
                                         pg->where, sql);
                if (r == 0)
                        return weir_fail(reterr, WEIR_EDB, ETIMEDOUT,
                                         "%s: no answer in time to: %.80s", pg->where, sql);
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: poll: %m", pg->where);
        }
}

int weir_wire_flush(struct weir_pg *pg, const char *sql, struct weir_error *reterr)
{
        int r;

        while ((r = PQflush(pg->conn)) > 0) {
                r = weir_wire_wait(pg, POLLIN | POLLOUT, INT64_MAX, sql, reterr);
                if (r < 0)
                        return r;
                if (!PQconsumeInput(pg->conn))
                        return weir_wire_fail(pg, NULL, sql, reterr);
        }
        return r < 0 ? weir_wire_fail(pg, NULL, sql, reterr) : 0;
}

int weir_wire_next(struct weir_pg *pg, PGresult **ret, const char *sql, struct weir_error *reterr)
{
        while (PQisBusy(pg->conn)) {
                int pending = PQflush(pg->conn);
                int r;

                /* A lost connection is not reported here: libpq then holds the server's last words
                 * ("terminating connection due to ..."), and PQgetResult hands them out. */
                if (PQstatus(pg->conn) != CONNECTION_OK)
                        break;
                if (pending < 0)
                        return weir_wire_fail(pg, NULL, sql, reterr);
                r = weir_wire_wait(pg, (short)(pending ? POLLIN | POLLOUT : POLLIN), INT64_MAX, sql,
                                   reterr);
                if (r < 0)
                        return r;
                if (!PQconsumeInput(pg->conn))
                        break;
        }
        *ret = PQgetResult(pg->conn);
        if (PQstatus(pg->conn) != CONNECTION_OK)
                pg->broken = true;
        return 0;
}

int weir_wire_finish(struct weir_pg *pg, PGresult **ret, const char *sql, struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *good = NULL;
        int first = 0;

        for (;;) {
                PGresult *result = NULL;
                int r = weir_wire_next(pg, &result, sql, first ? NULL : reterr);

                if (r < 0)
                        return first ? first : r;
                if (!result)
                        break;
                switch (PQresultStatus(result)) {
                case PGRES_TUPLES_OK:
                case PGRES_COMMAND_OK:
                case PGRES_EMPTY_QUERY:
                        PQclear(good);
                        good = result;
                        continue;
                case PGRES_COPY_IN:
                case PGRES_COPY_OUT:
                case PGRES_COPY_BOTH:
                        pg->broken = true; /* the only way out of a COPY that nobody feeds */
                        PQclear(result);
                        return first ? first
                                     : weir_fail(
                                               reterr, WEIR_EUSAGE, 0,
                                               "COPY cannot run as a plain statement, append to a "
                                               "table instead: %.80s",
                                               sql);
                default:
                        r = weir_wire_fail(pg, result, sql, first ? NULL : reterr);
                        first = first ? first : r;
                        PQclear(result);
                        if (pg->broken)
                                return first;
                }
        }
        if (first)
                return first;
        if (!good)
                return weir_wire_fail(pg, NULL, sql, reterr);
        if (ret)
                *ret = WEIR_TAKE(good);
        return 0;
}

static bool state_is(const char *state, const char *prefix)
{
        return strncmp(state, prefix, strlen(prefix)) == 0;
}

/* The line of @sql where the server found the fault, 0 = it does not say. It counts characters. */
static unsigned line_of(const char *sql, const PGresult *result)
{
        const char *field = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
        long position = field ? strtol(field, NULL, 10) : 0;
        unsigned line = 1;

        if (position <= 0 || !sql)
                return 0;
        for (const char *p = sql; *p && position > 1; p++) {
                if (*p == '\n')
                        line++;
                if (((unsigned char)p[1] & 0xc0) != 0x80)
                        position--;
        }
        return line;
}

int weir_wire_fail(struct weir_pg *pg, const PGresult *result, const char *sql,
                   struct weir_error *reterr)
{
        const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
        const char *words = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
        const char *severity = result ? PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED)
                                      : NULL;
        const char *detail, *context;
        char line[32] = "";
        bool ended, lost;
        unsigned number;
        int code;

        if (!state || !words) {
                /* No answer of the server: the connection is gone, or libpq refused to send. */
                pg->broken = true;
                return weir_fail(reterr, WEIR_EDB, (int)PQstatus(pg->conn), "%s: %s; in: %.80s",
                                 pg->where, PQerrorMessage(pg->conn), sql ? sql : "-");
        }
        ended = severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC"));
        lost = ended || PQstatus(pg->conn) != CONNECTION_OK;
        /* A statement that the server forgot or plans anew under us: a new connection heals it. */
        if (lost || state_is(state, "26000") || state_is(state, "0A000"))
                pg->broken = true;
        code = lost || state_is(state, "08") || state_is(state, "57P01") ||
                               state_is(state, "57P02") || state_is(state, "57P03") ||
                               state_is(state, "25006")
                       ? WEIR_EDB
                       : WEIR_ESQL;
        detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
        context = PQresultErrorField(result, PG_DIAG_CONTEXT);
        number = line_of(sql, result);
        if (number > 1)
                snprintf(line, sizeof line, " (line %u)", number);
        weir_fail(reterr, code, 0, "%s%.200s%s (SQLSTATE %.5s)%s%.100s%s%.80s; in: %.80s",
                  state_is(state, "25006") ? "server is read-only: " : "", words, line, state,
                  detail ? "; " : "", detail ? detail : "", context ? "; at: " : "",
                  context ? context : "", sql ? sql : "-");
        if (reterr)
                snprintf(reterr->sqlstate, sizeof reterr->sqlstate, "%.5s", state);
        return code;
}
