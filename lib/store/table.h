/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_TABLE_H
#define WEIR_STORE_TABLE_H
/*
 * table - rows appended in memory, sent by one binary COPY
 *
 * struct weir_table is what a plugin opens (name, columns, types as the database has them); struct
 * weir_rowbuffer is one lane's unsent rows for it. Integers widen (int4 into bigint), text goes into
 * text, varchar, json; anything else that does not fit is an error at append, naming column and types.
 */
#include "store/pg.h"

struct weir_table;
struct weir_rowbuffer;

/* Look the table up. WEIR_ESCHEMA: no such table, column, or a column type that cannot be appended to. */
int weir_table_open(struct weir_pg *pg, const char *name, const char *const *columns,
                    struct weir_table **ret, struct weir_error *reterr);
void weir_table_free(struct weir_table *table);
const char *weir_table_name(const struct weir_table *table);

struct weir_rowbuffer *weir_rowbuffer_new(const struct weir_table *table); /* NULL = no memory */
void weir_rowbuffer_free(struct weir_rowbuffer *buffer);
int weir_rowbuffer_append(struct weir_rowbuffer *buffer, const struct weir_value *values,
                          size_t count, struct weir_error *reterr);
size_t weir_rowbuffer_rows(const struct weir_rowbuffer *buffer);
size_t weir_rowbuffer_bytes(const struct weir_rowbuffer *buffer);
void weir_rowbuffer_reset(struct weir_rowbuffer *buffer); /* keeps the memory up to 1 MiB */
/* COPY what is there and reset. Nothing to do = 0. */
int weir_rowbuffer_send(struct weir_rowbuffer *buffer, struct weir_pg *pg,
                        struct weir_error *reterr);

#endif
