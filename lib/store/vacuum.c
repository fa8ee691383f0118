/* SPDX-License-Identifier: MIT */
/*
 * vacuum - room for the next rows of weir.outbox, when it is wanted and not when its minute has come
 *
 * autovacuum looks at a database once a minute (autovacuum_naptime). A relay that removes 30,000 rows a second leaves
 * two million dead ones until then: the table grows by 600 MB that are never needed at one time, and every walk over
 * the index passes their entries. So the relay says when; autovacuum remains for what a relay without the right leaves.
 *
 * Right         VACUUM is for the owner of the table, or from PostgreSQL 17 on for who was granted MAINTAIN. Without, the
 *               server would warn each time: it is asked first.
 * SKIP_LOCKED   another relay, or autovacuum, is at it: once is enough.
 * TRUNCATE      takes a lock for which lanes wait; only where the caller says that it is quiet.
 */
#include "store/vacuum.h"

#include "store/wire.h"

struct weir_vacuum {
        struct weir_pg *pg;
        bool busy;
};

int weir_vacuum_new(struct weir_vacuum **ret, struct weir_error *reterr)
{
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "vacuum");
}

void weir_vacuum_close(struct weir_vacuum *vacuum)
{
        weir_pg_close(vacuum->pg);
        vacuum->pg = NULL;
        vacuum->busy = false;
}

void weir_vacuum_free(struct weir_vacuum *vacuum)
{
        if (!vacuum)
                return;
        weir_vacuum_close(vacuum);
        free(vacuum);
}

/* 1 = no. */
static int may_not(struct weir_pg *pg, struct weir_error *reterr)
{
        static const char old[] = "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')::int4 FROM"
                                  " pg_catalog.pg_class c WHERE c.oid = 'weir.outbox'::regclass";
        static const char maintain[] =
                "SELECT (pg_catalog.pg_has_role(c.relowner, 'USAGE')"
                " OR pg_catalog.has_table_privilege(c.oid, 'MAINTAIN'))::int4 FROM"
                " pg_catalog.pg_class c WHERE c.oid = 'weir.outbox'::regclass";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, weir_pg_server_version(pg) >= 170000 ? maintain : old, NULL, 0,
                              &rows, reterr);

        return r < 0 ? r : weir_pg_rows_int(rows, 0, 0, 0) == 0;
}

int weir_vacuum_begin(struct weir_vacuum *vacuum, const struct weir_pg_conf *conf,
                      struct weir_latch *interrupt, bool shrink, struct weir_error *reterr)
{
        const char *sql = shrink ? "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON) weir.outbox"
                                 : "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF)"
                                   " weir.outbox";
        int r = 0;

        if (!vacuum->pg) {
                r = weir_pg_open(conf, interrupt, &vacuum->pg, reterr);
                if (r == 0)
                        r = may_not(vacuum->pg, reterr);
        }
        if (r == 0 && !PQsendQuery(vacuum->pg->conn, sql))
                r = weir_wire_fail(vacuum->pg, NULL, sql, reterr);
        if (r == 0)
                r = weir_wire_flush(vacuum->pg, sql, reterr);
        if (r != 0)
                weir_vacuum_close(vacuum);
        vacuum->busy = r == 0;
        return r;
}

int weir_vacuum_socket(const struct weir_vacuum *vacuum)
{
        return vacuum->busy ? weir_pg_socket(vacuum->pg) : -1;
}

int weir_vacuum_poll(struct weir_vacuum *vacuum, struct weir_error *reterr)
{
        PGresult *result;
        int r = 0;

        if (!vacuum->busy)
                return 0;
        if (!PQconsumeInput(vacuum->pg->conn))
                r = weir_wire_fail(vacuum->pg, NULL, "VACUUM", reterr);
        while (r == 0 && !PQisBusy(vacuum->pg->conn)) {
                result = PQgetResult(vacuum->pg->conn);
                if (!result) {
                        vacuum->busy = false;
                        return 0;
                }
                if (PQresultStatus(result) != PGRES_COMMAND_OK)
                        r = weir_wire_fail(vacuum->pg, result, "VACUUM", reterr);
                PQclear(result);
        }
        if (r < 0)
                weir_vacuum_close(vacuum);
        return r < 0 ? r : 1;
}
