/* SPDX-License-Identifier: MIT */
/*
 * stream - leases without a clock
 *
 * A lease that runs out by time needs clocks that agree and a guess how long a pause may be; too short and a slow
 * relay doubles, too long and a dead one delays. Here the server knows: an owner is the number of an advisory lock
 * that the relay's session holds, and the kernel closes the socket of a process that dies, whatever kills it.
 *
 * The race      1. relay A reads that stream S is free  2. B leases S and commits  3. A writes itself into S.
 *               So a lease is two statements in one transaction: the rows are locked first (SKIP LOCKED: who
 *               comes second takes other streams instead of waiting), then a second statement, with a snapshot
 *               and a look at pg_locks of its own, takes those of the locked rows that are free.
 * Planner       the table empties and fills in seconds, so statistics about it are always wrong, and one plan
 *               that sorts a million rows per stream stops everything. The session rules such plans out.
 * Not chosen    FOR UPDATE SKIP LOCKED over the rows themselves, held while they are sent: a transaction open
 *               for as long as a receiver is slow holds back vacuum of the whole database.
 */
#include "store/stream.h"

#include <stdlib.h>
#include <sys/random.h>

#include "store/param.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SPACE TEXT(WEIR_LOCK_SPACE)
/* Advisory locks of this database with one key of 64 bits in weir's space: the relays. */
#define RELAYS                                                                                     \
        "pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted"     \
        " AND l.classid = " SPACE "::oid AND l.database = (SELECT d.oid FROM"                      \
        " pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"
#define IS_LIVE "(SELECT (" SPACE "::int8 << 32) | l.objid::int8 FROM " RELAYS ")"

static int draw_number(struct weir_pg *pg, int64_t *ret, struct weir_error *reterr)
{
        for (int attempt = 0; attempt < 8; attempt++) {
                WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
                struct weir_value number;
                uint32_t drawn;
                int r;

                if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
                        return weir_fail(reterr, WEIR_ESYS, 0, "relay: getrandom: %m");
                *ret = (int64_t)WEIR_LOCK_SPACE << 32 | drawn;
                number = weir_int8(*ret);
                r = weir_pg_query(pg, "SELECT pg_catalog.pg_try_advisory_lock($1::int8)::int4",
                                  &number, 1, &rows, reterr);
                if (r < 0 || weir_pg_rows_int(rows, 0, 0, 0) == 1)
                        return r;
        }
        return weir_fail(reterr, WEIR_EDB, 0,
                         "relay: eight random numbers were all in use as advisory locks");
}

int weir_stream_session(struct weir_pg *pg, const char *const *sinks, size_t sink_count,
                        int64_t *ret_owner, struct weir_error *reterr)
{
        int r = weir_pg_run(pg,
                            "SET enable_seqscan = off; SET enable_bitmapscan = off;"
                            "SET enable_sort = off; SET jit = off; SET plan_cache_mode = "
                            "force_generic_plan; LISTEN " WEIR_OUTBOX_CHANNEL,
                            reterr);

        if (r == 0)
                r = draw_number(pg, ret_owner, reterr);
        for (size_t i = 0; r == 0 && i < sink_count; i++) {
                struct weir_value params[] = { weir_int4(WEIR_LOCK_SINKS), weir_text_z(sinks[i]) };

                r = weir_pg_query(pg,
                                  "SELECT pg_catalog.pg_advisory_lock_shared($1::int4,"
                                  " pg_catalog.hashtext($2::text))",
                                  params, 2, NULL, reterr);
        }
        return r;
}

/*
 * Backwards: removed rows lie at the beginning of their stream, and are walked over only where nothing is behind them.
 * A destination that is passed over becomes its shard -1: below that nothing of it is left, so the next step is at the
 * next destination.
 */
int weir_stream_look(struct weir_pg *pg, const struct weir_stream *passed, size_t passed_count,
                     weir_stream_fn *take, void *context, struct weir_error *reterr)
{
#define SHARD_OR_PASS(o)                                                                           \
        "CASE WHEN " o ".kind::text || " o ".destination IN"                                       \
        " (SELECT pg_catalog.unnest($1::text[])) THEN -1::int2 ELSE " o ".shard END"
        static const char sql[] =
                "WITH RECURSIVE s AS ("
                " (SELECT o.kind, o.destination, " SHARD_OR_PASS(
                        "o") " AS shard FROM weir.outbox o"
                             "  ORDER BY o.kind DESC, o.destination DESC, o.shard DESC, o.id DESC LIMIT 1)"
                             " UNION ALL"
                             " SELECT n.kind, n.destination, " SHARD_OR_PASS(
                                     "n") " FROM s CROSS JOIN LATERAL"
                                          "  (SELECT o.kind, o.destination, o.shard FROM weir.outbox o"
                                          "   WHERE (o.kind, o.destination, o.shard) < (s.kind, s.destination, s.shard)"
                                          "   ORDER BY o.kind DESC, o.destination DESC, o.shard DESC, o.id DESC LIMIT 1) n)"
                                          " SELECT kind::text, destination, shard FROM s WHERE shard >= 0";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        int r;

        weir_bytes_put_array(list.bytes, WEIR_OID_TEXT, passed_count, false);
        for (size_t i = 0; i < passed_count; i++) {
                size_t size = strlen(passed[i].destination);

                weir_bytes_put32(list.bytes, (uint32_t)size + 1);
                weir_bytes_put(list.bytes, &(char){ (char)passed[i].kind }, 1);
                weir_bytes_put(list.bytes, passed[i].destination, size);
        }
        weir_param_done(&list, WEIR_OID_TEXT_ARRAY, false);
        r = weir_param_run(pg, sql, &list, false, &result, reterr);
        for (int i = 0; r == 0 && i < PQntuples(result); i++) {
                struct weir_stream stream = { .kind = PQgetvalue(result, i, 0)[0],
                                              .destination = PQgetvalue(result, i, 1),
                                              .shard = (int)strtol(PQgetvalue(result, i, 2), NULL,
                                                                   10) };

                if (take(context, &stream) < 0)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "stream %s/%d", stream.destination,
                                         stream.shard);
        }
        return r;
}

