/* SPDX-License-Identifier: MIT */
/*
 * deadletter - the one statement that must not be refused
 *
 * A record lands here because something about it is wrong, so nothing about it may be trusted to fit
 * a text column: key, value, header names and header values are stored as bytes. What is text by
 * nature (the reason, the plugin's words, the event's id) is repaired first: an error text that was
 * cut in the middle of a character would otherwise be refused with 22021, and the partition would
 * stand for ever on a record that can be neither handled nor kept.
 *
 * Not chosen    headers as jsonb: it loses order, duplicates and every byte that is not UTF-8.
 */
#include "store/deadletter.h"

#include "store/wire.h"

enum { COUNT = 20, TEXT_MAX = 4096 };

/* Bytes of the UTF-8 character at @p, 0 = not one that PostgreSQL accepts. */
static size_t character(const unsigned char *p, size_t left)
{
        unsigned char low = 0x80, high = 0xbf;
        size_t size;

        if (p[0] < 0x80)
                return p[0] != 0;
        if (p[0] >= 0xc2 && p[0] <= 0xdf) {
                size = 2;
        } else if ((p[0] & 0xf0) == 0xe0) {
                size = 3;
                low = p[0] == 0xe0 ? 0xa0 : low;
                high = p[0] == 0xed ? 0x9f : high;
        } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
                size = 4;
                low = p[0] == 0xf0 ? 0x90 : low;
                high = p[0] == 0xf4 ? 0x8f : high;
        } else {
                return 0;
        }
        if (left < size || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < size; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return size;
}

/* Append @text as valid UTF-8 of at most TEXT_MAX bytes: '?' for each byte that is not. */
static void put_clean(struct weir_bytes *bytes, const char *text, size_t size)
{
        const unsigned char *p = (const unsigned char *)text;
        size_t stop = bytes->used + TEXT_MAX;

        while (size > 0) {
                size_t good = character(p, size);
                size_t step = good ? good : 1;

                if (bytes->used + step > stop || bytes->failed)
                        return;
                weir_bytes_put(bytes, good ? (const void *)p : "?", step);
                p += step;
                size -= step;
        }
}

static void put_headers(struct weir_bytes *bytes, const struct weir_deadletter *letter, bool values)
{
        bool has_null = false;

        for (size_t i = 0; i < letter->header_count; i++)
                has_null = has_null || (values && !letter->headers[i].value);
        weir_bytes_put_array(bytes, WEIR_OID_BYTEA, letter->header_count, has_null);
        for (size_t i = 0; i < letter->header_count; i++) {
                const struct weir_header *header = &letter->headers[i];
                const char *from = values ? header->value : header->name;
                size_t size = values ? header->size : strlen(header->name);

                if (!from) {
                        weir_bytes_put32(bytes, UINT32_MAX);
                        continue;
                }
                weir_bytes_put32(bytes, (uint32_t)size);
                weir_bytes_put(bytes, from, size);
        }
}

/* Parameters under construction: offsets into @bytes first, since it moves while it grows. */
struct letter_params {
        struct weir_bytes *bytes;
        size_t starts[COUNT + 1];
        bool null[COUNT];
        Oid types[COUNT];
        size_t count;
};

static void done(struct letter_params *params, Oid type, bool null)
{
        params->types[params->count] = type;
        params->null[params->count] = null;
        params->starts[++params->count] = params->bytes->used;
}

static void text(struct letter_params *params, const char *from)
{
        if (from)
                put_clean(params->bytes, from, strlen(from));
        done(params, WEIR_OID_TEXT, !from);
}

static void text_view(struct letter_params *params, struct weir_view view)
{
        if (view.ptr)
                put_clean(params->bytes, view.ptr, view.size);
        done(params, WEIR_OID_TEXT, !view.ptr);
}

