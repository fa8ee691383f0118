/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_ATTEMPT_H
#define WEIR_STORE_ATTEMPT_H
/*
 * attempt - how often an event was tried, and how often its process died of it, in a row that survives both
 *
 *  J1  a row is written before the wait that it stands for, by the holder of the epoch only.
 *  J2  it is gone with the transaction that passes its offset.
 */
#include "store/kept.h"

struct weir_attempt {
        int64_t offset;
        int32_t item;            /* which event of the record; -1: any (deaths only) */
        int32_t attempts;        /* calls of the handler that failed */
        int64_t first_failed_us; /* wall clock of the database; filled by save and load */
        int64_t wait_ms;         /* until the next try: from now, by the database's clock */
        int32_t deaths;          /* of the process, with this event inside the handler */
        const char *death; /* the last one; in the arena of weir_attempt_load(); NULL = none */
};

/* The rows of @position, by offset and item, into a list to be freed; rows of offsets that were passed (by an
 * operator) are removed. */
int weir_attempt_load(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_arena *arena, struct weir_attempt **ret, size_t *ret_count,
                      struct weir_error *reterr);
/* Statement of its own. enum weir_kept_done, or < 0. */
int weir_attempt_save(struct weir_pg *pg, const struct weir_position *position,
                      struct weir_attempt *attempt, const char *reason, const char *text,
                      struct weir_error *reterr);
/* Inside the transaction that moves @position to @next_offset. */
int weir_attempt_pass(struct weir_pg *pg, int32_t position, int64_t next_offset,
                      struct weir_error *reterr);

#endif
