/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_SUSPICION_H
#define WEIR_STORE_SUSPICION_H
/*
 * suspicion - a process died with these events inside a handler: one death more for each of them
 *
 * Written after the death by somebody who holds no position, so without a fence: what was passed meanwhile is left
 * out, and a row too many costs its event a transaction of its own, once.
 */
#include "store/pg.h"

enum weir_suspicion_kind {
        WEIR_SUSPECT_RECORD, /* offsets first … last of a partition */
        WEIR_SUSPECT_PARKED, /* the row of weir.parked */
        WEIR_SUSPECT_LETTER  /* the row of weir.dead_letter */
};

struct weir_suspicion {
        enum weir_suspicion_kind kind;
        const char *topic;
        int32_t partition;
        int64_t first, last;
        int32_t item; /* -1: which event of the record is not known */
        int64_t row;
        const char *death; /* signal, and where */
};

/* For this connection: who waits for a lock, or for PostgreSQL, is told so by PostgreSQL and not ended without a word. */
int weir_suspicion_bound(struct weir_pg *pg, int lock_ms, int statement_ms,
                         struct weir_error *reterr);
/* In one transaction. *ret_written: rows, fewer where the position has moved past. */
int weir_suspicion_write(struct weir_pg *pg, const char *worker,
                         const struct weir_suspicion *suspicions, size_t count,
                         int64_t *ret_written, struct weir_error *reterr);

#endif
