/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_TABLE_H
#define WEIR_CMD_TABLE_H
/* table - cells that cannot drive a terminal, columns as wide as they need to be */
#include <stdbool.h>
#include <stdio.h>
#include <weir/host.h>

#include "base/error.h"

struct cmd_column {
        const char *title;
        bool right;
        size_t most; /* characters; the last column takes what is left of @width */
};
struct cmd_table {
        const struct cmd_column *columns;
        size_t column_count, count, room;
        char **cells; /* @count of them, row by row */
        bool failed;  /* no memory; said by cmd_table_print() */
};
void cmd_table_init(struct cmd_table *table, const struct cmd_column *columns, size_t count);
void cmd_table_add(struct cmd_table *table, struct weir_view text); /* ptr NULL = "-" */
__attribute__((format(printf, 2, 3))) void cmd_table_addf(struct cmd_table *table,
                                                          const char *format, ...);
/* Print and free. 0 or < 0. */
int cmd_table_print(FILE *out, struct cmd_table *table, struct weir_error *reterr);

#endif
