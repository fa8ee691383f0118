/* SPDX-License-Identifier: MIT */
/*
 * database - that of the test program, kept as a copy, and made anew from it
 *
 * Nearly every run of a test that is broken off leaves rows behind, so this is what torture of a store test costs. By psql it was
 * seven processes for one renewal, and most of the time; one session that stays open asks for two statements.
 *
 * Always true   the session is the runner's: a test is a fork of it, has a copy of the descriptor and never uses it, and ends by
 *               _exit() or a signal, which says nothing to the server.
 *               Whoever is still in the database when it goes (a session of a killed test) is thrown out.
 */
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner.h"

static PGconn *connection;
static char name[64];

static __attribute__((format(printf, 1, 2))) bool run(const char *format, ...)
{
        char sql[256];
        PGresult *result;
        va_list ap;
        bool done;

        va_start(ap, format);
        vsnprintf(sql, sizeof sql, format, ap);
        va_end(ap);
        result = PQexec(connection, sql);
        done = PQresultStatus(result) == PGRES_COMMAND_OK;
        if (!done)
                fprintf(stderr, "%s: %s", sql, PQerrorMessage(connection));
        PQclear(result);
        return done;
}

/* A fixture names it weir_PROGRAM_PID. */
static bool find(void)
{
        char sql[128];
        PGresult *result;
        bool found;

        snprintf(sql, sizeof sql,
                 "SELECT datname FROM pg_database WHERE datname LIKE 'weir\\_%%\\_%d'",
                 (int)getpid());
        result = PQexec(connection, sql);
        found = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
        if (found)
                snprintf(name, sizeof name, "%s", PQgetvalue(result, 0, 0));
        PQclear(result);
        return found;
}

bool database_keep(void)
{
        const char *url = getenv("WEIR_TEST_PG");

        if (!url || !*url)
                return false;
        connection = PQconnectdb(url);
        if (PQstatus(connection) != CONNECTION_OK) {
                fprintf(stderr, "WEIR_TEST_PG: %s", PQerrorMessage(connection));
                exit(EXIT_FAILURE);
        }
        if (!find()) {
                PQfinish(connection);
                connection = NULL;
                return false;
        }
        if (!run("CREATE DATABASE %s_copy TEMPLATE %s", name, name))
                exit(EXIT_FAILURE);
        return true;
}

void database_renew(void)
{
        if (!run("DROP DATABASE IF EXISTS %s WITH (FORCE)", name) ||
            !run("CREATE DATABASE %s TEMPLATE %s_copy", name, name))
                exit(EXIT_FAILURE);
}

void database_forget(void)
{
        run("DROP DATABASE IF EXISTS %s_copy WITH (FORCE)", name);
        PQfinish(connection);
        connection = NULL;
}
