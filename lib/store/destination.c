/* SPDX-License-Identifier: MIT */
/*
 * destination - what relays tell each other about a receiver that is down
 *
 * Ten relays that each find out by themselves that a receiver is down are ten probes at a time for it. So the wait is
 * a row, and the right to probe when it is over is won by a conditional UPDATE: the winner moves not_before on, the
 * others see that. The winner's death costs one hold, not the destination.
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

#define FROM_NOW(column) "(extract(epoch FROM " column " - now()) * 1000000)::int8"

int weir_destination_read(struct weir_pg *pg, weir_destination_fn *take, void *context,
                          struct weir_error *reterr)
{
        static const char sql[] = "SELECT kind::text, name, state, failures,"
                                  " " FROM_NOW("not_before") ", " FROM_NOW(
                                          "allowed_until") ", allowed_rate, coalesce(error, '')"
                                                           " FROM weir.destination";
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        int r = weir_pg_query(pg, sql, NULL, 0, &rows, reterr);

        for (size_t i = 0; r == 0 && i < weir_pg_rows_count(rows); i++) {
                struct weir_destination destination = {
                        .kind = weir_pg_rows_text(rows, i, 0).ptr[0],
                        .name = weir_pg_rows_text(rows, i, 1).ptr,
                        .state = state_of(weir_pg_rows_text(rows, i, 2)),
                        .failures = (uint32_t)weir_pg_rows_int(rows, i, 3, 0),
                        .wait_us = weir_pg_rows_int(rows, i, 4, 0),
                        .allowed_us = weir_pg_rows_int(rows, i, 5, INT64_MIN),
                        .allowed_rate = (int32_t)weir_pg_rows_int(rows, i, 6, 0),
                        .error = weir_pg_rows_text(rows, i, 7).ptr,
                };

                take(context, &destination);
        }
        return r;
}

int weir_destination_write(struct weir_pg *pg, const struct weir_destination *destination,
                           struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.destination AS d (kind, name, state, failures, not_before, error)"
                " VALUES ($1::text::\"char\", $2, $3, $4::int8::int4,"
                " now() + $5::int8 * interval '1 microsecond', nullif($6, ''))"
                " ON CONFLICT (kind, name) DO UPDATE SET state = excluded.state,"
                " failures = excluded.failures, not_before = CASE WHEN excluded.state = 'open' THEN"
                " NULL ELSE excluded.not_before END, error = excluded.error, changed_at = now()"
                " WHERE d.state <> 'retired'";
        struct weir_param_list list = weir_param_begin(pg);
        char kind[2] = { (char)destination->kind, '\0' };

        weir_param_text(&list, kind);
        weir_param_text(&list, destination->name);
        weir_param_text(&list, states[destination->state]);
        weir_param_int8(&list, destination->failures);
        weir_param_int8(&list, destination->wait_us > 0 ? destination->wait_us : 0);
        for (const char *p = destination->error ? destination->error : ""; *p; p++)
                weir_bytes_put(list.bytes, (unsigned char)*p < 0x20 || *p & 0x80 ? "?" : p, 1);
        weir_param_done(&list, WEIR_OID_TEXT, false);
        return weir_param_run(pg, sql, &list, false, NULL, reterr);
}

int weir_destination_allow(struct weir_pg *pg, const char *sink, int64_t allowed_us,
                           int32_t allowed_rate, struct weir_error *reterr)
{
        struct weir_value params[] = { weir_text_z(sink), weir_int8(allowed_us),
                                       allowed_rate > 0 ? weir_int4(allowed_rate) : weir_null() };

        return weir_pg_query(
                pg,
                "INSERT INTO weir.destination (kind, name, allowed_until, allowed_rate)"
                " VALUES ('s', $1, now() + $2::int8 * interval '1 microsecond', $3::int4)"
                " ON CONFLICT (kind, name) DO UPDATE SET"
                " allowed_until = excluded.allowed_until,"
                " allowed_rate = excluded.allowed_rate, changed_at = now()",
                params, 3, NULL, reterr);
}

int weir_destination_probe(struct weir_pg *pg, int kind, const char *name, int64_t hold_us,
                           struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char text[2] = { (char)kind, '\0' };
        struct weir_value params[] = { weir_text_z(text), weir_text_z(name), weir_int8(hold_us) };
        int r = weir_pg_query(pg,
                              "UPDATE weir.destination SET"
                              " not_before = now() + $3::int8 * interval '1 microsecond'"
                              " WHERE kind = $1::text::\"char\" AND name = $2::text"
                              " AND state = 'waiting' AND not_before <= now()",
                              params, 3, &rows, reterr);

        return r < 0 ? r : weir_pg_rows_affected(rows) > 0;
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
                "  extract(epoch FROM d.not_before - now())::int8) END, d.error"
                " FROM (SELECT kind, destination, count(*) AS rows,"
                "  count(*) FILTER (WHERE attempts > 0) AS failed, min(made_at) AS oldest"
                "  FROM weir.outbox GROUP BY kind, destination) o"
                " FULL JOIN weir.destination d ON d.kind = o.kind AND d.name = o.destination"
                " ORDER BY 1, 2";

        return weir_pg_query(pg, sql, NULL, 0, ret, reterr);
}

int weir_destination_open(struct weir_pg *pg, int kind, const char *name, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        char text[2] = { (char)kind, '\0' };
        struct weir_value params[] = { weir_text_z(text), weir_text_z(name) };
        int r = weir_pg_query(pg,
                              "UPDATE weir.destination SET state = 'open', failures = 0,"
                              " not_before = NULL, error = NULL, changed_at = now()"
                              " WHERE kind = $1::text::\"char\" AND name = $2::text",
                              params, 2, &rows, reterr);

        if (r == 0)
                r = weir_pg_query(pg,
                                  "UPDATE weir.outbox SET next_try_at = now() WHERE kind ="
                                  " $1::text::\"char\" AND destination = $2::text"
                                  " AND next_try_at > now()",
                                  params, 2, NULL, reterr);
        if (r == 0)
                r = weir_pg_run(pg, "NOTIFY " WEIR_OUTBOX_CHANNEL ", 'opened'", reterr);
        return r < 0 ? r : weir_pg_rows_affected(rows) == 0;
}
