/* SPDX-License-Identifier: MIT */
/*
 * decided - the memory that a restart must not wipe out
 *
 * A bad deploy restarts its processes and moves its partitions about; if each start began with no failures in mind,
 * each could condemn a share anew until nothing is left. The trail (weir.batch) already says for every transaction
 * how many records it passed, how many it condemned, and by which version of the plugin; so nothing more is written.
 *
 * Where it begins   at the last word of an operator: the newest row of weir.position_change, which `weir position set`
 *               leaves. Its epoch says which rows are from after it, exactly: a set raises the epoch under the lock of
 *               the position, so no transaction of an older epoch can commit behind it. Its offset bounds the walk over
 *               the index, where a position was set back over a long trail.
 * Versions      rows of other versions of the plugin do not count: a repaired deploy begins anew, and so that two
 *               versions that run side by side do not wipe out each other's failures, they are left out one by one.
 * Parked        a record that was parked was not decided: it takes no place in the window, neither here nor in memory.
 *               Decided later it leaves a row without records; a good one is not seen here, which errs to the safe side.
 * Bounded       at most 20,000 rows are looked at, or twice @window: each passed a record, or condemned a parked one.
 *               What was passed without either (markers of transactions, what was run again) is left out first. So another
 *               version that made more transactions than that since has hidden this one's failures.
 * Not chosen    a column that is kept up to date with each transaction: a million bits for what is read at a taking.
 */
#include "store/decided.h"

#include "store/row.h"

int weir_decided_load(struct weir_pg *pg, const struct weir_position *position,
                      const char *plugin_version, uint32_t window, struct weir_decided **ret,
                      size_t *ret_count, struct weir_error *reterr)
{
        static const char sql[] =
                "WITH word AS (SELECT epoch, after FROM weir.position_change WHERE position = $1"
                " ORDER BY id DESC LIMIT 1),"
                " trail AS (SELECT id, records - parked AS records, dead, plugin_version FROM weir.batch WHERE position = $1"
                " AND first_offset >= coalesce((SELECT after FROM word), 0) AND first_offset <= $2"
                " AND epoch >= coalesce((SELECT epoch FROM word), 0) AND (records > parked OR dead > 0)"
                " ORDER BY first_offset DESC, id DESC LIMIT greatest(2 * $4, 20000)),"
                " own AS (SELECT id, records, dead, sum(records) OVER (ORDER BY id DESC) - records AS"
                " newer FROM trail WHERE plugin_version = $3)"
                " SELECT newer, records, dead FROM own WHERE dead > 0 AND newer < $4 ORDER BY id DESC";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_decided *list;
        struct weir_row row;
        int count, r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        weir_row_int8(&row, position->next_offset);
        weir_row_text(&row, plugin_version);
        weir_row_int8(&row, window);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return weir_error_prefix(reterr,
                                         "what was condemned last, of position %d: ", position->id);
        count = PQntuples(result);
        list = calloc((size_t)count + 1, sizeof *list);
        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%d transactions of the trail", count);
        for (int i = 0; i < count; i++)
                list[i] = (struct weir_decided){
                        .newer = weir_row_get_int(result, i, 0, 0),
                        .records = (uint32_t)weir_row_get_int(result, i, 1, 0),
                        .dead = (uint32_t)weir_row_get_int(result, i, 2, 0),
                };
        *ret = list;
        *ret_count = (size_t)count;
        return 0;
}
