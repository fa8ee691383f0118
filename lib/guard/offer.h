/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_OFFER_H
#define WEIR_GUARD_OFFER_H
/*
 * offer - a new configuration is offered to every worker process, and is in force for all or for none
 *
 *      supervisor                        process
 *      offered = n  ───────────────────▶ opens its plugins by it, beside those that run
 *                   ◀─────────────────── prepared = n, or refused = n and why
 *      all prepared:       go = n ─────▶ goes over at the next batch
 *      one did not:   dropped = n ─────▶ closes what it has opened
 *                   ◀─────────────────── taken = n: all of its lanes are over
 *
 *  OF1 until go nothing is in force that was not before, here or in any process.
 *  OF2 go is said when every worker process that can work has prepared the same text. What dies, hangs, or does not come
 *      up meanwhile has refused.
 *  OF3 a process that is started works by what is in force then; while an offer is open it is asked too. So one that was
 *      told to end before, to begin anew, and does so meanwhile, has refused nothing: the next one answers.
 *  OF4 a process that cannot work by what is in force either (child.h: CH3, stillborn) is not asked before it can: it has
 *      nothing to lose, and the reload may be what mends it.
 *
 * Pure but for the boards: what is done about an answer is reload.c's.
 * Thread   supervisor; weir_offer_text(): the process that is asked.
 */
#include "guard/family.h"
#include "guard/kept.h"

#define WEIR_OFFER_SECONDS 30 /* for an answer */

struct weir_offer {
        uint32_t number; /* of the last one; 0 = there was none */
        bool open;       /* and not decided */
        struct weir_hash_mark mark;
        int64_t until_us;
        const struct weir_process *against; /* one that has refused; NULL = none has */
        char why[WEIR_BOARD_WHY_BYTES];
};

enum weir_offer_state { WEIR_OFFER_WAITS, WEIR_OFFER_AGREED, WEIR_OFFER_REFUSED };

/* Is @process one whose answer is waited for? OF4, and neither the relay nor one that was given up. */
bool weir_offer_asks(const struct weir_process *process);
/* Number @number, of the text that @mark is of, to all of @family. */
void weir_offer_make(struct weir_offer *offer, const struct weir_family *family, uint32_t number,
                     const struct weir_hash_mark *mark, int64_t now_us);
/* OF3. To a process that is about to be started; its board is clear. */
void weir_offer_put(const struct weir_offer *offer, const struct weir_process *process);
/* OF2. @process has died, and nothing was noted of that yet. */
void weir_offer_died(struct weir_offer *offer, const struct weir_process *process);
/* Of an offer that is open. REFUSED: see @against and @why. */
enum weir_offer_state weir_offer_look(struct weir_offer *offer, const struct weir_family *family,
                                      int64_t now_us);
/* It is in force, or nothing any more. */
void weir_offer_decide(struct weir_offer *offer, const struct weir_family *family, bool go);
/* Was it told to go over, and is not through? */
bool weir_offer_is_late(const struct weir_offer *offer, const struct weir_process *process);
/* Does it run, and was not asked? Then it works by what was in force before. */
bool weir_offer_is_outside(const struct weir_offer *offer, const struct weir_process *process);

/* The text that is offered to this process, with a NUL behind; free() it. -1 and errno; EBADMSG: it is another one. */
int weir_offer_text(const struct weir_board *board, int pad, char **ret, size_t *ret_size);

#endif
