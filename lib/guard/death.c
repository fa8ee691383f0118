/* SPDX-License-Identifier: MIT */
/*
 * death - the board is read as foreign data: who wrote it was about to crash
 *
 * Always true   DE1 DE2 DE3, see death.h.
 * Unknown thread   SIGKILL leaves none, neither does exit(), and a thread that the plugin started is in no lane:
 *               then all events inside handlers are suspects, and flow/gate sorts them.
 * Numbers       a partition below 0 or a range that runs backwards was never written by a lane: not suspected.
 */
#include "guard/death.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* At most 7 characters, as a reason has (store/dead): what is longer is told by its number. */
static void name_death(struct weir_death *death)
{
        const char *name = sigabbrev_np(death->signal_number);

        if (death->stuck)
                snprintf(death->name, sizeof death->name, "stuck");
        else if (death->exhausted)
                snprintf(death->name, sizeof death->name, "memory");
        else if (!death->signal_number)
                snprintf(death->name, sizeof death->name, "exit");
        else if (name && strlen(name) <= 4)
                snprintf(death->name, sizeof death->name, "SIG%s", name);
        else
                snprintf(death->name, sizeof death->name, "SIG%d", death->signal_number & 0x7f);
}

const char *weir_death_name(const struct weir_death *death)
{
        return death->name;
}

void weir_death_trace(const struct weir_board *board, char *ret, size_t size)
{
        size_t count = board->trace_size;

        if (count > sizeof board->trace)
                count = sizeof board->trace;
        if (count > size - 1)
                count = size - 1;
        for (size_t i = 0; i < count; i++) {
                char c = board->trace[i];

                ret[i] = c == '\n' || (c >= 0x20 && c < 0x7f) ? c : '?';
        }
        ret[count] = '\0';
}

static void suspect(struct weir_death *death, const struct weir_board_slot *slot)
{
        struct weir_suspicion *suspicion = &death->suspicions[death->count];
        char *topic = death->topics[death->count];

        if (slot->partition < 0 || slot->offset < 0 || slot->last_offset < slot->offset)
                return;
        memcpy(topic, slot->topic, WEIR_BOARD_TOPIC_BYTES);
        topic[WEIR_BOARD_TOPIC_BYTES - 1] = '\0';
        *suspicion = (struct weir_suspicion){ .topic = topic,
                                              .partition = slot->partition,
                                              .first = slot->offset,
                                              .last = slot->last_offset,
                                              .item = slot->count > 1 ? -1 : slot->item,
                                              .row = slot->row,
                                              .death = death->text };
        switch (slot->kind) {
        case WEIR_BOARD_RECORD: suspicion->kind = WEIR_SUSPECT_RECORD; break;
        case WEIR_BOARD_PARKED: suspicion->kind = WEIR_SUSPECT_PARKED; break;
        case WEIR_BOARD_LETTER: suspicion->kind = WEIR_SUSPECT_LETTER; break;
        default: return;
        }
        death->count++;
}

static bool handles(const struct weir_board_slot *slot)
{
        return atomic_load_explicit(&slot->doing, memory_order_acquire) == WEIR_BOARD_HANDLES;
}

/* DE2: the slot of a thread that was inside a handler. */
static const struct weir_board_slot *slot_of(const struct weir_board *board, int32_t thread)
{
        for (int i = 0; thread && i < WEIR_BOARD_LANES; i++)
                if (board->slots[i].thread == thread && handles(&board->slots[i]))
                        return &board->slots[i];
        return NULL;
}

void weir_death_read(struct weir_death *death, int wait_status, int32_t stuck_thread,
                     const struct weir_board *board)
{
        const struct weir_board_slot *known;
        size_t used;

        death->signal_number = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
        death->status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
        death->stuck = stuck_thread != 0;
        death->exhausted = WIFEXITED(wait_status) && board->exhausted;
        death->thread = stuck_thread ? stuck_thread : board->crash_thread;
        if (!death->stuck && death->signal_number && board->crash_signal)
                death->signal_number = board->crash_signal; /* the first, whatever ended it then */
        death->count = 0;
        name_death(death);
        used = (size_t)snprintf(death->text, sizeof death->text,
                                death->signal_number || death->stuck ? "%s\n"
                                                                     : "%s with status %d\n",
                                weir_death_name(death), death->status);
        weir_death_trace(board, death->text + used, sizeof death->text - used);
        known = slot_of(board, death->thread);
        death->exact = false;
        if (death->exhausted || (death->stuck && !known))
                return; /* DE3 */
        for (int i = 0; i < WEIR_BOARD_LANES; i++)
                if (handles(&board->slots[i]) && (!known || known == &board->slots[i]))
                        suspect(death, &board->slots[i]);
        death->exact = death->count == 1 && (known || !death->thread);
}
