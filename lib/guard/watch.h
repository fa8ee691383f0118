/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_WATCH_H
#define WEIR_GUARD_WATCH_H
/*
 * watch - a look at a living process's board: who is past the deadline, who does not move
 *
 * Thread   supervisor.
 *  WT1 a process that is stopped (SIGSTOP, a debugger) is not past anything.
 *  WT2 one stall is one line of the log, and one when it is over.
 *  WT3 a lane without work is never stalled, and one that gets work is not before its time.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/board.h"

struct weir_watch {
        int64_t deadline_us; /* of a handler */
        int64_t looked_us;   /* last */
        int64_t excused_us;  /* what happened before does not count */
        int64_t state_us;    /* when it was last seen whether it is stopped */
        int64_t stopped_us;  /* since when it is; 0 = it is not */
        bool stopped_told;
        int32_t asked; /* the thread whose stack was asked for; 0 = none */
        int64_t asked_at_us;
        struct weir_watch_lane {
                int64_t busy_us;  /* since when it has had work and not moved; 0 = it has none */
                int64_t moved_us; /* of the board, then */
                bool told;
        } lanes[WEIR_BOARD_LANES];
};

void weir_watch_begin(struct weir_watch *watch, int64_t deadline_us);
/* Of any process, busy or idle: one that is stopped for 8 s is named, once, and when it goes on. Reads /proc once a second. */
void weir_watch_stopped(struct weir_watch *watch, pid_t pid, const char *worker, int64_t now_us);
/* The thread for whose handler the process must end, its stack is on the board if it could be had; 0 = none. @worker
 * for the log. */
int32_t weir_watch_look(struct weir_watch *watch, pid_t pid, const char *worker,
                        struct weir_board *board, int64_t now_us);

#endif
