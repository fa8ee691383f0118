/* SPDX-License-Identifier: MIT */
/*
 * watch - seen from outside, because who is stuck cannot say so
 *
 * max.poll.interval.ms does not help: in librdkafka before 2.1 each poll of any queue resets it, so one busy lane hides
 * a stuck one. So the supervisor looks at what the lanes wrote.
 *
 * Deadline      first the stack of the stuck thread is asked for, by a signal to that thread; half a second later, with
 *               or without an answer, the process has to end: a thread cannot be ended alone, it may hold any lock.
 *               What of a plugin is called once, open(), close() and its constructors, has the same time each: while it
 *               hangs there is no worker, and a stop or a reload would wait for ever. No event is blamed for it. What
 *               open() waits for inside weir, PostgreSQL, is not counted.
 * Excuses       a process that was stopped (SIGSTOP, a debugger, a machine that stood still) gets the whole deadline
 *               again when it goes on: its handler may have been one instruction from its end.
 * Stall         work has been there, and the position has not moved, at every look for STALL_US. The clock starts when
 *               the work comes: a lane that was idle for an hour is not late with its next event. What it waits for is
 *               its own word on the board. Nothing is ended: waiting for PostgreSQL is no reason to die.
 * Always true   WT1 WT2 WT3, see watch.h.
 */
#include "guard/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/log.h"
#include "guard/death.h"

#define STACK_WAIT_US 500000
#define STALL_US (8 * 1000000ll)
#define LONG_US 500000 /* a handler that takes longer is worth a look at its process */
#define STATE_EVERY_US 1000000
#define GAP_US 1000000 /* we did not run for so long: neither did others, perhaps */

void weir_watch_begin(struct weir_watch *watch, int64_t deadline_us)
{
        *watch = (struct weir_watch){ .deadline_us = deadline_us };
}

/* The state stands behind the name, which is in ( ) and may hold anything. */
static bool is_stopped(pid_t pid)
{
        char path[64], text[512], *state;
        ssize_t size;
        int fd;

        snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        if (size <= 0)
                return false;
        text[size] = '\0';
        state = strrchr(text, ')');
        return state && state[1] == ' ' && (state[2] == 'T' || state[2] == 't');
}

static int doing(const struct weir_board_slot *slot)
{
        return atomic_load_explicit(&slot->doing, memory_order_acquire);
}

static bool in_plugin(const struct weir_board *board)
{
        return atomic_load_explicit(&board->plugin, memory_order_acquire) != WEIR_BOARD_OUTSIDE;
}

/* Who is past the deadline. */
struct overdue {
        int32_t thread; /* 0 = nobody is */
        int64_t since_us;
        const struct weir_board_slot
                *slot; /* NULL: not a lane, but what is called once: open() … */
};

static struct overdue overdue(const struct weir_watch *watch, const struct weir_board *board,
                              int64_t now_us)
{
        int64_t begun_us = now_us - watch->deadline_us; /* at the latest */

        if (watch->excused_us >= begun_us)
                return (struct overdue){ 0 };
        for (int i = 0; i < WEIR_BOARD_LANES; i++) {
                const struct weir_board_slot *slot = &board->slots[i];

                if (doing(slot) == WEIR_BOARD_HANDLES && slot->since_us < begun_us)
                        return (struct overdue){ slot->thread, slot->since_us, slot };
        }
        if (in_plugin(board) && board->plugin_since_us < begun_us)
                return (struct overdue){ board->plugin_thread, board->plugin_since_us, NULL };
        return (struct overdue){ 0 };
}

/* WT1. Asked only where a handler takes long, so that a healthy process costs nothing. */
static void excuse(struct weir_watch *watch, pid_t pid, const struct weir_board *board,
                   int64_t now_us)
{
        bool long_one = in_plugin(board) && now_us - board->plugin_since_us > LONG_US;

        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                long_one = long_one || (doing(&board->slots[i]) == WEIR_BOARD_HANDLES &&
                                        now_us - board->slots[i].since_us > LONG_US);
        if ((watch->looked_us && now_us - watch->looked_us > GAP_US) ||
            (long_one && is_stopped(pid)))
                watch->excused_us = now_us;
        watch->looked_us = now_us;
}

static void ask(struct weir_watch *watch, pid_t pid, struct weir_board *board, int32_t thread,
                int64_t now_us)
{
        watch->asked = thread;
        watch->asked_at_us = now_us;
        board->stack_given = 0;
        board->stack_asked = thread;
        syscall(SYS_tgkill, pid, thread, weir_crash_stack_signal());
}

