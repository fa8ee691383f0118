/* SPDX-License-Identifier: MIT */
/*
 * attempt - the count that a crash must not reset
 *
 * An event that kills its process, or one whose retries outlast a deployment, would have its attempts
 * anew after each start and never come to an end. So the count is committed before each wait (J1).
 *
 * The race      1. A's handler asks for a retry  2. the group gives the partition to B, epoch 4 -> 5
 *               3. B reads one attempt  4. A writes its second: the lock on the position row waits for B's
 *               taking, finds epoch 5, writes nothing.
 * Clocks        the wait is kept as a time of the database and read back as what is left of it, so the
 *               clocks of two machines are never compared.
 */
#include "store/attempt.h"

#include "store/row.h"

/* The words of a death, for the dead letter. False = no memory. */
static bool get_death(const PGresult *result, int line, struct weir_arena *arena,
                      struct weir_attempt *attempt)
{
        struct weir_view death;

        if (PQgetisnull(result, line, 6))
                return true;
        if (!weir_row_get_view(result, line, 6, arena, &death))
                return false;
        attempt->death = death.ptr;
        return true;
}

int weir_attempt_load(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_arena *arena, struct weir_attempt **ret, size_t *ret_count,
                      struct weir_error *reterr)
{
        static const char clear[] =
                "DELETE FROM weir.attempt WHERE position = $1 AND \"offset\" < $2";
        static const char read[] =
                "SELECT \"offset\", item, attempts, first_failed_at,"
                " greatest(0, extract(epoch FROM next_try_at - now()) * 1000)::int8, deaths, death"
                " FROM weir.attempt WHERE position = $1 ORDER BY \"offset\", item";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_attempt *list;
        struct weir_row row;
        int count, r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        weir_row_int8(&row, position->next_offset);
        r = weir_row_query(&row, clear, NULL, reterr);
        if (r < 0)
                return r;
        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        r = weir_row_query(&row, read, &result, reterr);
        if (r < 0)
                return r;
        count = PQntuples(result);
        list = calloc((size_t)count + 1, sizeof *list);
        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "attempts of %d events", count);
        for (int i = 0; i < count; i++) {
                list[i] = (struct weir_attempt){
                        .offset = weir_row_get_int(result, i, 0, 0),
                        .item = (int32_t)weir_row_get_int(result, i, 1, 0),
                        .attempts = (int32_t)weir_row_get_int(result, i, 2, 0),
                        .first_failed_us = weir_row_get_time_us(result, i, 3, 0),
                        .wait_ms = weir_row_get_int(result, i, 4, 0),
                        .deaths = (int32_t)weir_row_get_int(result, i, 5, 0),
                };
                if (get_death(result, i, arena, &list[i]))
                        continue;
                free(list);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "attempts of %d events", count);
        }
        *ret = list;
        *ret_count = (size_t)count;
        return 0;
}

int weir_attempt_save(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_attempt *attempt, const char *reason, const char *text,
                      struct weir_error *reterr)
{
        static const char sql[] = WEIR_ROW_MINE
                "done AS (INSERT INTO weir.attempt AS a (position, \"offset\", item, attempts, reason,"
                " text, next_try_at) SELECT id, $3, $4, $5, $6, $7, now() + $8 * interval '1 ms'"
                " FROM mine ON CONFLICT (position, \"offset\", item) DO UPDATE SET"
                " attempts = excluded.attempts, reason = excluded.reason, text = excluded.text,"
                " failed_at = excluded.failed_at, next_try_at = excluded.next_try_at"
                " RETURNING first_failed_at) SELECT (SELECT count(*) FROM mine),"
                " (SELECT count(*) FROM done), (SELECT first_failed_at FROM done)";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        weir_row_int8(&row, position->epoch);
        weir_row_int8(&row, attempt->offset);
        weir_row_int4(&row, attempt->item);
        weir_row_int4(&row, attempt->attempts);
        weir_row_text(&row, reason);
        weir_row_text(&row, text);
        weir_row_int8(&row, attempt->wait_ms);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        attempt->first_failed_us = weir_row_get_time_us(result, 0, 2, 0);
        return (int)weir_row_done(result);
}

int weir_attempt_pass(struct weir_pg *pg, int32_t position, int64_t next_offset,
                      struct weir_error *reterr)
{
        static const char sql[] =
                "DELETE FROM weir.attempt WHERE position = $1 AND \"offset\" < $2";
        struct weir_row row;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position);
        weir_row_int8(&row, next_offset);
        return weir_row_query(&row, sql, NULL, reterr);
}
