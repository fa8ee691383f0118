/* SPDX-License-Identifier: MIT */
/*
 * position - who may move a partition, and from where
 *
 * Two mechanisms, neither of which needs a clock. The epoch says who: taking adds one, and the row
 * lock makes the taker wait for a transaction of the older holder, whose next update then finds no
 * row. The compare-and-set on next_offset says from where: a holder that is wrong about the state
 * (a COMMIT whose answer was lost, an operator's reset) finds no row either.
 *
 * The race      1. A stops between its fence and COMMIT   2. B takes: waits for A's row lock
 *               3a. A commits: B reads A's new offset      3b. A is gone: the server rolls back, B
 *               reads the old one. In both cases B starts where the database is.
 * The holder    who still has the row when another may take it is late, cut off or frozen: the group gave it
 *               away. A frozen process inside a COPY is active for the server, which then waits for it
 *               for ever. So after HOLDER_WAIT its session is ended: its transaction rolls back, and
 *               with it go its claims and its share of the lock on the generations, for which others wait.
 *               Who it is, the row itself says: xmax is the transaction that has it.
 * Trail         every change of next_offset leaves a row: weir.batch for offsets passed (skip: with no
 *               records), weir.position_change for the first start and for operators. So the rows of
 *               a partition chain without a hole, and a query can prove it.
 * Not chosen    INSERT ... ON CONFLICT DO UPDATE for taking: it burns a number of the identity on
 *               every rebalance; four bytes would last for years only.
 */
#include "store/position.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "store/wire.h"

void weir_position_name(char ret_owner[WEIR_POSITION_NAME_BYTES],
                        char ret_session[WEIR_POSITION_NAME_BYTES])
{
        char host[64] = "?";

        gethostname(host, sizeof host - 1);
        snprintf(ret_owner, WEIR_POSITION_NAME_BYTES, WEIR_POSITION_OWNER, host, (long)getpid());
        snprintf(ret_session, WEIR_POSITION_NAME_BYTES, WEIR_POSITION_SESSION, (long)getpid(),
                 host);
}

#define COLUMNS "id, epoch, next_offset, last_offset, last_time_ms, last_fingerprint"

static void read_row(const struct weir_pg_rows *rows, struct weir_position *ret)
{
        *ret = (struct weir_position){
                .id = (int32_t)weir_pg_rows_int(rows, 0, 0, 0),
                .epoch = weir_pg_rows_int(rows, 0, 1, 0),
                .next_offset = weir_pg_rows_int(rows, 0, 2, -1),
                .last_offset = weir_pg_rows_int(rows, 0, 3, -1),
                .last_time_ms = weir_pg_rows_int(rows, 0, 4, -1),
                .last_fingerprint = weir_pg_rows_int(rows, 0, 5, 0),
        };
}

#define HOLDER_WAIT "3s"
#define BY_NAME "worker = $1 AND topic = $2 AND partition = $3"
#define END_HOLDER                                                                                 \
        "SELECT a.pid, a.state, a.application_name, pg_catalog.pg_terminate_backend(a.pid)"        \
        " FROM weir.position p JOIN pg_catalog.pg_stat_activity a ON a.backend_xid = p.xmax"       \
        " WHERE a.pid <> pg_catalog.pg_backend_pid() AND p."

static void end_holder(struct weir_pg *pg, const char *sql, const struct weir_value *params,
                       size_t count)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_error error;

        if (weir_pg_query(pg, sql, params, count, &rows, &error) < 0) {
                weir_log(WEIR_LOG_WARN, "position.held", LOG_S("waited", HOLDER_WAIT),
                         LOG_S("error", error.text), LOG_S("action", "wait"));
                return;
        }
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++)
                weir_log(WEIR_LOG_WARN, "position.held", LOG_S("waited", HOLDER_WAIT),
                         LOG_I("pid", weir_pg_rows_int(rows, i, 0, 0)),
                         LOG_S("state", weir_pg_rows_text(rows, i, 1).ptr),
                         LOG_S("application", weir_pg_rows_text(rows, i, 2).ptr),
                         LOG_S("action", "session ended"));
}

/* A statement that locks the row, alone in its transaction. @end: what ends the session of a holder. */
static int query_row(struct weir_pg *pg, const char *sql, const char *end,
                     const struct weir_value *params, size_t count, size_t end_count,
                     struct weir_pg_rows **ret, struct weir_error *reterr)
{
        int r = weir_pg_begin(pg, reterr);

        if (r < 0)
                return r;
        r = weir_pg_run(pg, "SET LOCAL lock_timeout = '" HOLDER_WAIT "'", reterr);
        if (r == 0)
                r = weir_pg_query(pg, sql, params, count, ret, reterr);
        if (r == 0)
                return weir_pg_commit(pg, reterr);
        weir_pg_rollback(pg);
        if (!strcmp(reterr->sqlstate, "55P03"))
                end_holder(pg, end, params, end_count);
        return r;
}