static void tell_stuck(const struct weir_watch *watch, const char *worker,
                       const struct weir_board *board, const struct overdue *late, int64_t now_us)
{
        const struct weir_board_slot *slot = late->slot;
        char trace[WEIR_DEATH_TEXT_BYTES];
        const char *stack = "";

        if (board->stack_given == watch->asked) {
                weir_death_trace(board, trace, sizeof trace);
                stack = trace;
        }
        if (!slot) {
                weir_log(WEIR_LOG_ERROR, "plugin.stuck", LOG_S("worker", worker),
                         LOG_S("in", weir_board_plugin_name(board->plugin)),
                         LOG_I("ms", (now_us - late->since_us) / 1000),
                         LOG_I("deadline_ms", watch->deadline_us / 1000), LOG_S("stack", stack),
                         LOG_S("next", "see what it waits for; handler.deadline is its time too"),
                         LOG_S("action", "restart"));
                return;
        }
        weir_log(WEIR_LOG_ERROR, "handler.stuck", LOG_S("worker", worker),
                 LOG_S("topic", (const char *)slot->topic), LOG_I("partition", slot->partition),
                 LOG_I("offset", slot->offset), LOG_I("ms", (now_us - slot->since_us) / 1000),
                 LOG_I("deadline_ms", watch->deadline_us / 1000), LOG_S("stack", stack),
                 LOG_S("action", "restart"));
}

/* Is there something to do that is not done? */
static bool has_work(const struct weir_board_slot *slot)
{
        switch (doing(slot)) {
        case WEIR_BOARD_FREE: return false;
        case WEIR_BOARD_READS: return slot->end_offset > slot->next_offset;
        default: return true;
        }
}

static void tell_stall(const char *worker, const struct weir_board_slot *slot, int64_t busy_us,
                       int64_t now_us)
{
        weir_log(WEIR_LOG_WARN, "lane.stalls", LOG_S("worker", worker),
                 LOG_S("topic", (const char *)slot->topic), LOG_I("partition", slot->partition),
                 LOG_I("offset", slot->next_offset), LOG_I("ms", (now_us - busy_us) / 1000),
                 LOG_S("because", weir_board_doing_name(doing(slot))));
}

static void tell_moves(const char *worker, const struct weir_board_slot *slot)
{
        weir_log(WEIR_LOG_INFO, "lane.moves", LOG_S("worker", worker),
                 LOG_S("topic", (const char *)slot->topic), LOG_I("partition", slot->partition),
                 LOG_I("offset", slot->next_offset));
}

static void look_at_lane(struct weir_watch_lane *lane, const char *worker,
                         const struct weir_board_slot *slot, int64_t now_us)
{
        bool work = has_work(slot);
        int64_t moved_us = slot->moved_us;

        if (!work || !lane->busy_us || moved_us != lane->moved_us) { /* WT3 */
                if (lane->told && doing(slot) != WEIR_BOARD_FREE)
                        tell_moves(worker, slot);
                lane->told = false;
                lane->busy_us = work ? now_us : 0;
                lane->moved_us = moved_us;
        } else if (!lane->told && now_us - lane->busy_us > STALL_US) {
                tell_stall(worker, slot, lane->busy_us, now_us);
                lane->told = true; /* WT2 */
        }
}

void weir_watch_stopped(struct weir_watch *watch, pid_t pid, const char *worker, int64_t now_us)
{
        if (watch->state_us && now_us - watch->state_us < STATE_EVERY_US)
                return;
        watch->state_us = now_us;
        if (!is_stopped(pid)) {
                if (watch->stopped_told)
                        weir_log(WEIR_LOG_INFO, "process.goes_on", LOG_S("worker", worker),
                                 LOG_I("pid", pid),
                                 LOG_I("ms", (now_us - watch->stopped_us) / 1000));
                watch->stopped_us = 0;
                watch->stopped_told = false;
        } else if (!watch->stopped_us) {
                watch->stopped_us = now_us;
        } else if (!watch->stopped_told && now_us - watch->stopped_us >= STALL_US) {
                watch->stopped_told = true;
                weir_log(WEIR_LOG_WARN, "process.stopped", LOG_S("worker", worker),
                         LOG_I("pid", pid), LOG_I("ms", (now_us - watch->stopped_us) / 1000),
                         LOG_S("next", "somebody sent it SIGSTOP or debugs it; SIGCONT lets it go "
                                       "on"));
        }
}

int32_t weir_watch_look(struct weir_watch *watch, pid_t pid, const char *worker,
                        struct weir_board *board, int64_t now_us)
{
        struct overdue late;

        excuse(watch, pid, board, now_us);
        late = overdue(watch, board, now_us);
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                look_at_lane(&watch->lanes[i], worker, &board->slots[i], now_us);
        if (!late.thread) {
                watch->asked = 0;
                return 0;
        }
        if (watch->asked != late.thread) {
                ask(watch, pid, board, late.thread, now_us);
                return 0;
        }
        if (board->stack_given != watch->asked && now_us - watch->asked_at_us < STACK_WAIT_US)
                return 0;
        tell_stuck(watch, worker, board, &late, now_us);
        return late.thread;
}
