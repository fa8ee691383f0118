/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_STORE_FIXTURE_H
#define WEIR_TEST_STORE_FIXTURE_H
/*
 * store_fixture - a database of its own for each test program, with weir's schema in it
 *
 * The server is the one of WEIR_TEST_PG (a superuser's url); without it, a throwaway one is started
 * beside the program and removed at the end. Tests fork (Check), so the database is made in main().
 */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/schema.h"
#include "store/wire.h"
#include "wait_fixture.h"

static struct {
        char server[1024]; /* url of the server's own database */
        char url[2048];    /* of the test's database */
        char name[64];
        char directory[PATH_MAX]; /* of a server that we started; "" = none */
        char script[PATH_MAX];
} fixture;

#define OK(call)                                                                                   \
        do {                                                                                       \
                struct weir_error error_ = { 0 };                                                  \
                struct weir_error *reterr = &error_;                                               \
                int r_ = (call);                                                                   \
                ck_assert_msg(r_ == 0, "%s: %d: %s %s", #call, r_, error_.sqlstate, error_.text);  \
                (void)reterr;                                                                      \
        } while (0)

static inline const char *fixture_migrations(void)
{
        const char *path = getenv("WEIR_MIGRATIONS");

        return path && *path ? path : "migrations";
}

/* The server's url with another database: "url dbname=x" is not a url, so take it apart. */
static inline void fixture_make_url(const char *database)
{
        PQconninfoOption *options = PQconninfoParse(fixture.server, NULL);
        size_t used = 0;

        if (!options) {
                fprintf(stderr, "WEIR_TEST_PG is not a url\n");
                exit(99);
        }
        for (const PQconninfoOption *o = options; o->keyword; o++)
                if (o->val && strcmp(o->keyword, "dbname") != 0)
                        used += (size_t)snprintf(fixture.url + used, sizeof fixture.url - used,
                                                 "%s='%s' ", o->keyword, o->val);
        snprintf(fixture.url + used, sizeof fixture.url - used, "dbname='%s'", database);
        PQconninfoFree(options);
}

/* popen() of a fixed program with two words, without a shell's quoting. */
static inline int fixture_pg(const char *verb, char *ret_line, size_t size)
{
        int fds[2], status;
        ssize_t n, used = 0;
        pid_t pid;

        if (pipe(fds) < 0 || (pid = fork()) < 0)
                return -1;
        if (pid == 0) {
                dup2(fds[1], STDOUT_FILENO);
                close(fds[0]);
                close(fds[1]);
                execl(fixture.script, "pg.sh", verb, fixture.directory, (char *)NULL);
                _exit(127);
        }
        close(fds[1]);
        while (used + 1 < (ssize_t)size &&
               (n = read(fds[0], ret_line + used, size - 1 - (size_t)used)) > 0)
                used += n;
        close(fds[0]);
        ret_line[used] = '\0';
        ret_line[strcspn(ret_line, "\n")] = '\0';
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline struct weir_pg *fixture_connect_to(const char *url)
{
        struct weir_pg_conf conf = { .url = url, .application_name = "weir test" };
        struct weir_error error = { 0 };
        struct weir_pg *pg = NULL;

        if (weir_pg_open(&conf, NULL, &pg, &error) < 0) {
                fprintf(stderr, "connect: %s\n", error.text);
                abort();
        }
        return pg;
}

static inline struct weir_pg *fixture_connect(void)
{
        return fixture_connect_to(fixture.url);
}

static inline void fixture_stop_server(void)
{
        char line[64];

        if (!fixture.directory[0])
                return;
        fixture_pg("stop", line, sizeof line);
        if (fork() == 0) {
                execlp("rm", "rm", "-rf", "--", fixture.directory, (char *)NULL);
                _exit(127);
        }
        wait(NULL);
}

static inline void fixture_start(const char *program, bool migrate)
{
        const char *server = getenv("WEIR_TEST_PG");
        struct weir_error error = { 0 };
        struct weir_pg *pg;
        char sql[256];

        weir_log_setup(WEIR_LOG_ERROR, WEIR_LOG_TEXT);
        if (server && *server) {
                snprintf(fixture.server, sizeof fixture.server, "%s", server);
        } else {
                char self[PATH_MAX - 64];
                ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

                self[n > 0 ? n : 0] = '\0';
                snprintf(fixture.directory, sizeof fixture.directory, "%s.pg.%d", self,
                         (int)getpid());
                snprintf(fixture.script, sizeof fixture.script, "tests/support/pg.sh");
                if (fixture_pg("start", fixture.server, sizeof fixture.server) != 0) {
                        fprintf(stderr,
                                "no PostgreSQL: set WEIR_TEST_PG, or run from the top of the tree\n");
                        exit(99);
                }
        }
        pg = fixture_connect_to(fixture.server);
        snprintf(fixture.name, sizeof fixture.name, "weir_%s_%d", program, (int)getpid());
        snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'UTF8' TEMPLATE template0",
                 fixture.name);
        if (weir_pg_run(pg, sql, &error) < 0) {
                fprintf(stderr, "%s: %s\n", sql, error.text);
                exit(99);
        }
        weir_pg_close(pg);
        fixture_make_url(fixture.name);
        if (migrate) {
                struct weir_migrations set;

                pg = fixture_connect();
                if (weir_migrations_read("weir", fixture_migrations(), &set, &error) < 0 ||
                    weir_schema_up(pg, &set, 1, false, NULL, &error) < 0) {
                        fprintf(stderr, "migrate: %s\n", error.text);
                        exit(99);
                }
                weir_migrations_fini(&set);
                weir_pg_close(pg);
        }
}

static inline int fixture_end(Suite *suite)
{
        SRunner *runner = srunner_create(suite);
        struct weir_pg *pg;
        char sql[256];
        int failed;

        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        pg = fixture_connect_to(fixture.server);
        snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", fixture.name);
        weir_pg_run(pg, sql, NULL);
        weir_pg_close(pg);
        fixture_stop_server();
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* One number by one statement. */
__attribute__((format(printf, 2, 3))) static inline int64_t fixture_int(struct weir_pg *pg,
                                                                        const char *format, ...)
{
        struct weir_error error = { 0 };
        struct weir_pg_rows *rows = NULL;
        char sql[2048];
        int64_t number;
        va_list ap;

        va_start(ap, format);
        vsnprintf(sql, sizeof sql, format, ap);
        va_end(ap);
        ck_assert_msg(weir_pg_query(pg, sql, NULL, 0, &rows, &error) == 0, "%s: %s", sql,
                      error.text);
        number = weir_pg_rows_int(rows, 0, 0, -1);
        weir_pg_rows_free(rows);
        return number;
}

static inline int64_t fixture_backend(struct weir_pg *pg)
{
        return fixture_int(pg, "SELECT pg_backend_pid()");
}

/* Wait until @format asks true. */
__attribute__((format(printf, 2, 3))) static inline void fixture_until(struct weir_pg *pg,
                                                                       const char *format, ...)
{
        int64_t deadline_us = wait_deadline_us();
        char sql[1024];
        va_list ap;

        va_start(ap, format);
        vsnprintf(sql, sizeof sql, format, ap);
        va_end(ap);
        while (fixture_int(pg, "SELECT (%s)::int", sql) != 1)
                ck_assert_msg(wait_more(deadline_us), "not within 20 s: %s", sql);
}

/* Wait until the backend of another connection waits for a lock. */
static inline void fixture_until_waiting(struct weir_pg *pg, int64_t backend)
{
        fixture_until(pg, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %lld",
                      (long long)backend);
}

#endif
