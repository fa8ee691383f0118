/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_REPLAY_BAR_H
#define WEIR_CMD_REPLAY_BAR_H
/*
 * replay_bar - how far a replay is, on a terminal: a line for all of it, and one for each partition where they fit
 *
 * Everything it shows was read from the database: it is the same in the terminal that runs the replay and in any other.
 */
#include <stdio.h>

#include "store/pg.h"

struct replay_bar {
        FILE *out;
        bool terminal;                 /* redrawn in place; else a line each time */
        size_t width;                  /* characters of a line */
        size_t height;                 /* lines there may be */
        size_t drawn;                  /* lines that stand there now */
        int64_t seen_us, seen_offsets; /* the last look; 0 = there was none */
        double offsets_per_s;
};

void replay_bar_init(struct replay_bar *bar, FILE *out);
/* @row of weir_replay_list(), @spans of weir_replay_spans(), at @now_us. @waits: "" or why it stands still. */
void replay_bar_show(struct replay_bar *bar, const struct weir_pg_rows *row,
                     const struct weir_pg_rows *spans, const char *waits, int64_t now_us);
/* Take it away. */
void replay_bar_end(struct replay_bar *bar);

/* The speed after a look at which @offsets were passed; and the line itself, into at most @size bytes. */
void replay_bar_note(struct replay_bar *bar, int64_t offsets, int64_t now_us);
void replay_bar_line(const struct replay_bar *bar, const struct weir_pg_rows *row,
                     const char *waits, char *ret, size_t size);

#endif
