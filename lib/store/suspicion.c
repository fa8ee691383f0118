/* SPDX-License-Identifier: MIT */
/*
 * suspicion - what the dead cannot write any more
 *
 * Always true   SU1 nothing is suspected whose offset was passed: its transaction was committed.
 *               SU2 all suspicions of one death are written, or none: a second try counts no event twice.
 * The race      1. the process dies inside the handler of offset 7  2. another member takes the partition, runs 7 and
 *               commits  3. this comes late: the position row is locked for sharing, 7 is behind it, nothing is
 *               written. Were it written before step 2, the other would run 7 alone. Both are right.
 * Bounds        a call for many events suspects at most RANGE_MAX offsets, from the first: the rest is run alone
 *               when the first ones were not it.
 */
#include "store/suspicion.h"

#include "store/row.h"

enum { RANGE_MAX = 10000 };

static int write_record(struct weir_pg *pg, const char *worker,
                        const struct weir_suspicion *suspicion, PGresult **ret,
                        struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.attempt AS a (position, \"offset\", item, attempts, deaths, death,"
                " reason, text, next_try_at)"
                " SELECT p.id, o, $6, 0, 1, $7, '', '', now() FROM (SELECT id, next_offset"
                " FROM weir.position WHERE worker = $1 AND topic = $2 AND partition = $3 FOR SHARE) p,"
                " generate_series(greatest($4, coalesce(p.next_offset, $4)), $5) AS o"
                " ON CONFLICT (position, \"offset\", item) DO UPDATE SET deaths = a.deaths + 1,"
                " death = excluded.death, failed_at = excluded.failed_at";
        int64_t last = suspicion->last - suspicion->first < RANGE_MAX
                               ? suspicion->last
                               : suspicion->first + RANGE_MAX - 1;
        struct weir_row row;

        weir_row_begin(&row, pg);
        weir_row_text(&row, worker);
        weir_row_text(&row, suspicion->topic);
        weir_row_int4(&row, suspicion->partition);
        weir_row_int8(&row, suspicion->first);
        weir_row_int8(&row, last);
        weir_row_int4(&row, suspicion->first == suspicion->last ? suspicion->item : -1);
        weir_row_text(&row, suspicion->death);
        return weir_row_query(&row, sql, ret, reterr);
}

static int write_row(struct weir_pg *pg, const struct weir_suspicion *suspicion, PGresult **ret,
                     struct weir_error *reterr)
{
        static const char parked[] =
                "UPDATE weir.parked SET deaths = deaths + 1, death = $2 WHERE id = $1";
        static const char letter[] = "UPDATE weir.dead_letter SET deaths = deaths + 1, death = $2"
                                     " WHERE id = $1 AND state = 'requeue'";
        struct weir_row row;

        weir_row_begin(&row, pg);
        weir_row_int8(&row, suspicion->row);
        weir_row_text(&row, suspicion->death);
        return weir_row_query(&row, suspicion->kind == WEIR_SUSPECT_PARKED ? parked : letter, ret,
                              reterr);
}

int weir_suspicion_bound(struct weir_pg *pg, int lock_ms, int statement_ms,
                         struct weir_error *reterr)
{
        char sql[96];

        snprintf(sql, sizeof sql, "SET lock_timeout = %d; SET statement_timeout = %d", lock_ms,
                 statement_ms);
        return weir_pg_run(pg, sql, reterr);
}

int weir_suspicion_write(struct weir_pg *pg, const char *worker,
                         const struct weir_suspicion *suspicions, size_t count,
                         int64_t *ret_written, struct weir_error *reterr)
{
        int r = weir_pg_begin(pg, reterr);

        *ret_written = 0;
        for (size_t i = 0; r == 0 && i < count; i++) {
                __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;

                r = suspicions[i].kind == WEIR_SUSPECT_RECORD
                            ? write_record(pg, worker, &suspicions[i], &result, reterr)
                            : write_row(pg, &suspicions[i], &result, reterr);
                if (r == 0)
                        *ret_written += strtoll(PQcmdTuples(result), NULL, 10);
        }
        if (r == 0)
                return weir_pg_commit(pg, reterr);
        if (!weir_pg_broken(pg) && !weir_pg_idle(pg))
                weir_pg_rollback(pg);
        return r;
}
