/* SPDX-License-Identifier: MIT */
/*
 * board - a few stores per event, so that a death can be blamed on the event that caused it
 *
 * A process that dies by a signal runs no code of ours that could write to a database. What is in shared memory
 * stays: the supervisor reads it after the death. An entry costs two stores and a look at the clock per call of a
 * handler, and no lock, because each slot has one writer.
 *
 * Always true   BD1 BD2 BD3, see board.h.
 * The order     coordinates first, then (release) HANDLES; a reader takes HANDLES (acquire), then the coordinates. A
 *               death between the two is a death outside the handler, which is what it was.
 * Not chosen    a file: it would be there after a power cut, when nobody crashed; a row in PostgreSQL before each
 *               event: a round trip per event.
 */
#include "base/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define MAGIC 0x77656972u
#define SENTINEL_FROM 64 /* not among those that a handler closes by mistake */

__thread struct weir_board_slot *weir_board_here;
static struct weir_board *used;
static int sentinel = -1;

const char *weir_board_doing_name(int doing)
{
        static const char *const names[] = {
                [WEIR_BOARD_FREE] = "nothing",
                [WEIR_BOARD_TAKES] = "takes its position from PostgreSQL",
                [WEIR_BOARD_LOCATES] = "compares its position with the log",
                [WEIR_BOARD_READS] = "waits for records from Kafka",
                [WEIR_BOARD_APPLIES] = "waits for PostgreSQL inside a transaction",
                [WEIR_BOARD_HANDLES] = "is inside the handler",
                [WEIR_BOARD_RETRIES] = "waits until an event may be tried again",
                [WEIR_BOARD_WAITS] = "waits for PostgreSQL to come back",
                [WEIR_BOARD_ASKS] = "waits for PostgreSQL to say what else is to be done",
                [WEIR_BOARD_ROOM] = "waits for room in memory.budget, which other lanes hold",
                [WEIR_BOARD_HALTS] = "is halted",
        };

        return doing >= 0 && doing < (int)(sizeof names / sizeof names[0]) ? names[doing]
                                                                           : "nonsense";
}

const char *weir_board_plugin_name(int plugin)
{
        static const char *const names[] = { "nothing", "loading", "open()", "close()",
                                             "unloading" };

        return plugin >= 0 && plugin < (int)(sizeof names / sizeof names[0]) ? names[plugin]
                                                                             : "nonsense";
}

static struct weir_board *map(int fd)
{
        void *board = mmap(NULL, sizeof(struct weir_board), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                           0);

        return board == MAP_FAILED ? NULL : board;
}

struct weir_board *weir_board_new(int *ret_fd)
{
        int fd = memfd_create("weir-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct weir_board *board = NULL;
        int error;

        if (fd < 0)
                return NULL;
        /* Sealed: a process that made its board shorter would end whoever reads it. */
        if (ftruncate(fd, sizeof *board) == 0 &&
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
                board = map(fd);
        if (!board) {
                error = errno;
                close(fd);
                errno = error;
                return NULL;
        }
        board->magic = MAGIC;
        board->size = sizeof *board;
        *ret_fd = fd;
        return board;
}

struct weir_board *weir_board_open(int fd)
{
        struct weir_board *board;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return NULL;
        if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof *board) {
                errno = EPROTO;
                return NULL;
        }
        board = map(fd);
        if (board && (board->magic != MAGIC || board->size != sizeof *board)) {
                weir_board_close(board);
                errno = EPROTO;
                return NULL;
        }
        return board;
}

void weir_board_close(struct weir_board *board)
{
        if (board)
                munmap(board, sizeof *board);
}

void weir_board_clear(struct weir_board *board)
{
        memset(board, 0, sizeof *board);
        board->magic = MAGIC;
        board->size = sizeof *board;
}

void weir_board_use(struct weir_board *board)
{
        used = board;
        if (board && sentinel < 0)
                sentinel = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, SENTINEL_FROM);
}

struct weir_board *weir_board_used(void)
{
        return used;
}

/* ---- a lane's slot -------------------------------------------------------------------------- */

void weir_board_claim(const char *topic, int32_t partition)
{
        for (int i = 0; used && i < WEIR_BOARD_LANES; i++) {
                struct weir_board_slot *slot = &used->slots[i];
                int32_t unused = 0;

                if (!atomic_compare_exchange_strong(&slot->thread, &unused,
                                                    (int32_t)syscall(SYS_gettid)))
                        continue;
                slot->partition = partition;
                slot->kind = WEIR_BOARD_RECORD;
                slot->next_offset = slot->end_offset = -1;
                slot->since_us = slot->moved_us = weir_clock_us();
                strncpy(slot->topic, topic, sizeof slot->topic - 1);
                slot->topic[sizeof slot->topic - 1] = '\0';
                atomic_store(&slot->doing, WEIR_BOARD_TAKES);
                weir_board_here = slot;
                return;
        }
        if (used)
                weir_log(WEIR_LOG_WARN, "board.full", LOG_S("topic", topic),
                         LOG_I("partition", partition), LOG_I("lanes", WEIR_BOARD_LANES),
                         LOG_S("action", "a crash in this lane is nobody's"));
}

void weir_board_release(void)
{
        if (!weir_board_here)
                return;
        atomic_store(&weir_board_here->doing, WEIR_BOARD_FREE);
        atomic_store(&weir_board_here->thread, 0);
        weir_board_here = NULL;
}

void weir_board_do(enum weir_board_doing doing)
{
        struct weir_board_slot *slot = weir_board_here;

        if (!slot || slot->doing == (int32_t)doing)
                return;
        slot->since_us = weir_clock_us();
        atomic_store_explicit(&slot->doing, doing, memory_order_release);
}

void weir_board_at(int64_t next_offset)
{
        if (!weir_board_here)
                return;
        weir_board_here->next_offset = next_offset;
        weir_board_here->moved_us = weir_clock_us();
}

void weir_board_log_end(int64_t end_offset)
{
        if (weir_board_here)
                weir_board_here->end_offset = end_offset;
}

void weir_board_moved(int64_t next_offset)
{
        if (!weir_board_here)
                return;
        weir_board_at(next_offset);
        atomic_fetch_add_explicit(&used->commits, 1, memory_order_relaxed);
}

void weir_board_aside(enum weir_board_kind kind, int64_t row)
{
        if (!weir_board_here)
                return;
        weir_board_here->kind = kind;
        weir_board_here->row = row;
}

void weir_board_item(int32_t item)
{
        if (weir_board_here)
                weir_board_here->item = item;
}

void weir_board_enter(int64_t offset, int64_t last_offset, int32_t count)
{
        struct weir_board_slot *slot = weir_board_here;

        if (!slot)
                return;
        slot->offset = offset;
        slot->last_offset = last_offset;
        slot->count = count;
        slot->since_us = weir_clock_us();
        atomic_store_explicit(&slot->doing, WEIR_BOARD_HANDLES, memory_order_release);
}

void weir_board_leave(void)
{
        if (!weir_board_here)
                return;
        if (sentinel >= 0 && fcntl(sentinel, F_GETFD) < 0)
                abort(); /* BD4, still inside the handler: it is this event's death */
        atomic_store_explicit(&weir_board_here->doing, WEIR_BOARD_APPLIES, memory_order_release);
}

/* ---- the process ------------------------------------------------------------------------------ */

void weir_board_plugin(enum weir_board_plugin plugin)
{
        if (!used)
                return;
        used->plugin_thread = (int32_t)syscall(SYS_gettid);
        used->plugin_since_us = weir_clock_us();
        atomic_store_explicit(&used->plugin, plugin, memory_order_release);
}
