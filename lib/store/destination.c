/* SPDX-License-Identifier: MIT */
/*
 * destination - what relays tell each other about a receiver that is down
 *
 * Ten relays that each find out by themselves that a receiver is down are ten probes at a time for it. So the wait is
 * a row, and the right to probe when it is over is won by a conditional UPDATE: the winner sets probe_until, the
 * others see that. The winner's death costs one hold, not the destination.
 *
 * The race      1. A probes  2. a request of B, begun long before, brings "Retry-After: 60"; B writes it  3. A's probe
 *               arrives, and A writes "open": what the receiver asked for last would be gone for everybody. So a wait
 *               that is not over is never opened by a relay: when A began, none was left, so it is younger than A's
 *               question. And a wait is only ever replaced by a later one. The hold of a probe is no wait, and has a
 *               column of its own: in not_before it could not be told from what a receiver asked for.
 *
 * What was found out about an address says nothing about the next one: state and consent carry a hash of what they are
 * about (a hash, for a url may hold a token), and what is about something else does not count.
 *
 * Times are sent as distances from now and added to the server's clock: relays on machines whose clocks differ agree.
 */
#include "store/destination.h"

#include "store/param.h"

static const char *const states[] = { "open", "waiting", "retired" };

static int state_of(struct weir_view text)
{
        for (int i = 0; i < (int)WEIR_COUNT_OF(states); i++)
                if (strcmp(states[i], text.ptr) == 0)
                        return i;
        return WEIR_DESTINATION_OPEN;
}

#define FROM_NOW_OF(column, now) "(extract(epoch FROM " column " - " now ") * 1000000)::int8"
#define FROM_NOW(column) FROM_NOW_OF(column, "now()")

int weir_destination_read(struct weir_pg *pg, weir_destination_fn *take, void *context,
                          struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT kind::text, name, target, state, failures,"
                " " FROM_NOW("not_before") ", " FROM_NOW("probe_until") ", coalesce(allowed_for, ''), " FROM_NOW(
                        "allowed_until") ","
                                         " allowed_rate, coalesce(error, '') FROM weir.destination";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                struct weir_destination destination = {
                        .kind = weir_pg_rows_text(rows, i, 0).ptr[0],
                        .name = weir_pg_rows_text(rows, i, 1).ptr,
                        .target = weir_pg_rows_text(rows, i, 2).ptr,
                        .state = state_of(weir_pg_rows_text(rows, i, 3)),
                        .failures = (uint32_t)weir_pg_rows_int(rows, i, 4, 0),
                        .wait_us = weir_pg_rows_int(rows, i, 5, 0),
                        .probe_us = weir_pg_rows_int(rows, i, 6, 0),
                        .allowed_for = weir_pg_rows_text(rows, i, 7).ptr,
                        .allowed_us = weir_pg_rows_int(rows, i, 8, INT64_MIN),
                        .allowed_rate = (int32_t)weir_pg_rows_int(rows, i, 9, 0),
                        .error = weir_pg_rows_text(rows, i, 10).ptr,
                };

                take(context, &destination);
        }
        return r;
}

