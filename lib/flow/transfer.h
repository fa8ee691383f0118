/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_TRANSFER_H
#define WEIR_FLOW_TRANSFER_H
/* transfer - may this partition go on from there? Moving positions in, out and about; judges only, moves nothing */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_TRANSFER_NOTE_BYTES 240

/* A place in a log, as an operator says it. */
enum weir_where_kind {
        WEIR_WHERE_OFFSET,
        WEIR_WHERE_EARLIEST,
        WEIR_WHERE_LATEST,
        WEIR_WHERE_TIME, /* value: milliseconds since 1970 */
        WEIR_WHERE_AGO   /* value: milliseconds before now */
};
struct weir_where {
        enum weir_where_kind kind;
        int64_t value;
};
/* "81200" "earliest" "latest" "2026-11-01T12:00:00Z" "2026-11-01" "-2h" "2h". A time is the first millisecond that is not
 * before it. False = none of these. */
bool weir_where_read(const char *text, struct weir_where *ret);

/* What is known of one partition. -1 = there is none, or nobody could say. */
struct weir_transfer {
        int64_t start_offset, end_offset; /* of the log */
        int64_t position;                 /* of the worker */
        int64_t committed;                /* of the group */
        int64_t parked, tried, letters;   /* rows that only weir has */
};
enum weir_transfer_verdict {
        WEIR_TRANSFER_MOVE,  /* *ret_offset is where to */
        WEIR_TRANSFER_SAME,  /* it is there already */
        WEIR_TRANSFER_LEAVE, /* there is nothing to move */
        WEIR_TRANSFER_REFUSE /* it would go on wrongly: @note says why */
};
/* Into weir, out of weir, and by an operator's word to @offset. @note (WEIR_TRANSFER_NOTE_BYTES): what follows from it. */
enum weir_transfer_verdict weir_transfer_in(const struct weir_transfer *place, int64_t *ret_offset,
                                            char *note);
enum weir_transfer_verdict weir_transfer_out(const struct weir_transfer *place, int64_t *ret_offset,
                                             char *note);
enum weir_transfer_verdict weir_transfer_to(const struct weir_transfer *place, int64_t offset,
                                            bool force, char *note);

#endif
