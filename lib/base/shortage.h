/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_SHORTAGE_H
#define WEIR_BASE_SHORTAGE_H
/*
 * shortage - memory.limit is used up, and nothing gets done any more
 *
 * Thread   note: any. look: one.
 *
 *  SH1 who commits is not short of memory, whatever fails beside.
 *  SH2 one failure is none: they have to go on, with no pause of SHORTAGE_QUIET.
 *  SH3 a handler that is inside since before may be the one that has the memory, and may give it back: it is not
 *      taken out of its call, handler.deadline is for that.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"

enum { WEIR_SHORTAGE_LASTS_MS = 5000, WEIR_SHORTAGE_QUIET_MS = 3000 };

struct weir_shortage {
        int64_t since_us; /* 0 = there is none */
        int64_t commits;  /* of the board, when it was looked at last */
};

/* An allocation has failed. weir_fail() says so for all that is WEIR_ENOMEM. */
void weir_shortage_note(void);
/* Has it lasted, so that the process had better end? *ret_ms: for how long. */
bool weir_shortage_look(struct weir_shortage *shortage, const struct weir_board *board,
                        int64_t now_us, int64_t *ret_ms);

#endif
