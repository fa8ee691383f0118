/* SPDX-License-Identifier: MIT */
/*
 * parked - the statements behind flow/park
 *
 * The order of a key is the order of ids: rows are inserted by one lane at a time (the fence), in the order of
 * the log, and an identity grows.
 */
#include "store/parked.h"

#include "event/key.h"
#include "store/row.h"

bool weir_parked_key_hash(struct weir_view key, uint64_t *ret)
{
        int64_t hash = 0;

        *ret = 0;
        if (!key.ptr)
                return true;
        if (weir_key_fingerprint(0, key, (struct weir_view){ NULL, 0 }, &hash) < 0)
                return false;
        *ret = hash ? (uint64_t)hash : 1;
        return true;
}

int weir_parked_load(struct weir_pg *pg, int32_t position, struct weir_parked **ret,
                     size_t *ret_count, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT id, \"offset\", item, attempts,"
                " greatest(0, extract(epoch FROM next_try_at - now()) * 1000)::int8, key"
                " FROM weir.parked WHERE position = $1 ORDER BY id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_parked *list;
        struct weir_row row;
        int count, r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        count = PQntuples(result);
        list = calloc((size_t)count + 1, sizeof *list);
        if (!list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%d parked events", count);
        for (int i = 0; i < count; i++) {
                struct weir_view key = { NULL, 0 };

                if (!PQgetisnull(result, i, 5))
                        key = (struct weir_view){ PQgetvalue(result, i, 5),
                                                  (size_t)PQgetlength(result, i, 5) };
                list[i] = (struct weir_parked){
                        .id = weir_row_get_int(result, i, 0, 0),
                        .offset = weir_row_get_int(result, i, 1, 0),
                        .item = (int32_t)weir_row_get_int(result, i, 2, 0),
                        .attempts = (int32_t)weir_row_get_int(result, i, 3, 0),
                        .wait_ms = weir_row_get_int(result, i, 4, 0),
                };
                if (!weir_parked_key_hash(key, &list[i].key_hash)) {
                        free(list);
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "%d parked events", count);
                }
        }
        *ret = list;
        *ret_count = (size_t)count;
        return 0;
}

int weir_parked_insert(struct weir_pg *pg, const struct weir_parked_new *parked, int64_t *ret_id,
                       struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.parked (position, topic, partition, \"offset\", item, record_time,"
                " key, value, header_names, header_values, source, event_id, attempts, reason, text,"
                " first_failed_at, next_try_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
                " $11, $12, $13, $14, $15, CASE WHEN $13 > 0 THEN coalesce($16, now()) END,"
                " now() + $17 * interval '1 ms') RETURNING id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, parked->position);
        weir_row_text(&row, parked->topic);
        weir_row_int4(&row, parked->partition);
        weir_row_int8(&row, parked->offset);
        weir_row_int4(&row, parked->item);
        weir_row_record(&row, parked->record);
        weir_row_text_view(&row, parked->source);
        weir_row_text_view(&row, parked->event_id);
        weir_row_int4(&row, parked->attempts);
        weir_row_text(&row, parked->reason);
        weir_row_text(&row, parked->text);
        weir_row_time_us(&row, parked->first_failed_us, parked->first_failed_us == 0);
        weir_row_int8(&row, parked->wait_ms);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0) {
                weir_error_prefix(reterr, "parking %s/%d offset %lld: ", parked->topic,
                                  parked->partition, (long long)parked->offset);
                return r;
        }
        *ret_id = weir_row_get_int(result, 0, 0, 0);
        return 0;
}

int weir_parked_read(struct weir_pg *pg, int64_t id, struct weir_arena *arena,
                     struct weir_kept_event *ret, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT \"offset\", item, attempts, first_failed_at, record_time, key, value,"
                " header_names, header_values, deaths, death FROM weir.parked WHERE id = $1";
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
                .round = 1,
                .deaths = (int32_t)weir_row_get_int(result, 0, 9, 0),
                .first_failed_us = weir_row_get_time_us(result, 0, 3, 0),
        };
        if (ret->deaths && !weir_row_get_view(result, 0, 10, arena, &ret->death))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parked event %lld", (long long)id);
        return weir_row_get_record(result, 0, 4, arena, &ret->record, reterr);
}

int weir_parked_remove(struct weir_pg *pg, int64_t id, struct weir_error *reterr)
{
        static const char sql[] = "DELETE FROM weir.parked WHERE id = $1 RETURNING id";
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int8(&row, id);
        r = weir_row_query(&row, sql, &result, reterr);
        if (r < 0)
                return r;
        return PQntuples(result) == 1 ? WEIR_KEPT_DONE : WEIR_KEPT_GONE;
}

int weir_parked_postpone(struct weir_pg *pg, const struct weir_position *position,
                         const struct weir_parked *parked, const char *reason, const char *text,
                         struct weir_error *reterr)
{
        static const char sql[] = WEIR_ROW_MINE
                "done AS (UPDATE weir.parked p SET attempts = $4, reason = $5, text = $6,"
                " first_failed_at = coalesce(first_failed_at, now()),"
                " next_try_at = now() + $7 * interval '1 ms'"
                " FROM mine WHERE p.id = $3 RETURNING 1)" WEIR_ROW_DONE;
        __attribute__((cleanup(weir_pgresult_clearp))) PGresult *result = NULL;
        struct weir_row row;
        int r;

        weir_row_begin(&row, pg);
        weir_row_int4(&row, position->id);
        weir_row_int8(&row, position->epoch);
        weir_row_int8(&row, parked->id);
        weir_row_int4(&row, parked->attempts);
        weir_row_text(&row, reason);
        weir_row_text(&row, text);
        weir_row_int8(&row, parked->wait_ms);
        r = weir_row_query(&row, sql, &result, reterr);
        return r < 0 ? r : (int)weir_row_done(result);
}