int weir_destination_write(struct weir_pg *pg, const struct weir_destination *destination,
                           struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.destination AS d (kind, name, target, state, failures, not_before,"
                " error) VALUES ($1::text::\"char\", $2, $3, $4, $5::int8::int4,"
                " now() + $6::int8 * interval '1 microsecond', nullif($7, ''))"
                " ON CONFLICT (kind, name) DO UPDATE SET target = excluded.target,"
                " state = excluded.state,"
                " failures = excluded.failures, not_before = CASE WHEN excluded.state = 'open' THEN"
                " NULL WHEN d.state = 'waiting' AND d.target IN ('', excluded.target)"
                " THEN greatest(d.not_before, excluded.not_before) ELSE excluded.not_before END,"
                " probe_until = CASE WHEN excluded.state = 'waiting' AND NOT $8::bool"
                " THEN d.probe_until END, error = excluded.error, changed_at = now()"
                " WHERE d.target NOT IN ('', excluded.target) OR (d.state <> 'retired'"
                " AND NOT (excluded.state = 'open' AND d.state = 'waiting'"
                " AND d.not_before > now()))";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_param_list list = weir_param_begin(pg);
        char kind[2] = { (char)destination->kind, '\0' };
        int r;

        weir_param_text(&list, kind);
        weir_param_text(&list, destination->name);
        weir_param_text(&list, destination->target);
        weir_param_text(&list, states[destination->state]);
        weir_param_int8(&list, destination->failures);
        weir_param_int8(&list, destination->wait_us > 0 ? destination->wait_us : 0);
        for (const char *p = destination->error ? destination->error : ""; *p; p++)
                weir_bytes_put(list.bytes, (unsigned char)*p < 0x20 || *p & 0x80 ? "?" : p, 1);
        weir_param_done(&list, WEIR_OID_TEXT, false);
        weir_param_bool(&list, destination->probed);
        r = weir_param_run(pg, sql, &list, false, &result, reterr);
        return r < 0 ? r : strcmp(PQcmdTuples(result), "0") == 0;
}

int weir_destination_allow(struct weir_pg *pg, const char *sink, const char *allowed_for,
                           int64_t allowed_us, int32_t allowed_rate, struct weir_error *reterr)
{
        static const char grant[] =
                "INSERT INTO weir.destination (kind, name, allowed_for, allowed_until, allowed_rate)"
                " VALUES ('s', $1, $2, now() + $3::int8 * interval '1 microsecond', $4::int4)"
                " ON CONFLICT (kind, name) DO UPDATE SET allowed_for = excluded.allowed_for,"
                " allowed_until = excluded.allowed_until,"
                " allowed_rate = excluded.allowed_rate, changed_at = now()";
        static const char withdraw[] =
                "UPDATE weir.destination SET allowed_until = NULL, allowed_rate = NULL,"
                " changed_at = now() WHERE kind = 's' AND name = $1::text AND allowed_for = $2::text";
        struct weir_value params[] = { weir_text_z(sink), weir_text_z(allowed_for),
                                       weir_int8(allowed_us),
                                       allowed_rate > 0 ? weir_int4(allowed_rate) : weir_null() };
        bool granted = allowed_us != INT64_MIN;

        return weir_pg_query(pg, granted ? grant : withdraw, params, granted ? 4 : 2, NULL, reterr);
}

int weir_destination_probe(struct weir_pg *pg, int kind, const char *name, const char *target,
                           int64_t hold_us, struct weir_error *reterr)
{
        static const char sql[] =
                "WITH won AS (UPDATE weir.destination SET"
                " probe_until = now() + $4::int8 * interval '1 microsecond'"
                " WHERE kind = $1::text::\"char\" AND name = $2::text AND target IN ('', $3::text)"
                " AND state = 'waiting' AND not_before <= now()"
                " AND (probe_until IS NULL OR probe_until <= now()) RETURNING 1)"
                " SELECT (EXISTS (SELECT FROM won) OR NOT EXISTS (SELECT FROM weir.destination d"
                " WHERE d.kind = $1::text::\"char\" AND d.name = $2::text"
                " AND d.target IN ('', $3::text)))::int4";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char text[2] = { (char)kind, '\0' };
        struct weir_value params[] = { weir_text_z(text), weir_text_z(name), weir_text_z(target),
                                       weir_int8(hold_us) };
        int r = weir_pg_query(pg, sql, params, 4, &rows, reterr);

        return r < 0 ? r : weir_pg_rows_int(rows, 0, 0, 0) == 1;
}

int weir_destination_reserve(struct weir_pg *pg, int kind, const char *name, int64_t span_us,
                             int64_t *ret_wait_us, struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.destination AS d (kind, name, taken_until) VALUES"
                " ($1::text::\"char\", $2, clock_timestamp() + $3::int8 * interval '1 microsecond')"
                " ON CONFLICT (kind, name) DO UPDATE SET taken_until ="
                " greatest(d.taken_until, clock_timestamp()) + $3::int8 * interval '1 microsecond'"
                " RETURNING " FROM_NOW_OF("taken_until", "clock_timestamp()") " - $3::int8";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char text[2] = { (char)kind, '\0' };
        struct weir_value params[] = { weir_text_z(text), weir_text_z(name), weir_int8(span_us) };
        int r = weir_pg_query(pg, sql, params, 3, &rows, reterr);

        if (r < 0)
                return r;
        *ret_wait_us = weir_pg_rows_int(rows, 0, 0, 0);
        if (*ret_wait_us < 0) /* the moment has passed while the row was written */
                *ret_wait_us = 0;
        return 0;
}

int weir_destination_overview(struct weir_pg *pg, struct weir_pg_rows **ret,
                              struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT coalesce(o.kind, d.kind)::text, coalesce(o.destination, d.name),"
                " coalesce(o.rows, 0), coalesce(o.failed, 0),"
                " coalesce(extract(epoch FROM now() - o.oldest)::int8, 0),"
                " (SELECT count(DISTINCT s.owner) FROM weir.outbox_stream s WHERE s.kind ="
                "  coalesce(o.kind, d.kind) AND s.destination = coalesce(o.destination, d.name)),"
                " coalesce(d.state, 'open'), coalesce(d.failures, 0),"
                " CASE d.state WHEN 'waiting' THEN greatest(0,"
                "  extract(epoch FROM d.not_before - now())::int8) END, coalesce(d.error, o.error)"
                " FROM (SELECT kind, destination, count(*) AS rows,"
                "  count(*) FILTER (WHERE attempts > 0) AS failed, min(made_at) AS oldest,"
                "  min(error) FILTER (WHERE attempts > 0) AS error"
                "  FROM weir.outbox GROUP BY kind, destination) o"
                " FULL JOIN weir.destination d ON d.kind = o.kind AND d.name = o.destination"
                " ORDER BY 1, 2";

        return weir_pg_query(pg, sql, NULL, 0, ret, reterr);
}

int weir_destination_open(struct weir_pg *pg, int kind, const char *name, struct weir_error *reterr)
{
        static const char state[] =
                "UPDATE weir.destination SET state = 'open', failures = 0, not_before = NULL,"
                " probe_until = NULL, error = NULL, allowed_for = NULL, allowed_until = NULL, allowed_rate = NULL,"
                " changed_at = now() WHERE kind = $1::text::\"char\" AND name = $2::text";
        /* What the receiver asked for was written to its rows too. */
        static const char waits[] =
                "UPDATE weir.outbox SET next_try_at = NULL WHERE kind = $1::text::\"char\""
                " AND destination = $2::text AND next_try_at > now()";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char text[2] = { (char)kind, '\0' };
        struct weir_value params[] = { weir_text_z(text), weir_text_z(name) };
        int r = weir_pg_query(pg, state, params, 2, &rows, reterr);

        if (r == 0)
                r = weir_pg_query(pg, waits, params, 2, NULL, reterr);
        if (r == 0)
                r = weir_pg_run(pg, "NOTIFY " WEIR_OUTBOX_CHANNEL ", '" WEIR_OUTBOX_OPENED "'",
                                reterr);
        return r < 0 ? r : weir_pg_rows_affected(rows) == 0;
}
