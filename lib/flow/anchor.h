/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_ANCHOR_H
#define WEIR_FLOW_ANCHOR_H
/*
 * anchor - a record handled a while ago that is certainly of the log that the position belongs to
 *
 * Lane thread only. last_offset of known: -1 = there is none.
 */
#include "store/position.h"

struct weir_anchor {
        struct weir_position known;     /* only last_* count: proven */
        struct weir_position candidate; /* proven as soon as check number needs has passed */
        uint64_t needs;                 /* 0 = there is no candidate */
};

/* A lane starts to fetch at @position, whose last record is compared there. */
void weir_anchor_reset(struct weir_anchor *anchor, const struct weir_position *position);
/* @position was committed; of the checks of the log so many have @begun, and number @passed was the last good one. */
void weir_anchor_note(struct weir_anchor *anchor, const struct weir_position *position,
                      uint64_t begun, uint64_t passed);
/* The log is doubted: make @position's identity the one that is certainly right. False = there is none older. */
bool weir_anchor_adopt(const struct weir_anchor *anchor, struct weir_position *position);

#endif
