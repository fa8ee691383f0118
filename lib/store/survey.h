/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_SURVEY_H
#define WEIR_STORE_SURVEY_H
/*
 * survey - what weir's own tables say of ranges of partitions; reads only
 *
 *  SY1  what is called a worker's covers its live position, and those of its replays that claimed in the same namespace:
 *       without an epoch those of policy missing, else those of that epoch alone.
 */
#include "store/pg.h"

struct weir_survey_span {
        const char *topic;
        int32_t partition;
        int64_t from_offset, until_offset; /* the first that is not part of it */
        int32_t position;                  /* weir.position of the live worker, 0 = none */
        int64_t applied;                   /* out: claims; -1 = not counted in time */
        int64_t letters;                   /* out: that are kept, or marked to be run again */
        int64_t unreached;                 /* out: offsets that no transaction has passed */
};

/* Fills letters and unreached, by indexes; then applied, which reads all claims there are: for so long at most. */
int weir_survey_count(struct weir_pg *pg, const char *worker, const char *epoch, int32_t timeout_ms,
                      struct weir_survey_span *spans, size_t count, struct weir_error *reterr);

/* Letters of events that lie in @spans, kept or marked to be run again: by span, offset and item. At
 * most @most of them, the list is freed by the caller; *ret_more: there are others. */
struct weir_survey_letter {
        uint32_t span;
        int32_t item; /* -1 = all of the record */
        int64_t offset;
};
int weir_survey_letters(struct weir_pg *pg, const struct weir_survey_span *spans, size_t count,
                        size_t most, struct weir_survey_letter **ret, size_t *ret_count,
                        bool *ret_more, struct weir_error *reterr);

/* How long a lane of @worker was busy with an event of late. transactions = 0: nothing says so. */
struct weir_survey_pace {
        int64_t transactions, events;
        double us_per_event;
};
int weir_survey_pace(struct weir_pg *pg, const char *worker, struct weir_survey_pace *ret,
                     struct weir_error *reterr);

#endif
