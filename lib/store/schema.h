/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_SCHEMA_H
#define WEIR_STORE_SCHEMA_H
/*
 * schema - migrations: NNNN_what.up.sql and .down.sql, checksummed, under an advisory lock
 *
 * Two kinds of sets: "weir" (migrations/) and one per plugin that brings its own (workers/NAME/migrations,
 * installed beside the plugin), each in a schema of its name. weir.migration records set, version, name, checksum, at.
 */
#include <stdio.h>

#include "store/pg.h"

struct weir_migration {
        int32_t version;
        char *name, *up_sql, *down_sql; /* down may be NULL */
        char checksum[65];              /* SHA-256 of up, hex */
};
struct weir_migrations {
        char *set;
        struct weir_migration *list; /* by version */
        size_t count;
};

/* Read a directory. WEIR_ESCHEMA: names the file that is malformed, doubled or missing a number. */
int weir_migrations_read(const char *set, const char *directory, struct weir_migrations *ret,
                         struct weir_error *reterr);
void weir_migrations_fini(struct weir_migrations *migrations);

enum weir_migration_state {
        WEIR_MIGRATION_PENDING,
        WEIR_MIGRATION_APPLIED,
        WEIR_MIGRATION_CHANGED,
        WEIR_MIGRATION_UNKNOWN
};
typedef void weir_migration_fn(void *context, const char *set, int32_t version, const char *name,
                               int state, const char *at);

/* Call @report for every known and applied migration. */
int weir_schema_status(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                       weir_migration_fn *report, void *context, struct weir_error *reterr);
/* Apply what is pending, each in its own transaction, all under one advisory lock. With @dry_run print the SQL to
 * @out instead. Refuses when an applied file was changed. */
int weir_schema_up(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                   bool dry_run, FILE *out, struct weir_error *reterr);
/* Take back the newest @steps migrations of @sets. */
int weir_schema_down(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                     int steps, bool dry_run, FILE *out, struct weir_error *reterr);
/* What `run` asks: 0 fits; WEIR_ESCHEMA: too old (run weir migrate up), too new, or changed; names set and versions. */
int weir_schema_check(struct weir_pg *pg, const struct weir_migrations *sets, size_t set_count,
                      struct weir_error *reterr);

#endif
