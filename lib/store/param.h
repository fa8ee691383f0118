/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_PARAM_H
#define WEIR_STORE_PARAM_H
/*
 * param - parameters of a statement put together in a connection's scratch buffer; lib/store/ only
 *
 * The buffer moves while it grows, so offsets are kept and become pointers at the end. Each value is one put and
 * one done(). Running out of memory is remembered by the buffer and told by weir_param_run().
 */
#include <assert.h>

#include "store/outbox.h"
#include "store/wire.h"

enum { WEIR_PARAM_MAX = 20 };

struct weir_param_list {
        struct weir_bytes *bytes;
        size_t count, starts[WEIR_PARAM_MAX + 1];
        bool null[WEIR_PARAM_MAX];
        Oid types[WEIR_PARAM_MAX];
};

static inline struct weir_param_list weir_param_begin(struct weir_pg *pg)
{
        weir_bytes_cut(&pg->scratch, 0);
        return (struct weir_param_list){ .bytes = &pg->scratch };
}

static inline void weir_param_done(struct weir_param_list *list, Oid type, bool null)
{
        assert(list->count < WEIR_PARAM_MAX);
        list->types[list->count] = type;
        list->null[list->count] = null;
        list->starts[++list->count] = list->bytes->used;
}

static inline void weir_param_text(struct weir_param_list *list, const char *text)
{
        if (text)
                weir_bytes_put(list->bytes, text, strlen(text));
        weir_param_done(list, WEIR_OID_TEXT, !text);
}

static inline void weir_param_int8(struct weir_param_list *list, int64_t number)
{
        weir_bytes_put64(list->bytes, (uint64_t)number);
        weir_param_done(list, WEIR_OID_INT8, false);
}

static inline void weir_param_bool(struct weir_param_list *list, bool yes)
{
        weir_bytes_put(list->bytes, yes ? "\1" : "", 1);
        weir_param_done(list, WEIR_OID_BOOL, false);
}

/* Elements of an array: after weir_bytes_put_array(), before weir_param_done(). */
static inline void weir_param_element_text(struct weir_param_list *list, struct weir_view text)
{
        weir_bytes_put32(list->bytes, text.ptr ? (uint32_t)text.size : UINT32_MAX);
        weir_bytes_put(list->bytes, text.ptr, text.ptr ? text.size : 0);
}

static inline void weir_param_element_int8(struct weir_param_list *list, int64_t number)
{
        weir_bytes_put32(list->bytes, 8);
        weir_bytes_put64(list->bytes, (uint64_t)number);
}

/* Three arrays: kinds, destinations, shards. */
static inline void weir_param_streams(struct weir_param_list *list,
                                      const struct weir_stream *streams, size_t count)
{
        weir_bytes_put_array(list->bytes, WEIR_OID_TEXT, count, false);
        for (size_t i = 0; i < count; i++) {
                char kind = (char)streams[i].kind;

                weir_param_element_text(list, (struct weir_view){ &kind, 1 });
        }
        weir_param_done(list, WEIR_OID_TEXT_ARRAY, false);
        weir_bytes_put_array(list->bytes, WEIR_OID_TEXT, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_text(list, (struct weir_view){ streams[i].destination,
                                                                  strlen(streams[i].destination) });
        weir_param_done(list, WEIR_OID_TEXT_ARRAY, false);
        weir_bytes_put_array(list->bytes, WEIR_OID_INT8, count, false);
        for (size_t i = 0; i < count; i++)
                weir_param_element_int8(list, streams[i].shard);
        weir_param_done(list, WEIR_OID_INT8_ARRAY, false);
}

/* Run @sql with what was put together; @binary: rows in binary. *ret may be NULL. */
static inline int weir_param_run(struct weir_pg *pg, const char *sql, struct weir_param_list *list,
                                 bool binary, PGresult **ret, struct weir_error *reterr)
{
        const char *values[WEIR_PARAM_MAX];
        int lengths[WEIR_PARAM_MAX], formats[WEIR_PARAM_MAX], r;
        struct weir_params wire = { list->count, list->types, values, lengths, formats };

        weir_bytes_put(list->bytes, "", 1); /* so that an empty last value has an address */
        if (list->bytes->failed)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "parameters of: %.80s", sql);
        for (size_t i = 0; i < list->count; i++) {
                values[i] = list->null[i] ? NULL
                                          : (const char *)list->bytes->data + list->starts[i];
                lengths[i] = (int)(list->starts[i + 1] - list->starts[i]);
                formats[i] = 1;
        }
        r = binary ? weir_wire_query_binary(pg, sql, &wire, ret, reterr)
                   : weir_wire_query(pg, sql, &wire, ret, reterr);
        weir_bytes_reset(list->bytes, 1024 * 1024);
        return r;
}

#endif
