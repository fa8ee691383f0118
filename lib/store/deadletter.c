/* SPDX-License-Identifier: MIT */
/*
 * deadletter - the one statement that must not be refused
 *
 * A record lands here because something about it is wrong, so nothing about it may be trusted to fit
 * a text column: key, value, header names and header values are stored as bytes. What is text by
 * nature (the reason, the plugin's words, the event's id) is repaired first (row.c).
 *
 * Back      1. an operator marks the row  2. the lane of its position reads and runs it: claim, effects
 *           and the new state are one transaction. The row is locked by its change of state, and the claim
 *           is unique, so however often it is marked it comes into effect once.
 *           A row of class 'deliver' is the relay's business and not looked at here.
 * Whole     a record that was refused is run with all of its events. Its class changes when one of them fails then, so
 *           item -1 keeps in mind that the letter is the record's: otherwise the next run would be of its first event
 *           alone, and 'applied' said of the rest.
 * Order     X6 what is marked comes into effect in the order in which it died, key by key: while a letter waits for its
 *           next try, later ones of its key and position wait too. An index holds those that were tried and wait, so
 *           that asking for each candidate is a probe; by a hash, since a key may be longer than an index takes.
 * Once      what fails in a replay has no claim that would keep a second one away from it. Two that meet it at the same
 *           moment would each see no letter and write one: so the second waits for the first one's end, and looks then, in a
 *           statement of its own, whose snapshot is younger than the lock. One lock for all letters of a position: a lock
 *           for each would be a row of shared memory for each.
 * Not chosen    headers as jsonb: it loses order, duplicates and every byte that is not UTF-8.
 */
#include "store/deadletter.h"

#include <string.h>

#include "store/row.h"
#include "store/wire.h"

static int keep_others_out(struct weir_pg *pg, int32_t position, struct weir_error *reterr)
{
        static const char sql[] = "SELECT pg_catalog.pg_advisory_xact_lock(" WEIR_STR_(
                WEIR_LOCK_LETTERS) ", $1::int4)";
        const struct weir_value params[] = { weir_int4(position) };

        return weir_pg_query(pg, sql, params, WEIR_COUNT_OF(params), NULL, reterr);
}

int weir_deadletter_keep(struct weir_pg *pg, const struct weir_deadletter *letter, int64_t *ret_id,
                         struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\","
                " record_time, key, value, header_names, header_values, class, reason, text,"
                " at_byte, attempts, plugin_version, source, event_id, first_failed_at, item, round,"
                " epoch, withhold)"
                " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
                " $17, $18, coalesce($19, now()), $20, $21, $22, $23 > 0 WHERE $24 = 0 OR NOT EXISTS"
                " (SELECT FROM weir.dead_letter d WHERE d.position = $1 AND d.\"offset\" = $5"
                " AND (d.item = $20 OR d.item < 0) AND d.state IN ('kept', 'requeue')"
                " AND d.class <> 'deliver' AND d.epoch IS NOT DISTINCT FROM $22) RETURNING id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        const struct weir_kept_record record = { letter->record_time_ms, letter->key, letter->value,
                                                 letter->headers, letter->header_count };
        struct weir_row row;
        int r = letter->unless_kept ? keep_others_out(pg, letter->position, reterr) : 0;

        if (r < 0)
                return r;
        weir_row_begin(&row, pg);
        weir_row_int4(&row, letter->position);
        weir_row_text(&row, letter->worker);
        weir_row_text(&row, letter->topic);
        weir_row_int4(&row, letter->partition);
        weir_row_int8(&row, letter->offset);
        weir_row_record(&row, &record);
        weir_row_text(&row, letter->klass ? letter->klass : "");
        weir_row_text(&row, letter->reason ? letter->reason : "");
        weir_row_text(&row, letter->text ? letter->text : "");
        weir_row_int8_unless(&row, letter->at_byte, letter->at_byte < 0);
        weir_row_int4(&row, letter->attempts);
        weir_row_text(&row, letter->plugin_version ? letter->plugin_version : "");
        weir_row_text_view(&row, letter->source);
        weir_row_text_view(&row, letter->id);
        weir_row_time_us(&row, letter->first_failed_us, letter->first_failed_us == 0);
        weir_row_int4(&row, letter->item);
        weir_row_int4(&row, letter->round ? letter->round : 1);
        weir_row_text(&row, letter->epoch);
        weir_row_int4(&row, letter->withhold);
        weir_row_int4(&row, letter->unless_kept);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0) {
                weir_error_prefix(reterr, "dead letter of %s/%d offset %lld: ", letter->topic,
                                  letter->partition, (long long)letter->offset);
                return r;
        }
        if (ret_id)
                *ret_id = PQntuples(result) ? weir_row_get_int(result, 0, 0, 0) : 0;
        return 0;
}

/* ---- marked --------------------------------------------------------------------------------- */

int weir_deadletter_marked(struct weir_pg *pg, int32_t *positions, size_t room, size_t *ret_count,
                           struct weir_error *reterr)
{
        /* A walk from one position to the next over the partial index: as many steps as positions. */
        static const char sql[] =
                "WITH RECURSIVE p AS ((SELECT position FROM weir.dead_letter WHERE state = 'requeue'"
                " ORDER BY position LIMIT 1) UNION ALL SELECT (SELECT d.position FROM"
                " weir.dead_letter d WHERE d.state = 'requeue' AND d.position > p.position"
                " ORDER BY d.position LIMIT 1) FROM p WHERE p.position IS NOT NULL)"
                " SELECT position FROM p WHERE position IS NOT NULL LIMIT $1";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int8(&row, (int64_t)room);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        *ret_count = (size_t)PQntuples(result);
        for (int i = 0; i < PQntuples(result); i++)
                positions[i] = (int32_t)weir_row_get_int(result, i, 0, 0);
        return 0;
}