static void bytea(struct letter_params *params, struct weir_view view)
{
        if (view.ptr)
                weir_bytes_put(params->bytes, view.ptr, view.size);
        done(params, WEIR_OID_BYTEA, !view.ptr);
}

static void int4(struct letter_params *params, int32_t number)
{
        weir_bytes_put32(params->bytes, (uint32_t)number);
        done(params, WEIR_OID_INT4, false);
}

static void int8(struct letter_params *params, int64_t number, bool null)
{
        weir_bytes_put64(params->bytes, (uint64_t)number);
        done(params, WEIR_OID_INT8, null);
}

static void timestamptz(struct letter_params *params, int64_t us, bool null)
{
        int64_t since_2000_us = 0;

        null = null || __builtin_sub_overflow(us, WEIR_PG_EPOCH_US, &since_2000_us);
        weir_bytes_put64(params->bytes, (uint64_t)since_2000_us);
        done(params, WEIR_OID_TIMESTAMPTZ, null);
}

/* A record's timestamp is the producer's word: what PostgreSQL cannot hold is kept as NULL. */
static bool time_fits(int64_t ms)
{
        return ms >= 0 && ms < INT64_MAX / 1000;
}

int weir_deadletter_insert(struct weir_pg *pg, const struct weir_deadletter *letter,
                           struct weir_error *reterr)
{
        static const char sql[] =
                "INSERT INTO weir.dead_letter (position, worker, topic, partition, \"offset\","
                " record_time, key, value, header_names, header_values, class, reason, text, "
                "at_byte,"
                " attempts, plugin_version, source, event_id, first_failed_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
                "$17, $18,"
                " coalesce($19, now()))";
        struct letter_params params = { .bytes = &pg->scratch };
        const char *values[COUNT];
        int lengths[COUNT], formats[COUNT];
        struct weir_params wire;
        int r;

        weir_bytes_cut(&pg->scratch, 0);
        int4(&params, letter->position);
        text(&params, letter->worker);
        text(&params, letter->topic);
        int4(&params, letter->partition);
        int8(&params, letter->offset, false);
        timestamptz(&params, time_fits(letter->record_time_ms) ? letter->record_time_ms * 1000 : 0,
                    !time_fits(letter->record_time_ms));
        bytea(&params, letter->key);
        bytea(&params, letter->value);
        put_headers(&pg->scratch, letter, false);
        done(&params, WEIR_OID_BYTEA_ARRAY, false);
        put_headers(&pg->scratch, letter, true);
        done(&params, WEIR_OID_BYTEA_ARRAY, false);
        text(&params, letter->klass ? letter->klass : "");
        text(&params, letter->reason ? letter->reason : "");
        text(&params, letter->text ? letter->text : "");
        int8(&params, letter->at_byte, letter->at_byte < 0);
        int4(&params, letter->attempts);
        text(&params, letter->plugin_version ? letter->plugin_version : "");
        text_view(&params, letter->source);
        text_view(&params, letter->id);
        timestamptz(&params, letter->first_failed_us, letter->first_failed_us == 0);
        weir_bytes_put(&pg->scratch, "", 1); /* so that an empty last value has an address */
        if (pg->scratch.failed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "dead letter of %s/%d offset %lld",
                                 letter->topic, letter->partition, (long long)letter->offset);
        for (size_t i = 0; i < params.count; i++) {
                values[i] = params.null[i] ? NULL
                                           : (const char *)pg->scratch.data + params.starts[i];
                lengths[i] = (int)(params.starts[i + 1] - params.starts[i]);
                formats[i] = 1;
        }
        wire = (struct weir_params){ params.count, params.types, values, lengths, formats };
        r = weir_wire_query(pg, sql, &wire, NULL, reterr);
        weir_bytes_reset(&pg->scratch, 1024 * 1024);
        if (r < 0)
                weir_error_prefix(reterr, "dead letter of %s/%d offset %lld: ", letter->topic,
                                  letter->partition, (long long)letter->offset);
        return r;
}
