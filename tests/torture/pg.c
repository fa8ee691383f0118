/* SPDX-License-Identifier: MIT */
/*
 * pg - the n-th thing that weir says to PostgreSQL, or waits to hear, finds the session cut
 *
 * The socket is shut down and then the call is made: what libpq does with a server that went away is what weir gets to
 * see, late errors included. A wrapper that made errors up would test its author's idea of libpq.
 */
#include <libpq-fe.h>
#include <sys/socket.h>

#include "torture.h"

static void perhaps_cut(const PGconn *connection)
{
        if (torture_fails(TORTURE_QUERY) && PQsocket(connection) >= 0)
                shutdown(PQsocket(connection), SHUT_RDWR);
}

#define WRAP(type, name, parameters, arguments)                                                    \
        type torture_##name parameters;                                                            \
        type torture_##name parameters                                                             \
        {                                                                                          \
                perhaps_cut(c);                                                                    \
                return name arguments;                                                             \
        }

WRAP(PostgresPollingStatusType, PQconnectPoll, (PGconn * c), (c))
WRAP(int, PQsendQuery, (PGconn * c, const char *sql), (c, sql))
WRAP(int, PQsendQueryParams,
     (PGconn * c, const char *sql, int n, const Oid *types, const char *const *values,
      const int *lengths, const int *formats, int format),
     (c, sql, n, types, values, lengths, formats, format))
WRAP(int, PQsendPrepare, (PGconn * c, const char *name, const char *sql, int n, const Oid *types),
     (c, name, sql, n, types))
WRAP(int, PQsendQueryPrepared,
     (PGconn * c, const char *name, int n, const char *const *values, const int *lengths,
      const int *formats, int format),
     (c, name, n, values, lengths, formats, format))
WRAP(int, PQputCopyData, (PGconn * c, const char *bytes, int size), (c, bytes, size))
WRAP(int, PQputCopyEnd, (PGconn * c, const char *why), (c, why))
WRAP(int, PQpipelineSync, (PGconn * c), (c))
WRAP(int, PQconsumeInput, (PGconn * c), (c))
