/* SPDX-License-Identifier: MIT */
/*
 * offer - ask all, then tell all
 *
 * A reload used to be believed by the supervisor as soon as the file could be read, and by each worker on its own. A file
 * that one worker's plugin refused was in force in the supervisor and in the other workers, and in the one that had
 * refused it as soon as it was started again. Nobody could say what the service was working by.
 *
 * Always true   OF1 to OF4, see offer.h.
 * Order         mark before offered, why before refused: who sees the number sees what belongs to it. A process that sees
 *               a later offer has had its chance to see what became of the one before: go and dropped are written first.
 * After go      nothing can be refused any more. A process that dies now is started by what is in force now, which is what
 *               it was told; one that was not asked (OF4) is ended and started by it.
 * Read as       foreign data: a plugin can write to its board. It can refuse for itself, or claim to be ready.
 * Not chosen    a socket to each process: it would have to be read by a thread of the worker's and could fill up; a word in
 *               shared memory is there when somebody looks. Signals: a lost or doubled one means nothing here.
 */
#include "guard/offer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weir_offer_asks(const struct weir_process *process)
{
        const struct weir_child *child = &process->child;

        if (!child->worker || child->state == WEIR_CHILD_FAILED || child->state == WEIR_CHILD_ENDED)
                return false;
        return (!child->misfits && !child->stillborn) ||
               (child->state == WEIR_CHILD_RUNS && child->board->ready);
}

void weir_offer_put(const struct weir_offer *offer, const struct weir_process *process)
{
        struct weir_board *board = process->child.board;

        if (!offer->open)
                return;
        board->offer.size = offer->mark.size;
        memcpy(board->offer.digest, offer->mark.digest, sizeof board->offer.digest);
        if (process->next)
                board->offer.object = process->next->mark;
        atomic_store(&board->offer.offered, offer->number);
}

void weir_offer_make(struct weir_offer *offer, const struct weir_family *family, uint32_t number,
                     const struct weir_hash_mark *mark, int64_t now_us)
{
        *offer = (struct weir_offer){ .number = number,
                                      .open = true,
                                      .mark = *mark,
                                      .until_us = now_us + WEIR_OFFER_SECONDS * 1000000ll };
        for (size_t i = 0; i < family->count; i++)
                if (family->processes[i].child.worker)
                        weir_offer_put(offer, &family->processes[i]);
}

static void refuse(struct weir_offer *offer, const struct weir_process *process, const char *why)
{
        if (offer->against)
                return;
        offer->against = process;
        snprintf(offer->why, sizeof offer->why, "%s", why);
}

void weir_offer_died(struct weir_offer *offer, const struct weir_process *process)
{
        if (offer->open && !process->renewed && weir_offer_asks(process))
                refuse(offer, process, "died while the file was tried");
}

enum weir_offer_state weir_offer_look(struct weir_offer *offer, const struct weir_family *family,
                                      int64_t now_us)
{
        const struct weir_process *waited_for = NULL;

        for (size_t i = 0; i < family->count; i++) {
                const struct weir_process *process = &family->processes[i];
                const struct weir_board_offer *answer = &process->child.board->offer;
                char why[WEIR_BOARD_WHY_BYTES];

                if (!weir_offer_asks(process))
                        continue;
                if (process->child.state == WEIR_CHILD_RUNS && answer->refused == offer->number) {
                        memcpy(why, answer->why, sizeof why); /* BD3 */
                        why[sizeof why - 1] = '\0';
                        refuse(offer, process, why);
                } else if (process->child.state != WEIR_CHILD_RUNS ||
                           answer->prepared != offer->number) {
                        waited_for = process;
                }
        }
        if (!offer->against && waited_for && now_us >= offer->until_us) {
                char why[160];

                snprintf(why, sizeof why, "%s, %d s after it was asked",
                         waited_for->child.state != WEIR_CHILD_RUNS ? "does not run"
                         : !waited_for->child.board->ready          ? "is still starting"
                                                                    : "has not answered",
                         WEIR_OFFER_SECONDS);
                refuse(offer, waited_for, why);
        }
        return offer->against ? WEIR_OFFER_REFUSED
               : waited_for   ? WEIR_OFFER_WAITS
                              : WEIR_OFFER_AGREED;
}

void weir_offer_decide(struct weir_offer *offer, const struct weir_family *family, bool go)
{
        offer->open = false;
        for (size_t i = 0; i < family->count; i++) {
                const struct weir_child *child = &family->processes[i].child;
                struct weir_board_offer *told = &child->board->offer;

                if (!child->worker || child->state != WEIR_CHILD_RUNS)
                        continue;
                if (!go)
                        atomic_store(&told->dropped, offer->number);
                else if (told->prepared == offer->number)
                        atomic_store(&told->go, offer->number);
        }
}

bool weir_offer_is_late(const struct weir_offer *offer, const struct weir_process *process)
{
        const struct weir_board_offer *told = &process->child.board->offer;

        return process->child.worker && process->child.state == WEIR_CHILD_RUNS &&
               told->go == offer->number && told->taken != offer->number;
}

bool weir_offer_is_outside(const struct weir_offer *offer, const struct weir_process *process)
{
        return process->child.worker && process->child.state == WEIR_CHILD_RUNS &&
               process->child.board->offer.go != offer->number;
}

int weir_offer_text(const struct weir_board *board, int pad, char **ret, size_t *ret_size)
{
        struct weir_hash_mark wanted = { .size = board->offer.size }, found;
        int r = weir_kept_read(pad, WEIR_CONF_TEXT_BYTES_MAX, ret, ret_size);

        if (r < 0)
                return r;
        memcpy(wanted.digest, board->offer.digest, sizeof wanted.digest);
        r = weir_hash_mark(*ret, *ret_size, &found);
        if (r == 0 && !weir_hash_mark_is(&wanted, &found)) {
                errno = EBADMSG;
                r = -1;
        }
        if (r < 0) {
                int error = errno;

                free(*ret);
                errno = error;
        }
        return r;
}
