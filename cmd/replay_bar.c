/* SPDX-License-Identifier: MIT */
/*
 * replay_bar - share, speed, time left
 *
 * Speed is that of the last seconds, smoothed: a replay that was held, or that comes from a stretch of duplicates into one
 * of work, would otherwise promise for minutes what it did before. What is counted is offsets: the only thing of which it
 * is known how many there are.
 *
 * Not chosen    an erased screen: what was said before, a warning perhaps, stays where it was.
 */
#include "replay_bar.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store/replay.h"

#define CELLS 24
#define SMOOTH 0.4 /* of the newest look */

void replay_bar_init(struct replay_bar *bar, FILE *out)
{
        struct winsize size = { .ws_row = 0 };
        int fd = fileno(out);

        *bar = (struct replay_bar){ .out = out, .terminal = isatty(fd), .width = 200, .height = 1 };
        if (!bar->terminal || ioctl(fd, TIOCGWINSZ, &size) < 0)
                return;
        if (size.ws_col >= 40)
                bar->width = size.ws_col;
        if (size.ws_row > 4)
                bar->height = size.ws_row - 2u;
}

void replay_bar_note(struct replay_bar *bar, int64_t offsets, int64_t now_us)
{
        double seconds = (double)(now_us - bar->seen_us) / 1e6, speed;

        if (bar->seen_us && now_us > bar->seen_us) {
                speed = (double)(offsets - bar->seen_offsets) / seconds;
                bar->offsets_per_s = bar->offsets_per_s > 0
                                             ? SMOOTH * speed + (1 - SMOOTH) * bar->offsets_per_s
                                             : speed;
        }
        bar->seen_us = now_us;
        bar->seen_offsets = offsets;
}

static void draw_cells(char ret[CELLS + 3], int64_t passed, int64_t all)
{
        int full = all > 0 ? (int)(CELLS * passed / all) : CELLS;

        ret[0] = '[';
        for (int i = 0; i < CELLS; i++)
                ret[1 + i] = i < full ? '#' : '.';
        memcpy(ret + 1 + CELLS, "]", 2);
}

static int percent(int64_t passed, int64_t all)
{
        return all > 0 ? (int)(100 * passed / all) : 100;
}

static void write_left(char ret[32], double seconds)
{
        if (seconds < 100)
                snprintf(ret, 32, "%.0f s left", seconds);
        else if (seconds < 6000)
                snprintf(ret, 32, "%.0f min left", seconds / 60);
        else if (seconds < 3600 * 1000)
                snprintf(ret, 32, "%.1f h left", seconds / 3600);
        else
                snprintf(ret, 32, "weeks left");
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size, const char *format,
                                                      ...)
{
        size_t used = strlen(text);
        va_list ap;

        va_start(ap, format);
        vsnprintf(text + used, size - used, format, ap);
        va_end(ap);
}

void replay_bar_line(const struct replay_bar *bar, const struct weir_pg_rows *row,
                     const char *waits, char *ret, size_t size)
{
        static const struct {
                size_t column;
                const char *word;
                bool always;
        } counts[] = { { WEIR_REPLAY_APPLIED, "applied", true },
                       { WEIR_REPLAY_SKIPPED, "skipped", true },
                       { WEIR_REPLAY_DEAD, "dead", true },
                       { WEIR_REPLAY_PARKED, "parked", false },
                       { WEIR_REPLAY_MISSING, "missing", false } };
        int64_t all = weir_pg_rows_int(row, 0, WEIR_REPLAY_OFFSETS, 0);
        int64_t passed = weir_pg_rows_int(row, 0, WEIR_REPLAY_PASSED, 0);
        char cells[CELLS + 3], left[32];

        draw_cells(cells, passed, all);
        snprintf(ret, size, "replay %s %s %d %%", weir_pg_rows_text(row, 0, WEIR_REPLAY_ID).ptr,
                 cells, percent(passed, all));
        if (*waits) {
                add(ret, size, ", waits: %s", waits);
        } else if (bar->offsets_per_s >= 0.5) {
                write_left(left, (double)(all - passed) / bar->offsets_per_s);
                add(ret, size, ", %.0f/s, %s", bar->offsets_per_s, left);
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(counts); i++) {
                int64_t count = weir_pg_rows_int(row, 0, counts[i].column, 0);

                if (count || counts[i].always)
                        add(ret, size, ", %s %" PRId64, counts[i].word, count);
        }
}

static void draw_span(const struct replay_bar *bar, const struct weir_pg_rows *spans, size_t i)
{
        int64_t from = weir_pg_rows_int(spans, i, WEIR_SPAN_FROM, 0);
        int64_t all = weir_pg_rows_int(spans, i, WEIR_SPAN_UNTIL, 0) - from;
        int64_t passed = weir_pg_rows_int(spans, i, WEIR_SPAN_NEXT, 0) - from;
        char cells[CELLS + 3], line[400];

        draw_cells(cells, passed, all);
        snprintf(line, sizeof line,
                 "  %s %3d %% %s/%s: %" PRId64 " of %" PRId64 ", applied %s, skipped %s, dead %s",
                 cells, percent(passed, all), weir_pg_rows_text(spans, i, WEIR_SPAN_TOPIC).ptr,
                 weir_pg_rows_text(spans, i, WEIR_SPAN_PARTITION).ptr, passed, all,
                 weir_pg_rows_text(spans, i, WEIR_SPAN_APPLIED).ptr,
                 weir_pg_rows_text(spans, i, WEIR_SPAN_SKIPPED).ptr,
                 weir_pg_rows_text(spans, i, WEIR_SPAN_DEAD).ptr);
        fprintf(bar->out, "%.*s\033[K\n", (int)bar->width - 1, line);
}

void replay_bar_show(struct replay_bar *bar, const struct weir_pg_rows *row,
                     const struct weir_pg_rows *spans, const char *waits, int64_t now_us)
{
        size_t count = weir_pg_rows_count(spans);
        char line[500];

        replay_bar_note(bar, weir_pg_rows_int(row, 0, WEIR_REPLAY_PASSED, 0), now_us);
        replay_bar_line(bar, row, waits, line, sizeof line);
        if (!bar->terminal) {
                fprintf(bar->out, "%s\n", line);
                fflush(bar->out);
                return;
        }
        if (bar->drawn)
                fprintf(bar->out, "\033[%zuA", bar->drawn);
        fprintf(bar->out, "\r%.*s\033[K\n", (int)bar->width - 1, line);
        bar->drawn = 1;
        for (size_t i = 0; count > 1 && count < bar->height && i < count; i++) {
                draw_span(bar, spans, i);
                bar->drawn++;
        }
        fflush(bar->out);
}

void replay_bar_end(struct replay_bar *bar)
{
        if (bar->drawn)
                fprintf(bar->out, "\033[%zuA\r\033[J", bar->drawn);
        fflush(bar->out);
        bar->drawn = 0;
}
