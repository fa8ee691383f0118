/* SPDX-License-Identifier: MIT */
/*
 * schema - which migrations a database has, and taking it from there to where the program is
 *
 * Always true   SC1 a migration and its row in weir.migration are one transaction: a file that ends
 *                   the transaction by itself is refused after the fact, by name.
 *               SC2 one migrator at a time, by an advisory lock of the session; a second one waits
 *                   and then finds nothing to do.
 *               SC3 what was applied is the beginning of what the files say: no hole, no other text.
 *                   Everything else is refused before the first statement runs.
 * weir.migration itself cannot come from a file, since files are only run after looking into it.
 *
 * Not chosen    ordering several sets by one number: a plugin's author does not know ours. Sets are
 *               independent, run in the order given, and taken back in the order of application.
 */
#include "store/schema.h"

#include <inttypes.h>

#include "store/wire.h"

#define LOCK WEIR_STR_(WEIR_LOCK_SPACE) ", " WEIR_STR_(WEIR_LOCK_SCHEMA)

struct applied {
        char *set, *name, *checksum, *at;
        int32_t version;
};

struct history {
        struct applied *list; /* newest first */
        size_t count;
};

static void history_fini(struct history *history)
{
        for (size_t i = 0; i < history->count; i++) {
                free(history->list[i].set);
                free(history->list[i].name);
                free(history->list[i].checksum);
                free(history->list[i].at);
        }
        free(history->list);
        *history = (struct history){ NULL, 0 };
}

/* *ret_exists false = weir.migration is not there. */
static int read_history(struct weir_pg *pg, struct history *ret, bool *ret_exists,
                        struct weir_error *reterr)
{
        static const char exists[] = "SELECT pg_catalog.to_regclass('weir.migration') IS NOT NULL";
        static const char list[] =
                "SELECT set, version, name, checksum,"
                " pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                " FROM weir.migration ORDER BY id DESC";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        WEIR_CLEANUP(history_fini) struct history history = { NULL, 0 };
        int r;

        r = weir_pg_query(pg, exists, NULL, 0, &rows, reterr);
        if (r < 0)
                return r;
        *ret_exists = weir_pg_rows_text(rows, 0, 0).ptr[0] == 't';
        *ret = history;
        if (!*ret_exists)
                return 0;
        weir_pg_rows_free(rows);
        rows = NULL;
        r = weir_pg_query(pg, list, NULL, 0, &rows, reterr);
        if (r < 0)
                return r;
        history.list = calloc(weir_pg_rows_count(rows) + 1, sizeof *history.list);
        if (!history.list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "history of migrations");
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++) {
                struct applied *applied = &history.list[history.count++];

                applied->set = strdup(weir_pg_rows_text(rows, i, 0).ptr);
                applied->version = (int32_t)weir_pg_rows_int(rows, i, 1, 0);
                applied->name = strdup(weir_pg_rows_text(rows, i, 2).ptr);
                applied->checksum = strdup(weir_pg_rows_text(rows, i, 3).ptr);
                applied->at = strdup(weir_pg_rows_text(rows, i, 4).ptr);
                if (!applied->set || !applied->name || !applied->checksum || !applied->at)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "history of migrations");
        }
        *ret = history;
        history = (struct history){ NULL, 0 };
        return 0;
}

static const struct applied *find_applied(const struct history *history, const char *set,
                                          int32_t version)
{
        for (size_t i = 0; i < history->count; i++)
                if (history->list[i].version == version && strcmp(history->list[i].set, set) == 0)
                        return &history->list[i];
        return NULL;
}

static const struct weir_migration *find_file(const struct weir_migrations *set, int32_t version)
{
        for (size_t i = 0; i < set->count; i++)
                if (set->list[i].version == version)
                        return &set->list[i];
        return NULL;
}

/* SC3 for one set; *ret_applied how many of its migrations are there. */
static int check_set(const struct history *history, const struct weir_migrations *set,
                     size_t *ret_applied, struct weir_error *reterr)
{
        size_t applied = 0;

        for (size_t i = 0; i < history->count; i++) {
                const struct applied *row = &history->list[i];

                if (strcmp(row->set, set->set) != 0 || find_file(set, row->version))
                        continue;
                return weir_fail(
                        reterr, WEIR_ESCHEMA, 0,
                        "%s: the database has version %d (%s, applied %s), this "
                        "program knows up to %d: it is older than the schema; use the newer "
                        "program",
                        set->set, row->version, row->name, row->at,
                        set->count ? set->list[set->count - 1].version : 0);
        }
        for (size_t i = 0; i < set->count; i++) {
                const struct weir_migration *file = &set->list[i];
                const struct applied *row = find_applied(history, set->set, file->version);

                if (!row)
                        continue;
                if (applied != i)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "%s: version %d is applied but %d is not: the "
                                         "database was not made by these files",
                                         set->set, file->version, set->list[applied].version);
                if (strcmp(row->checksum, file->checksum) != 0)
                        return weir_fail(
                                reterr, WEIR_ESCHEMA, 0,
                                "%s: %04d_%s.up.sql was changed after it was "
                                "applied on %s: restore the file, and put the change in a new "
                                "migration",
                                set->set, file->version, file->name, row->at);
                applied++;
        }
        *ret_applied = applied;
        return 0;
}

