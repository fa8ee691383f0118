/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_CLAIMS_H
#define WEIR_STORE_CLAIMS_H
/*
 * claims - the generations of claims: what there is, beginning one, dropping one
 *
 *  CL1 a generation is dropped whole, and never the newest: claims go there.
 *  CL2 who changes the set waits for claimers in short tries, with pauses, and they for him no longer than one try; a
 *      table is removed when no claimer knows it any more.
 *  CL3 a claim without which something that weir keeps could be handled twice is needed (weir_claim_need()), whatever
 *      its age.
 *  CL4 who begins a replay, or goes on with one, and who drops exclude each other (weir_claims_stand()): the one sees the
 *      replay, or the other that claims were dropped.
 */
#include <stdbool.h>

#include "store/pg.h"

enum {
        WEIR_CLAIM_LIVE_MAX = 16,      /* generations, by itself: a look per event into each */
        WEIR_CLAIM_PATIENCE_MS = 1280, /* the longest try, by itself … */
        WEIR_CLAIM_PATIENCE_MOST = 8   /* … and so many times as long where transactions are */
};

struct weir_claim_generation {
        int32_t number;
        int64_t age_ms;            /* since it was begun */
        int64_t closed_ms;         /* since the last claim was made in it; -1 = the newest */
        char since[24], until[24]; /* "2026-01-31T08:00:00Z"; until "" = the newest */
        int64_t rows;              /* reckoned, or counted */
        int64_t bytes;             /* with the index */
};

/* All of the set, oldest first, into a list to be freed. @exact: count rows, which reads them all. */
int weir_claims_list(struct weir_pg *pg, bool exact, struct weir_claim_generation **ret,
                     size_t *ret_count, struct weir_error *reterr);

/* Begin the next generation: excludes all claimers for a moment. 55P03: not within @patience_ms. */
int weir_claim_switch(struct weir_pg *pg, int32_t patience_ms, int32_t *ret_generation,
                      struct weir_error *reterr);
/* Remove the tables of what was taken out. WEIR_ESQL with 55P03: somebody reads one, a dump perhaps; it is there the
 * next time. */
int weir_claim_sweep(struct weir_pg *pg, struct weir_error *reterr);

/* Is there something that weir keeps, and that could not be told from its duplicate without @generation? 0 no; 1 yes,
 * and @ret_text says what, and what to do about it. A letter that was sent on is waited for for @sent_ms. */
struct weir_claim_needed {
        const char *reason; /* a word for the log */
        char text[300];
};
int weir_claim_need(struct weir_pg *pg, int32_t generation, int64_t sent_ms,
                    struct weir_claim_needed *ret, struct weir_error *reterr);
/* Take @generation out of the set. 1: a replay has begun since weir_claim_need() was asked, and needs it; nothing was
 * done (CL4). @needed NULL: whatever needs it. Its table stays for weir_claim_sweep(). */
int weir_claim_drop(struct weir_pg *pg, int32_t generation, int32_t patience_ms,
                    struct weir_claim_needed *needed, struct weir_error *reterr);

/* To the end of the transaction no generation goes. */
int weir_claims_stand(struct weir_pg *pg, struct weir_error *reterr);

/* One session of all that look after the claims; held to its end. 1 = another has it. */
int weir_claims_look_after(struct weir_pg *pg, struct weir_error *reterr);

#endif
