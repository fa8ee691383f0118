/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_BUDGET_H
#define WEIR_BASE_BUDGET_H
/*
 * budget - so many bytes for all lanes of a process, asked for before they are there
 *
 * Thread   any; a credit belongs to one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/thread.h"

struct weir_budget;

int weir_budget_new(uint64_t bytes, struct weir_budget **ret, struct weir_error *reterr);
void weir_budget_free(struct weir_budget *budget); /* no credit holds any of it */
WEIR_DEFINE_FREEP(struct weir_budget, weir_budget_free)
uint64_t weir_budget_total(const struct weir_budget *budget); /* NULL: UINT64_MAX */
uint64_t weir_budget_used(struct weir_budget *budget);

/* What one lane holds of it. */
struct weir_credit {
        struct weir_budget *budget; /* NULL: there is no bound */
        uint64_t bytes;
        bool resting;
};

/* Hold @bytes instead of less, waiting in turn: up to @timeout_ms, or until @interrupt is set. False: it holds what it
 * held. While it waits, that rests: nobody waits for one that waits. */
bool weir_credit_take(struct weir_credit *credit, uint64_t bytes, struct weir_latch *interrupt,
                      int timeout_ms);
/* Hold @bytes, which are more, if that can be had at once and nobody waits. */
bool weir_credit_grow(struct weir_credit *credit, uint64_t bytes);
/* Hold @bytes, whatever there is: they are in memory. */
void weir_credit_set(struct weir_credit *credit, uint64_t bytes);
void weir_credit_give(struct weir_credit *credit);
/* What it holds it may hold for hours: then it does not count as one that will give back soon (BU2). */
void weir_credit_rest(struct weir_credit *credit, bool resting);

#endif