#define WANTED                                                                                     \
        "ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),"                 \
        " pg_catalog.unnest($3::int8[])) WITH ORDINALITY"                                          \
        " AS u (kind, destination, shard, ord)"
#define SAME                                                                                       \
        "s.kind = u.kind::\"char\" AND s.destination = u.destination AND s.shard = u.shard::int2"

static int query(struct weir_pg *pg, const char *sql, const struct weir_stream *streams,
                 size_t count, const int64_t *owner, PGresult **ret, struct weir_error *reterr)
{
        struct weir_param_list list = weir_param_begin(pg);

        weir_param_streams(&list, streams, count);
        if (owner)
                weir_param_int8(&list, *owner);
        return weir_param_run(pg, sql, &list, false, ret, reterr);
}

int weir_stream_lease(struct weir_pg *pg, int64_t owner, const struct weir_stream *streams,
                      size_t count, bool *ret, struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *locked = NULL, *taken = NULL;
        WEIR_FREE struct weir_stream *free_ones = calloc(count + 1, sizeof *free_ones);
        WEIR_FREE size_t *places = calloc(count + 1, sizeof *places);
        size_t locked_count;
        int r;

        memset(ret, 0, count * sizeof *ret);
        if (!free_ones || !places)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "lease of %zu streams", count);
        /* In sorted order, so that two relays that meet the same new streams do not lock crosswise. */
        r = query(pg,
                  "INSERT INTO weir.outbox_stream (kind, destination, shard)"
                  " SELECT u.kind::\"char\", u.destination, u.shard::int2 FROM " WANTED
                  " WHERE NOT EXISTS (SELECT FROM weir.outbox_stream s WHERE " SAME ")"
                  " ON CONFLICT DO NOTHING",
                  streams, count, NULL, NULL, reterr);
        if (r == 0)
                r = weir_pg_begin(pg, reterr);
        if (r < 0)
                return r;
        r = query(pg,
                  "SELECT u.ord FROM " WANTED " JOIN weir.outbox_stream s ON " SAME
                  " FOR UPDATE OF s SKIP LOCKED",
                  streams, count, NULL, &locked, reterr);
        locked_count = r == 0 ? (size_t)PQntuples(locked) : 0;
        for (size_t i = 0; i < locked_count; i++) {
                places[i] = (size_t)strtoul(PQgetvalue(locked, (int)i, 0), NULL, 10) - 1;
                free_ones[i] = streams[places[i]];
        }
        if (locked_count)
                r = query(pg,
                          "UPDATE weir.outbox_stream s SET owner = $4, since = now() FROM " WANTED
                          " WHERE " SAME " AND (s.owner IS NULL OR s.owner NOT IN " IS_LIVE ")"
                          " RETURNING u.ord",
                          free_ones, locked_count, &owner, &taken, reterr);
        if (r == 0)
                r = weir_pg_commit(pg, reterr);
        if (r < 0) {
                weir_pg_rollback(pg);
                return r;
        }
        for (int i = 0; taken && i < PQntuples(taken); i++)
                ret[places[strtoul(PQgetvalue(taken, i, 0), NULL, 10) - 1]] = true;
        return 0;
}

int weir_stream_release(struct weir_pg *pg, int64_t owner, const struct weir_stream *streams,
                        size_t count, struct weir_error *reterr)
{
        return query(pg,
                     "UPDATE weir.outbox_stream s SET owner = NULL, since = now() FROM " WANTED
                     " WHERE " SAME " AND s.owner = $4",
                     streams, count, &owner, NULL, reterr);
}

int weir_stream_shares(struct weir_pg *pg, weir_stream_share_fn *take, void *context,
                       struct weir_error *reterr)
{
        static const char sql[] =
                /* pg_locks once: it is made anew for every look at it, and hundreds of sinks are hundreds of locks. */
                "WITH l AS MATERIALIZED (SELECT k.objid::int8 AS sink, count(*) AS relays"
                "  FROM pg_catalog.pg_locks k WHERE k.locktype = 'advisory'"
                "  AND k.objsubid = 2 AND k.classid = (" SPACE " + 1)::oid AND k.granted"
                "  AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d"
                "   WHERE d.datname = pg_catalog.current_database()) GROUP BY 1)"
                " SELECT s.kind::text, s.destination, s.streams, CASE s.kind"
                " WHEN 't' THEN (SELECT count(*) FROM " RELAYS ")"
                " ELSE coalesce((SELECT l.relays FROM l WHERE l.sink"
                "   = (pg_catalog.hashtext(s.destination)::int8 & 4294967295)), 0) END"
                " FROM (SELECT kind, destination, count(*) AS streams FROM weir.outbox_stream"
                "  WHERE owner IS NOT NULL OR since > now() - interval '10 seconds'"
                "  GROUP BY kind, destination) s";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                struct weir_stream_share share = {
                        .kind = weir_pg_rows_text(rows, i, 0).ptr[0],
                        .destination = weir_pg_rows_text(rows, i, 1).ptr,
                        .leased = (uint32_t)weir_pg_rows_int(rows, i, 2, 0),
                        .relays = (uint32_t)weir_pg_rows_int(rows, i, 3, 1),
                };

                take(context, &share);
        }
        return r;
}
