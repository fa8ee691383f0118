/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_ROW_H
#define WEIR_STORE_ROW_H
/*
 * row - one row on its way into a statement, and a kept record on its way back; within lib/store/ only
 *
 * What came from outside is bytea. What is text by nature (reasons, words, ids) is repaired on the
 * way: no text can make the server refuse the row. Running out of memory is remembered (bytes.h).
 */
#include "store/kept.h"
#include "store/wire.h"

#define WEIR_ROW_MAX 24
#define WEIR_ROW_TEXT_MAX 4096 /* bytes of a text; what is longer is cut */

struct weir_row {
        struct weir_pg *pg;
        size_t starts[WEIR_ROW_MAX + 1]; /* offsets: the bytes move while they grow */
        bool null[WEIR_ROW_MAX];
        Oid types[WEIR_ROW_MAX];
        size_t count;
};

void weir_row_begin(struct weir_row *row, struct weir_pg *pg);
void weir_row_text(struct weir_row *row, const char *text); /* NULL = null */
void weir_row_text_view(struct weir_row *row, struct weir_view text);
void weir_row_list(struct weir_row *row, const char *list); /* a text of weir's own, as it is */
void weir_row_bytea(struct weir_row *row, struct weir_view bytes);
void weir_row_int4(struct weir_row *row, int32_t number);
void weir_row_int8(struct weir_row *row, int64_t number);
void weir_row_int8_unless(struct weir_row *row, int64_t number, bool null);
void weir_row_time_us(struct weir_row *row, int64_t us, bool null);
/* Topic, partition, … of a record have columns of their own: these are time, key, value, headers. */
void weir_row_record(struct weir_row *row, const struct weir_kept_record *record);
/* Run @sql with the row as its parameters. @ret may be NULL; results in binary form. */
int weir_row_query(struct weir_row *row, const char *sql, PGresult **ret,
                   struct weir_error *reterr);

/* ---- back: columns of a binary result ------------------------------------------------------- */

int64_t weir_row_get_int(const PGresult *result, int line, int column, int64_t if_null);
int64_t weir_row_get_time_us(const PGresult *result, int line, int column, int64_t if_null);
/* A copy in @arena with a NUL behind; false = no memory. */
bool weir_row_get_view(const PGresult *result, int line, int column, struct weir_arena *arena,
                       struct weir_view *ret);
/* Columns @column…+4: record_time, key, value, header_names, header_values. */
int weir_row_get_record(const PGresult *result, int line, int column, struct weir_arena *arena,
                        struct weir_kept_record *ret, struct weir_error *reterr);

/*
 * A statement that changes something of a position, by whoever holds it: $1 position, $2 epoch. Waits
 * for a taker and then finds another epoch. To be followed by "done AS (… RETURNING …)" and by
 * WEIR_ROW_DONE.
 */
#define WEIR_ROW_MINE                                                                              \
        "WITH mine AS (SELECT id FROM weir.position WHERE id = $1 AND epoch = $2 FOR SHARE), "
#define WEIR_ROW_DONE " SELECT (SELECT count(*) FROM mine), (SELECT count(*) FROM done)"
enum weir_kept_done weir_row_done(const PGresult *result);

#endif
