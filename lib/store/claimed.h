/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_CLAIMED_H
#define WEIR_STORE_CLAIMED_H
/*
 * claimed - which of some thousand keys have a claim, in whatever generation; asks, and claims nothing
 *
 *  CD1 an answer is about one moment, and about all generations of that moment.
 *  CD2 a question is under way from weir_claimed_ask() to weir_claimed_answer(): its connection does nothing else.
 *
 * Owner    one thread at a time. The connection outlives it.
 */
#include "event/key.h"
#include "store/pg.h"

struct weir_claimed;

int weir_claimed_new(struct weir_pg *pg, struct weir_claimed **ret, struct weir_error *reterr);
void weir_claimed_free(struct weir_claimed *claimed);
WEIR_DEFINE_FREEP(struct weir_claimed, weir_claimed_free)

/* Send the question; the same key may stand in it twice. @keys is not needed afterwards. Does not wait for the answer. */
int weir_claimed_ask(struct weir_claimed *claimed, const struct weir_key *keys, size_t count,
                     struct weir_error *reterr);
/* Wait for it: ret[i] = keys[i] has a claim. Asks again where the generations were changed meanwhile. */
int weir_claimed_answer(struct weir_claimed *claimed, bool *ret, struct weir_error *reterr);

#endif