int weir_schema_status(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                       weir_migration_fn *report, void *context, struct weir_error *reterr)
{
        WEIR_CLEANUP(history_fini) struct history history = { NULL, 0 };
        bool exists;
        int r = read_history(pg, &history, &exists, reterr);

        if (r < 0)
                return r;
        for (size_t s = 0; s < set_count; s++) {
                const struct weir_migrations *set = &sets[s];

                for (size_t i = 0; i < set->count; i++) {
                        const struct weir_migration *file = &set->list[i];
                        const struct applied *row = find_applied(&history, set->set, file->version);
                        int state = !row ? WEIR_MIGRATION_PENDING
                                    : strcmp(row->checksum, file->checksum) != 0
                                            ? WEIR_MIGRATION_CHANGED
                                            : WEIR_MIGRATION_APPLIED;

                        report(context, set->set, file->version, file->name, state,
                               row ? row->at : NULL);
                }
                for (size_t i = history.count; i-- > 0;)
                        if (strcmp(history.list[i].set, set->set) == 0 &&
                            !find_file(set, history.list[i].version))
                                report(context, set->set, history.list[i].version,
                                       history.list[i].name, WEIR_MIGRATION_UNKNOWN,
                                       history.list[i].at);
        }
        return 0;
}

int weir_schema_check(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                      struct weir_error *reterr)
{
        WEIR_CLEANUP(history_fini) struct history history = { NULL, 0 };
        bool exists;
        int r = read_history(pg, &history, &exists, reterr);

        if (r < 0)
                return r;
        for (size_t s = 0; s < set_count; s++) {
                size_t applied;

                r = check_set(&history, &sets[s], &applied, reterr);
                if (r < 0)
                        return r;
                if (applied < sets[s].count)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "%s: the schema is at version %d, this program "
                                         "needs %d: run `weir migrate up`",
                                         sets[s].set,
                                         applied ? sets[s].list[applied - 1].version : 0,
                                         sets[s].list[sets[s].count - 1].version);
        }
        return 0;
}

/* ---- up and down ------------------------------------------------------------------------------ */

static int bootstrap(struct weir_pg *pg, struct weir_error *reterr)
{
        static const char sql[] =
                "BEGIN; CREATE SCHEMA IF NOT EXISTS weir;"
                "CREATE TABLE weir.migration ("
                " id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " set text NOT NULL, version int4 NOT NULL, name text NOT NULL, checksum text NOT "
                "NULL,"
                " at timestamptz NOT NULL DEFAULT now(), UNIQUE (set, version));"
                "COMMIT";
        int r = weir_pg_run(pg, sql, reterr);

        if (r < 0 && !weir_pg_broken(pg))
                weir_pg_rollback(pg);
        return r;
}

/* Run @sql and the change of weir.migration in one transaction (SC1). */
static int run_one(struct weir_pg *pg, const char *set, const struct weir_migration *file, bool up,
                   struct weir_error *reterr)
{
        static const char insert[] =
                "INSERT INTO weir.migration (set, version, name, checksum) VALUES ($1, $2, $3, $4)";
        static const char delete[] = "DELETE FROM weir.migration WHERE set = $1 AND version = $2";
        const struct weir_value params[] = { weir_text_z(set), weir_int4(file->version),
                                             weir_text_z(file->name), weir_text_z(file->checksum) };
        int r = weir_pg_begin(pg, reterr);

        if (r == 0)
                r = weir_pg_run(pg, up ? file->up_sql : file->down_sql, reterr);
        if (r == 0 && !weir_pg_in_transaction(pg))
                r = weir_fail(reterr, WEIR_ESCHEMA, 0,
                              "the file ends the transaction by itself; take COMMIT "
                              "and ROLLBACK out of it, and look what it left behind");
        if (r == 0)
                r = weir_pg_query(pg, up ? insert : delete, params, up ? 4 : 2, NULL, reterr);
        if (r == 0)
                r = weir_pg_commit(pg, reterr);
        if (r < 0) {
                if (!weir_pg_broken(pg) && !weir_pg_idle(pg))
                        weir_pg_rollback(pg);
                weir_error_prefix(reterr, "%s: %04d_%s.%s.sql: ", set, file->version, file->name,
                                  up ? "up" : "down");
        }
        return r;
}

