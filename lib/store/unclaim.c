/* SPDX-License-Identifier: MIT */
/*
 * unclaim - a claim that was made a moment ago, in this transaction, and shall not be
 *
 * The set of generations stands still until COMMIT (the shared lock of apply.c), so the claims are where they were
 * put. Another transaction that waits for one of these keys sees it gone after COMMIT, and claims it.
 *
 * Not chosen    leaving the claim and remembering that it counts for nothing: every reader of claims would have to know.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/apply.h"
#include "store/row.h"
#include "store/wire.h"

int weir_apply_unclaim(struct weir_pg *pg, const struct weir_key *keys, size_t count,
                       struct weir_error *reterr)
{
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        WEIR_FREE char *list = malloc(count * (2 * sizeof keys->bytes + 1) + 3);
        struct weir_row row;
        char sql[400], *at = list;
        int r;

        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu keys", count);
        for (size_t i = 0; i < count; i++) {
                *at++ = i == 0 ? '{' : ',';
                for (size_t k = 0; k < sizeof keys->bytes; k++)
                        at += snprintf(at, 3, "%02x", keys[i].bytes[k]);
        }
        memcpy(at, "}", 2);
        snprintf(sql, sizeof sql,
                 "WITH gone AS (DELETE FROM weir.claim_%" PRId64
                 " WHERE key = ANY ($1::text::uuid[]) RETURNING 1), trail AS (UPDATE weir.batch SET"
                 " events = events - $2, fresh = fresh - $2, dead = dead + $2 WHERE id ="
                 " currval(pg_get_serial_sequence('weir.batch', 'id')) RETURNING 1)"
                 " SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM trail)",
                 pg->claims.generation);
        weir_row_begin(&row, pg);
        weir_row_text(&row, list);
        weir_row_int4(&row, (int32_t)count);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        if (weir_row_get_int(result, 0, 0, 0) != (int64_t)count ||
            weir_row_get_int(result, 0, 1, 0) != 1)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "%zu claims and a row of weir.batch were to be changed, not %lld "
                                 "and %lld; is there a trigger or a rule on these tables?",
                                 count, (long long)weir_row_get_int(result, 0, 0, 0),
                                 (long long)weir_row_get_int(result, 0, 1, 0));
        return 0;
}