int weir_position_take(struct weir_pg *pg, const char *worker, const char *topic, int32_t partition,
                       const char *owner, struct weir_position *ret, struct weir_error *reterr)
{
        static const char take[] =
                "UPDATE weir.position SET epoch = epoch + 1, owner = $4, since = now(), updated_at "
                "= now()"
                " WHERE " BY_NAME " RETURNING " COLUMNS;
        static const char end[] = END_HOLDER BY_NAME;
        static const char make[] =
                "INSERT INTO weir.position (worker, topic, partition, epoch, owner)"
                " VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING";
        const struct weir_value params[] = { weir_text_z(worker), weir_text_z(topic),
                                             weir_int4(partition), weir_text_z(owner) };

        for (int attempt = 0; attempt < 3; attempt++) {
                WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
                int r = query_row(pg, take, end, params, WEIR_COUNT_OF(params), 3, &rows, reterr);

                if (r == 0 && weir_pg_rows_count(rows) == 1) {
                        read_row(rows, ret);
                        return 0;
                }
                if (r == 0)
                        r = weir_pg_query(pg, make, params, WEIR_COUNT_OF(params), NULL, reterr);
                if (r < 0) {
                        weir_error_prefix(reterr, "taking %s/%d for worker %s: ", topic, partition,
                                          worker);
                        return r;
                }
        }
        return weir_fail(reterr, WEIR_EDB, 0,
                         "taking %s/%d for worker %s: the row in weir.position "
                         "disappears; is somebody deleting it?",
                         topic, partition, worker);
}

int weir_position_begin(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                        struct weir_error *reterr)
{
        static const char sql[] =
                "WITH moved AS (UPDATE weir.position SET next_offset = $3, updated_at = now()"
                " WHERE id = $1 AND epoch = $2 AND next_offset IS NULL RETURNING id, epoch, owner)"
                " INSERT INTO weir.position_change (position, epoch, before, after, reason, by)"
                " SELECT id, epoch, NULL, $3, 'first start', owner FROM moved";
        const struct weir_value params[] = { weir_int4(position->id), weir_int8(position->epoch),
                                             weir_int8(next_offset) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);

        if (r < 0)
                return r;
        if (weir_pg_rows_affected(rows) != 1)
                return 1;
        position->next_offset = next_offset;
        return 0;
}

int weir_position_skip(struct weir_pg *pg, struct weir_position *position, int64_t next_offset,
                       struct weir_error *reterr)
{
        static const char sql[] =
                "WITH moved AS (UPDATE weir.position SET next_offset = $4, updated_at = now()"
                " WHERE id = $1 AND epoch = $2 AND next_offset = $3 RETURNING id, epoch)"
                " INSERT INTO weir.batch (position, first_offset, next_offset, epoch, "
                "plugin_version,"
                " records, events, fresh, dead) SELECT id, $3, $4, epoch, '', 0, 0, 0, 0 FROM "
                "moved";
        const struct weir_value params[] = { weir_int4(position->id), weir_int8(position->epoch),
                                             weir_int8(position->next_offset),
                                             weir_int8(next_offset) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r;

        if (next_offset <= position->next_offset)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "position %d: skip from %lld to %lld does not go "
                                 "forward",
                                 position->id, (long long)position->next_offset,
                                 (long long)next_offset);
        r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);
        if (r < 0)
                return r;
        if (weir_pg_rows_affected(rows) != 1)
                return 1;
        position->next_offset = next_offset;
        return 0;
}

int weir_position_identify(struct weir_pg *pg, const struct weir_position *position,
                           struct weir_error *reterr)
{
        static const char sql[] =
                "UPDATE weir.position SET last_offset = $4, last_time_ms = $5, last_fingerprint = "
                "$6,"
                " updated_at = now() WHERE id = $1 AND epoch = $2 AND next_offset = $3";
        const struct weir_value params[] = {
                weir_int4(position->id),           weir_int8(position->epoch),
                weir_int8(position->next_offset),  weir_int8(position->last_offset),
                weir_int8(position->last_time_ms), weir_int8(position->last_fingerprint)
        };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), &rows, reterr);

        return r < 0 ? r : weir_pg_rows_affected(rows) != 1;
}

int weir_position_look(struct weir_pg *pg, int32_t id, struct weir_position *ret,
                       struct weir_error *reterr)
{
        /* The lock waits for whoever has the row in an open transaction, and reads what is left. */
        static const char sql[] = "SELECT " COLUMNS " FROM weir.position WHERE id = $1 FOR UPDATE";
        static const char end[] = END_HOLDER "id = $1";
        const struct weir_value params[] = { weir_int4(id) };
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = query_row(pg, sql, end, params, 1, 1, &rows, reterr);

        if (r < 0)
                return r;
        if (weir_pg_rows_count(rows) != 1)
                return 1;
        read_row(rows, ret);
        return 0;
}
