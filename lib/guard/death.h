/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_DEATH_H
#define WEIR_GUARD_DEATH_H
/*
 * death - what a dead process left on its board, in the words of a log and of the database
 *
 * Thread   supervisor only, after the process was waited for: nobody writes the board any more.
 *
 *  DE1 only events that were inside a handler at the death are suspected.
 *  DE2 where the broken thread is known, and was inside a handler, only its event is.
 *  DE3 who was ended by weir itself for another reason than an event, its memory used up or a plugin's open() that
 *      hangs, has no suspects: what other lanes had in hand is innocent.
 */
#include "base/board.h"
#include "store/suspicion.h"

enum { WEIR_DEATH_TEXT_BYTES = 4096 };

struct weir_death {
        int signal_number;                /* 0 = it ended by exit() */
        char name[8];                     /* weir_death_name() */
        int status;                       /* then its exit status */
        int32_t thread;                   /* the one that broke, 0 = not known */
        bool stuck;                       /* ended by the supervisor: past handler.deadline */
        bool exhausted;                   /* ended by itself: memory.limit was used up */
        char text[WEIR_DEATH_TEXT_BYTES]; /* "SIGSEGV", then lines of the stack */
        struct weir_suspicion suspicions[WEIR_BOARD_LANES];
        char topics[WEIR_BOARD_LANES][WEIR_BOARD_TOPIC_BYTES];
        size_t count;
        bool exact; /* one event alone is suspected, and nothing else could have been it */
};

/* @wait_status of waitpid(). @stuck_thread: that the supervisor has ended the process for; 0 = for none. */
void weir_death_read(struct weir_death *death, int wait_status, int32_t stuck_thread,
                     const struct weir_board *board);
/* "SIGKILL", "exit" */
const char *weir_death_name(const struct weir_death *death);
/* The stack that is on the board, bounded and printable. */
void weir_death_trace(const struct weir_board *board, char *ret, size_t size);

#endif
