/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_CHILD_H
#define WEIR_GUARD_CHILD_H
/*
 * child - one process under the supervisor: when it is started, and when no more
 *
 * Thread   supervisor. Pure but for the clock it is given: what is done about an answer is supervisor.c's.
 *
 *      down ──start──▶ runs ──died──▶ notes ──noted──▶ down (waits) ──▶ …
 *        ▲               │                               │
 *        │               ├─ended, as it was told──▶ ended │
 *        └───────────────┴─died too often──▶ failed ◀────┘
 *
 *  CH1 between a death and the next start all that is suspected of it was written down.
 *  CH2 a process that commits something between two deaths is never marked failed.
 *  CH4 a death that is one event's alone is not counted: after crash.attempts of them the event is asked no more, so
 *      they come to an end by themselves, however many events there are.
 *  CH3 a process that cannot read its file (it could once) has not died: it is tried again until it can. One
 *      that was ready in this life has read it: whatever it says at its end, that is a death.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/board.h"

enum weir_child_state {
        WEIR_CHILD_DOWN, /* to be started at start_at_us */
        WEIR_CHILD_RUNS,
        WEIR_CHILD_NOTES,  /* dead; its suspicions are being written */
        WEIR_CHILD_FAILED, /* given up */
        WEIR_CHILD_ENDED   /* ended as it was told to */
};

struct weir_child_policy {
        int64_t first_delay_ms, max_delay_ms;
        uint32_t limit; /* deaths in a row without a commit */
};

struct weir_child {
        const char *worker; /* NULL = the relay */
        uint32_t index;     /* among the processes of its worker, from 0 */
        enum weir_child_state state;
        pid_t pid; /* RUNS: of the process, NOTES: of the one that writes; 0 = none */
        struct weir_board *board;
        int board_fd;
        int64_t start_at_us, started_us;
        bool was_ready;   /* once in its life */
        uint32_t deaths;  /* in a row, without a commit */
        uint32_t misfits; /* in a row, because its file is not to be read */
        bool stillborn;   /* the last time it died before it was ready */
        uint32_t starts;
        int status; /* the last exit status, or 128 + signal */
};

void weir_child_started(struct weir_child *child, pid_t pid, int64_t now_us);
/* It ended although nobody told it to. @wait_status of waitpid(). The board is that of its death. @blamed: on one event,
 * which is nearer to its end by that (CH4). */
void weir_child_died(struct weir_child *child, const struct weir_child_policy *policy,
                     int wait_status, bool blamed, int64_t now_us);
/* It was ready, and ended as an order that was not its supervisor's told it to: no death. Started again at once, but not
 * more often than once a second. */
void weir_child_left(struct weir_child *child, int64_t now_us);
/* CH1. Its suspicions are in the database, or it had none. */
void weir_child_noted(struct weir_child *child, const struct weir_child_policy *policy);
void weir_child_ended(struct weir_child *child, int wait_status);
/* Could it never work, because of its configuration or its surroundings? Then the first start fails as a whole. */
bool weir_child_unfit(const struct weir_child *child, int wait_status);

#endif