static void show(FILE *out, const char *set, const struct weir_migration *file, bool up,
                 bool dry_run)
{
        if (!out)
                return;
        if (dry_run)
                fprintf(out, "-- %s: %04d_%s.%s.sql\n%s\n", set, file->version, file->name,
                        up ? "up" : "down", up ? file->up_sql : file->down_sql);
        else
                fprintf(out, "%s: %04d_%s %s\n", set, file->version, file->name,
                        up ? "applied" : "taken back");
}

/* A person who sees no output wonders whether the right database was meant. */
static void show_nothing(FILE *out, bool dry_run)
{
        if (out)
                fprintf(out, "%snothing to do\n", dry_run ? "-- " : "");
}

static int up_locked(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                     bool dry_run, FILE *out, struct weir_error *reterr)
{
        WEIR_CLEANUP(history_fini) struct history history = { NULL, 0 };
        bool exists;
        size_t applied, done_count = 0;
        int r = read_history(pg, &history, &exists, reterr);

        for (size_t s = 0; r == 0 && s < set_count; s++)
                r = check_set(&history, &sets[s], &applied,
                              reterr); /* all, before the first is run */
        if (r == 0 && !exists && !dry_run)
                r = bootstrap(pg, reterr);
        for (size_t s = 0; r == 0 && s < set_count; s++) {
                r = check_set(&history, &sets[s], &applied, reterr);
                for (size_t i = applied; r == 0 && i < sets[s].count; i++) {
                        if (!dry_run)
                                r = run_one(pg, sets[s].set, &sets[s].list[i], true, reterr);
                        if (r == 0)
                                show(out, sets[s].set, &sets[s].list[i], true, dry_run);
                        done_count += r == 0;
                }
        }
        if (r == 0 && !done_count)
                show_nothing(out, dry_run);
        return r;
}

static int down_locked(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                       int steps, bool dry_run, FILE *out, struct weir_error *reterr)
{
        WEIR_CLEANUP(history_fini) struct history history = { NULL, 0 };
        bool exists;
        size_t applied, done_count = 0;
        int r = read_history(pg, &history, &exists, reterr);

        for (size_t s = 0; r == 0 && s < set_count; s++)
                r = check_set(&history, &sets[s], &applied, reterr);
        for (size_t i = 0; r == 0 && i < history.count && steps > 0; i++) {
                const struct applied *row = &history.list[i];
                const struct weir_migration *file = NULL;

                for (size_t s = 0; s < set_count && !file; s++)
                        if (strcmp(sets[s].set, row->set) == 0)
                                file = find_file(&sets[s], row->version);
                if (!file)
                        continue; /* of a set that was not given */
                if (!file->down_sql)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "%s: %04d_%s has no .down.sql: it cannot be "
                                         "taken back",
                                         row->set, row->version, row->name);
                if (!dry_run)
                        r = run_one(pg, row->set, file, false, reterr);
                if (r == 0)
                        show(out, row->set, file, false, dry_run);
                done_count += r == 0;
                steps--;
        }
        if (r == 0 && !done_count)
                show_nothing(out, dry_run);
        return r;
}

static int lock(struct weir_pg *pg, struct weir_error *reterr)
{
        return weir_pg_run(pg, "SELECT pg_catalog.pg_advisory_lock(" LOCK ")", reterr);
}

static int unlock(struct weir_pg *pg, int r, struct weir_error *reterr)
{
        if (weir_pg_broken(pg))
                return r; /* the server lets go of it with the session */
        if (weir_pg_run(pg, "SELECT pg_catalog.pg_advisory_unlock(" LOCK ")",
                        r < 0 ? NULL : reterr) < 0)
                return r < 0 ? r : WEIR_EDB;
        return r;
}

int weir_schema_up(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                   bool dry_run, FILE *out, struct weir_error *reterr)
{
        int r = lock(pg, reterr);

        if (r < 0)
                return r;
        return unlock(pg, up_locked(pg, sets, set_count, dry_run, out, reterr), reterr);
}

int weir_schema_down(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                     int steps, bool dry_run, FILE *out, struct weir_error *reterr)
{
        int r = lock(pg, reterr);

        if (r < 0)
                return r;
        return unlock(pg, down_locked(pg, sets, set_count, steps, dry_run, out, reterr), reterr);
}