/* Eight bytes of the hash in column 1. */
static uint64_t hash_of(const PGresult *result, int i)
{
        uint64_t hash = 0;

        if (!PQgetisnull(result, i, 1))
                memcpy(&hash, PQgetvalue(result, i, 1), sizeof hash);
        return hash;
}

int weir_deadletter_due(struct weir_pg *pg, int32_t position,
                        const struct weir_deadletter_delay *delay,
                        struct weir_deadletter_turn *turns, size_t room, size_t *ret_count,
                        struct weir_error *reterr)
{
        /* The exponent is bounded: a hundred to the power of twenty is longer than any maximum. */
        static const char sql[] =
                "SELECT id, sha256(key) FROM weir.dead_letter d WHERE position = $1"
                " AND state = 'requeue' AND class <> 'deliver' AND (attempts = 0 OR failed_at +"
                " least($2::float8, $3::float8 * power($4::float8, least(attempts - 1, 20)))"
                " * interval '1 ms' <= now()) AND NOT EXISTS (SELECT FROM weir.dead_letter e"
                " WHERE e.position = $1 AND e.state = 'requeue' AND e.attempts > 0"
                " AND sha256(e.key) = sha256(d.key) AND e.id < d.id OFFSET 0)"
                " ORDER BY id LIMIT $5";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position);
        weir_row_int8(&row, delay->max_ms);
        weir_row_int8(&row, delay->first_ms);
        weir_row_int8(&row, delay->factor);
        weir_row_int8(&row, (int64_t)room);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        *ret_count = (size_t)PQntuples(result);
        for (int i = 0; i < PQntuples(result); i++)
                turns[i] = (struct weir_deadletter_turn){ weir_row_get_int(result, i, 0, 0),
                                                          hash_of(result, i) };
        return 0;
}

int weir_deadletter_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                         struct weir_kept_event *ret, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT \"offset\", item, attempts, round, class = 'decode' OR item < 0, first_failed_at,"
                " record_time, key, value, header_names, header_values, deaths, death, epoch, withhold"
                " FROM weir.dead_letter WHERE id = $1 AND state = 'requeue'";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int8(&row, id);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        if (PQntuples(result) == 0)
                return 1;
        *ret = (struct weir_kept_event){
                .id = id,
                .offset = weir_row_get_int(result, 0, 0, 0),
                .item = (int32_t)weir_row_get_int(result, 0, 1, 0),
                .attempts = (int32_t)weir_row_get_int(result, 0, 2, 0),
                .round = (int32_t)weir_row_get_int(result, 0, 3, 1),
                .whole = weir_row_get_int(result, 0, 4, 0) != 0,
                .deaths = (int32_t)weir_row_get_int(result, 0, 11, 0),
                .first_failed_us = weir_row_get_time_us(result, 0, 5, 0),
                .withhold = weir_row_get_int(result, 0, 14, 0) != 0,
        };
        if (!weir_row_get_view(result, 0, 13, arena, &ret->epoch))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "dead letter %lld", (long long)id);
        if (ret->deaths && !weir_row_get_view(result, 0, 12, arena, &ret->death))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "dead letter %lld", (long long)id);
        return weir_row_get_record(result, 0, 6, arena, &ret->record, reterr);
}

int weir_deadletter_settle(struct weir_pg *pg, int64_t id, bool applied, struct weir_error *reterr)
{
        static const char sql[] = "UPDATE weir.dead_letter SET state = $2, marked_at = now()"
                                  " WHERE id = $1 AND state = 'requeue' RETURNING id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int8(&row, id);
        weir_row_text(&row, applied ? "applied" : "duplicate");
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        return PQntuples(result) == 1 ? WEIR_KEPT_DONE : WEIR_KEPT_GONE;
}

int weir_deadletter_fail(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_deadletter_failure *failure, struct weir_error *reterr)
{
        static const char sql[] = WEIR_ROW_MINE
                "done AS (UPDATE weir.dead_letter d SET attempts = $4, class = $5, reason = $6,"
                " text = $7, at_byte = $8, plugin_version = $9, failed_at = now(), state = $10,"
                " item = CASE WHEN d.class = 'decode' THEN -1 ELSE d.item END,"
                " marked_at = CASE WHEN $10 = 'kept' THEN now() ELSE marked_at END"
                " FROM mine WHERE d.id = $3 AND d.state = 'requeue' RETURNING 1)" WEIR_ROW_DONE;
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        weir_row_int8(&row, position->epoch);
        weir_row_int8(&row, failure->id);
        weir_row_int4(&row, failure->attempts);
        weir_row_text(&row, failure->klass);
        weir_row_text(&row, failure->reason);
        weir_row_text(&row, failure->text);
        weir_row_int8_unless(&row, failure->at_byte, failure->at_byte < 0);
        weir_row_text(&row, failure->plugin_version);
        weir_row_text(&row, failure->last ? "kept" : "requeue");
        r = weir_row_query(&row, sql, &result, reterr);
        return r < 0 ? r : (int)weir_row_done(result);
}
