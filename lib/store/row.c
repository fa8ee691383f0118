/* SPDX-License-Identifier: MIT */
/*
 * row - parameters in binary, one behind the other in the connection's scratch
 *
 * The statements that keep an event (dead letter, parked event, attempt) must not be refused for what the
 * event is: an error text that was cut in the middle of a character would fail with 22021, and the partition
 * would stand for ever on a record that can be neither handled nor kept. So texts are repaired here.
 *
 * Results are read in binary form: bytea[] as text would have to be unescaped twice.
 */
#include "store/row.h"

#include <endian.h>

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

/* Append @text as valid UTF-8 of at most WEIR_ROW_TEXT_MAX bytes: '?' for each byte that is not. */
static void put_clean(struct weir_bytes *bytes, const char *text, size_t size)
{
        const unsigned char *p = (const unsigned char *)text;
        size_t stop = bytes->used + WEIR_ROW_TEXT_MAX;

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

void weir_row_begin(struct weir_row *row, struct weir_pg *pg)
{
        *row = (struct weir_row){ .pg = pg };
        weir_bytes_cut(&pg->scratch, 0);
}

static void done(struct weir_row *row, Oid type, bool null)
{
        assert(row->count < WEIR_ROW_MAX);
        row->types[row->count] = type;
        row->null[row->count] = null;
        row->starts[++row->count] = row->pg->scratch.used;
}

void weir_row_text(struct weir_row *row, const char *text)
{
        weir_row_text_view(row, (struct weir_view){ text, text ? strlen(text) : 0 });
}

void weir_row_text_view(struct weir_row *row, struct weir_view text)
{
        if (text.ptr)
                put_clean(&row->pg->scratch, text.ptr, text.size);
        done(row, WEIR_OID_TEXT, !text.ptr);
}

void weir_row_list(struct weir_row *row, const char *list)
{
        weir_bytes_put(&row->pg->scratch, list, strlen(list));
        done(row, WEIR_OID_TEXT, false);
}

void weir_row_bytea(struct weir_row *row, struct weir_view bytes)
{
        if (bytes.ptr)
                weir_bytes_put(&row->pg->scratch, bytes.ptr, bytes.size);
        done(row, WEIR_OID_BYTEA, !bytes.ptr);
}

void weir_row_int4(struct weir_row *row, int32_t number)
{
        weir_bytes_put32(&row->pg->scratch, (uint32_t)number);
        done(row, WEIR_OID_INT4, false);
}

void weir_row_int8(struct weir_row *row, int64_t number)
{
        weir_row_int8_unless(row, number, false);
}

void weir_row_int8_unless(struct weir_row *row, int64_t number, bool null)
{
        weir_bytes_put64(&row->pg->scratch, (uint64_t)number);
        done(row, WEIR_OID_INT8, null);
}

void weir_row_time_us(struct weir_row *row, int64_t us, bool null)
{
        int64_t since_2000_us = 0;

        null = null || __builtin_sub_overflow(us, WEIR_PG_EPOCH_US, &since_2000_us);
        weir_bytes_put64(&row->pg->scratch, (uint64_t)since_2000_us);
        done(row, WEIR_OID_TIMESTAMPTZ, null);
}

static void headers(struct weir_row *row, const struct weir_kept_record *record, bool values)
{
        struct weir_bytes *bytes = &row->pg->scratch;
        bool has_null = false;

        for (size_t i = 0; i < record->header_count; i++)
                has_null = has_null || (values && !record->headers[i].value);
        weir_bytes_put_array(bytes, WEIR_OID_BYTEA, record->header_count, has_null);
        for (size_t i = 0; i < record->header_count; i++) {
                const struct weir_header *header = &record->headers[i];
                const char *from = values ? header->value : header->name;
                size_t size = values ? header->size : strlen(header->name);

                if (!from) {
                        weir_bytes_put32(bytes, UINT32_MAX);
                        continue;
                }
                weir_bytes_put32(bytes, (uint32_t)size);
                weir_bytes_put(bytes, from, size);
        }
        done(row, WEIR_OID_BYTEA_ARRAY, false);
}

/* A record's timestamp is the producer's word: what PostgreSQL cannot hold is kept as NULL. */
static bool time_fits(int64_t ms)
{
        return ms >= 0 && ms < INT64_MAX / 1000;
}

void weir_row_record(struct weir_row *row, const struct weir_kept_record *record)
{
        bool fits = time_fits(record->record_time_ms);

        weir_row_time_us(row, fits ? record->record_time_ms * 1000 : 0, !fits);
        weir_row_bytea(row, record->key);
        weir_row_bytea(row, record->value);
        headers(row, record, false);
        headers(row, record, true);
}

int weir_row_query(struct weir_row *row, const char *sql, PGresult **ret, struct weir_error *reterr)
{
        struct weir_bytes *bytes = &row->pg->scratch;
        const char *values[WEIR_ROW_MAX];
        int lengths[WEIR_ROW_MAX], formats[WEIR_ROW_MAX];
        struct weir_params wire = { row->count, row->types, values, lengths, formats };
        int r;

        weir_bytes_put(bytes, "", 1); /* so that an empty last value has an address */
        if (bytes->failed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parameters of: %.80s", sql);
        for (size_t i = 0; i < row->count; i++) {
                size_t size = row->starts[i + 1] - row->starts[i];

                if (size > INT32_MAX)
                        return weir_fail(reterr, WEIR_EUSAGE, 0,
                                         "parameter $%zu of %zu bytes is too long: %.80s", i + 1,
                                         size, sql);
                values[i] = row->null[i] ? NULL : (const char *)bytes->data + row->starts[i];
                lengths[i] = (int)size;
                formats[i] = 1;
        }
        r = weir_wire_query_binary(row->pg, sql, &wire, ret, reterr);
        weir_bytes_reset(bytes, 1024 * 1024);
        return r;
}

/* ---- back ----------------------------------------------------------------------------------- */

int64_t weir_row_get_int(const PGresult *result, int line, int column, int64_t if_null)
{
        const char *at = PQgetvalue(result, line, column);
        uint64_t wide;
        uint32_t narrow;

        if (PQgetisnull(result, line, column))
                return if_null;
        if (PQgetlength(result, line, column) == 1) /* bool */
                return *at;
        if (PQgetlength(result, line, column) == sizeof narrow) {
                memcpy(&narrow, at, sizeof narrow);
                return (int32_t)be32toh(narrow);
        }
        assert(PQgetlength(result, line, column) == sizeof wide);
        memcpy(&wide, at, sizeof wide);
        return (int64_t)be64toh(wide);
}

int64_t weir_row_get_time_us(const PGresult *result, int line, int column, int64_t if_null)
{
        int64_t us;

        if (PQgetisnull(result, line, column) ||
            __builtin_add_overflow(weir_row_get_int(result, line, column, 0), WEIR_PG_EPOCH_US,
                                   &us))
                return if_null;
        return us;
}

static bool copy(struct weir_arena *arena, const char *from, size_t size, struct weir_view *ret)
{
        ret->ptr = weir_arena_copy(arena, from, size);
        ret->size = size;
        return ret->ptr != NULL;
}

bool weir_row_get_view(const PGresult *result, int line, int column, struct weir_arena *arena,
                       struct weir_view *ret)
{
        *ret = (struct weir_view){ NULL, 0 };
        return PQgetisnull(result, line, column) ||
               copy(arena, PQgetvalue(result, line, column),
                    (size_t)PQgetlength(result, line, column), ret);
}

/* A walk over the elements of a one-dimensional array in binary form. */
struct walk {
        const unsigned char *at, *end;
        size_t count;
};

static uint32_t take32(struct walk *walk)
{
        uint32_t number = 0;

        if ((size_t)(walk->end - walk->at) < sizeof number) {
                walk->at = walk->end;
                return 0;
        }
        memcpy(&number, walk->at, sizeof number);
        walk->at += sizeof number;
        return be32toh(number);
}

static struct walk walk_of(const PGresult *result, int line, int column)
{
        struct walk walk = { .at = (const unsigned char *)PQgetvalue(result, line, column) };
        uint32_t dimensions;

        walk.end = walk.at + PQgetlength(result, line, column);
        dimensions = take32(&walk);
        take32(&walk); /* has nulls */
        take32(&walk); /* type of the elements */
        if (dimensions == 1) {
                walk.count = take32(&walk);
                take32(&walk); /* lower bound */
        }
        return walk;
}

static bool next(struct walk *walk, struct weir_arena *arena, struct weir_view *ret)
{
        uint32_t size = take32(walk);

        *ret = (struct weir_view){ NULL, 0 };
        if (size == UINT32_MAX)
                return true;
        if ((size_t)(walk->end - walk->at) < size ||
            !copy(arena, (const char *)walk->at, size, ret))
                return false;
        walk->at += size;
        return true;
}

int weir_row_get_record(const PGresult *result, int line, int column, struct weir_arena *arena,
                        struct weir_kept_record *ret, struct weir_error *reterr)
{
        struct walk names = walk_of(result, line, column + 3);
        struct walk values = walk_of(result, line, column + 4);
        struct weir_header *list = NULL;
        int64_t time_us = weir_row_get_time_us(result, line, column, -1);
        bool good = names.count == values.count;

        *ret = (struct weir_kept_record){ .record_time_ms = time_us < 0 ? -1 : time_us / 1000 };
        good = good && weir_row_get_view(result, line, column + 1, arena, &ret->key) &&
               weir_row_get_view(result, line, column + 2, arena, &ret->value);
        if (good && names.count) {
                list = weir_arena_alloc(arena, names.count * sizeof *list);
                good = list != NULL;
        }
        for (size_t i = 0; good && i < names.count; i++) {
                struct weir_view name, value;

                good = next(&names, arena, &name) && next(&values, arena, &value) && name.ptr;
                if (good)
                        list[i] = (struct weir_header){ name.ptr, value.ptr, value.size };
        }
        if (!good)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading a kept record with %zu headers",
                                 names.count);
        ret->headers = list;
        ret->header_count = names.count;
        return 0;
}

enum weir_kept_done weir_row_done(const PGresult *result)
{
        if (weir_row_get_int(result, 0, 0, 0) == 0)
                return WEIR_KEPT_FENCED;
        return weir_row_get_int(result, 0, 1, 0) == 0 ? WEIR_KEPT_GONE : WEIR_KEPT_DONE;
}
