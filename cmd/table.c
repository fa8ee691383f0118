/* SPDX-License-Identifier: MIT */
/*
 * table - a table whose columns are as wide as what is in them
 *
 * A dead letter's words come from anywhere: a cell is made by weir_text_print(), so none of them moves the cursor or
 * rings the bell. Width is counted in code points: wrong for wide and combining ones, which then shift their own line.
 * Without a terminal a line is long, but not endless: --json is for programs.
 *
 * What does not fit is taken out of the middle: the number of a partition stands at the end of its name, and rows that differ
 * in it alone must not look alike. The last column is prose, and loses its end.
 */
#include "table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "event/print.h"

#define WIDTH_ELSE 200
#define LAST_LEAST 20
#define CUT_LEAST 10
#define COLUMNS_MAX 16

static size_t width_of(FILE *out)
{
        struct winsize size;
        const char *said = getenv("COLUMNS");
        int64_t number;

        if (said && cmd_read_number(said, 40, 100000, &number))
                return (size_t)number;
        if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
                return size.ws_col;
        return WIDTH_ELSE;
}

void cmd_table_init(struct cmd_table *table, const struct cmd_column *columns, size_t count)
{
        *table = (struct cmd_table){ .columns = columns, .column_count = count };
}

void cmd_table_add(struct cmd_table *table, struct weir_view text)
{
        char *cell = NULL;
        size_t size, room = table->room ? 2 * table->room : 256;
        FILE *out;

        if (table->count == table->room) {
                char **cells = reallocarray(table->cells, room, sizeof *cells);

                table->failed = table->failed || !cells;
                if (!cells)
                        return;
                table->cells = cells;
                table->room = room;
        }
        out = open_memstream(&cell, &size);
        if (out) {
                weir_text_print(out, text.ptr ? text : (struct weir_view){ "-", 1 }, false);
                fclose(out);
        }
        table->failed = table->failed || !cell;
        table->cells[table->count++] = cell;
}

void cmd_table_addf(struct cmd_table *table, const char *format, ...)
{
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        cmd_table_add(table, (struct weir_view){ text, strlen(text) });
}

static size_t characters(const char *text)
{
        size_t count = 0;

        for (; *text; text++)
                count += ((unsigned char)*text & 0xc0) != 0x80;
        return count;
}

/* What follows the first @count characters. */
static const char *behind(const char *text, size_t count)
{
        for (; count > 0; count--)
                do
                        text++;
                while (((unsigned char)*text & 0xc0) == 0x80);
        return text;
}

/* @text in @width characters; a sign stands for what was cut. */
static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
        size_t count = characters(text), head, tail;

        if (right && count < width)
                fprintf(out, "%*s", (int)(width - count), "");
        if (count <= width) {
                fputs(text, out);
        } else {
                tail = last ? 0 : (width - 1) / 2;
                head = width - 1 - tail;
                fwrite(text, 1, (size_t)(behind(text, head) - text), out);
                fputs("…", out);
                fputs(behind(text, count - tail), out);
        }
        if (!right && !last && count < width)
                fprintf(out, "%*s", (int)(width - count), "");
        fputs(last ? "\n" : "  ", out);
}

/* Take a character from the widest of the columns that may be cut. false = none is left. */
static bool narrow(const struct cmd_table *table, size_t *widths)
{
        size_t widest = table->column_count;

        for (size_t k = 0; k + 1 < table->column_count; k++)
                if (table->columns[k].most && widths[k] > CUT_LEAST &&
                    (widest == table->column_count || widths[k] > widths[widest]))
                        widest = k;
        if (widest == table->column_count)
                return false;
        widths[widest]--;
        return true;
}

static void print_rows(FILE *out, const struct cmd_table *table, size_t *widths)
{
        size_t n = table->column_count, used = 0, line = width_of(out), least;

        for (size_t k = 0; k < n; k++) {
                widths[k] = characters(table->columns[k].title);
                for (size_t i = k; i < table->count; i += n) {
                        size_t size = characters(table->cells[i]);

                        widths[k] = size > widths[k] ? size : widths[k];
                }
                if (table->columns[k].most && widths[k] > table->columns[k].most)
                        widths[k] = table->columns[k].most;
                if (k + 1 < n)
                        used += widths[k] + 2;
        }
        least = widths[n - 1] < LAST_LEAST ? widths[n - 1] : LAST_LEAST;
        while (used + least > line && narrow(table, widths))
                used--;
        if (widths[n - 1] + used > line)
                widths[n - 1] = used + least < line ? line - used : least;
        for (size_t k = 0; k < n; k++)
                print_cell(out, table->columns[k].title, widths[k], table->columns[k].right,
                           k + 1 == n);
        for (size_t i = 0; i < table->count; i++)
                print_cell(out, table->cells[i], widths[i % n], table->columns[i % n].right,
                           i % n + 1 == n);
}

int cmd_table_print(FILE *out, struct cmd_table *table, struct weir_error *reterr)
{
        size_t widths[COLUMNS_MAX] = { 0 };

        assert(table->column_count > 0 && table->column_count <= COLUMNS_MAX);
        if (!table->failed)
                print_rows(out, table, widths);
        for (size_t i = 0; i < table->count; i++)
                free(table->cells[i]);
        free(table->cells);
        table->cells = NULL;
        return table->failed
                       ? weir_fail(reterr, WEIR_ENOMEM, 0, "a table of %zu cells", table->count)
                       : 0;
}
