/* SPDX-License-Identifier: MIT */
/*
 * shortage - a process that cannot allocate can only end, and must be told to
 *
 * A plugin that keeps what it allocates runs into memory.limit some day. If a call fails inside its handler it dies there, and
 * the event is asked about. If it has returned, everybody else fails: each lane says "out of memory", rolls back, waits and tries again, for
 * ever; the process lives, answers its heartbeats and keeps its partitions from those that could work. Who has the memory cannot
 * be seen, so no event is blamed; a new process begins with none of it in use.
 *
 * What counts   WEIR_ENOMEM, wherever weir meets it. Libraries have other words for it, or none (a thread that cannot be started, a
 *               connection that "fails"), so a piece is asked for as well, while a lane has something to do. Only by words
 *               could the library's errors be told apart, and words change.
 * Always true   SH1 SH2 SH3, see shortage.h.
 * Not chosen    ending at the first failure: one record that is too large for a moment's room would cost the work of all lanes.
 *               A reserve that is given free at the first failure, to drain with: libraries take it first.
 */
#include "base/shortage.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"

#define PIECE_BYTES (1 << 20) /* what a batch, a row or a thread's heap begins with */

static _Atomic int64_t failed_us; /* the last that failed */

void weir_shortage_note(void)
{
        failed_us = weir_clock_us();
}

static bool piece_is_refused(void)
{
        void *piece = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (piece == MAP_FAILED)
                return true;
        munmap(piece, PIECE_BYTES);
        return false;
}

/* Does a lane try something, outside of its handler? A process that is full and has nothing to do does no harm. */
static bool tries(const struct weir_board *board)
{
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                switch (atomic_load(&board->slots[i].doing)) {
                case WEIR_BOARD_FREE:
                case WEIR_BOARD_HANDLES:
                case WEIR_BOARD_ASKS: /* once a second, also where there is nothing */
                case WEIR_BOARD_HALTS: break;
                case WEIR_BOARD_READS:
                        if (board->slots[i].end_offset > board->slots[i].next_offset)
                                return true;
                        break;
                default: return true;
                }
        return false;
}

static bool handles_since_before(const struct weir_board *board, int64_t since_us)
{
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                if (atomic_load(&board->slots[i].doing) == WEIR_BOARD_HANDLES &&
                    board->slots[i].since_us <= since_us)
                        return true;
        return false;
}

bool weir_shortage_look(struct weir_shortage *shortage, const struct weir_board *board,
                        int64_t now_us, int64_t *ret_ms)
{
        int64_t commits = board->commits, last_us = failed_us;

        if (piece_is_refused() && tries(board))
                failed_us = last_us = now_us;
        if (!last_us || now_us - last_us > WEIR_SHORTAGE_QUIET_MS * 1000LL ||
            commits != shortage->commits) {
                *shortage = (struct weir_shortage){ .commits = commits };
                return false;
        }
        if (!shortage->since_us)
                shortage->since_us = now_us;
        *ret_ms = (now_us - shortage->since_us) / 1000;
        return *ret_ms >= WEIR_SHORTAGE_LASTS_MS &&
               !handles_since_before(board, shortage->since_us);
}
