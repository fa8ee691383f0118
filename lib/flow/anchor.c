/* SPDX-License-Identifier: MIT */
/*
 * anchor - which record to compare when the log under a running lane is doubted
 *
 * The last record handled proves nothing then: if the topic was made anew a second ago, it is one of the new log,
 * and comparing it would say that all is well. What proves something was handled before a check of the log
 * began that passed (kafka/landmark.c), so it was read from the log that the check saw.
 *
 * Always true   N4  known was handled before a check began that passed, or was compared at the start.
 * The race      1. check 7 begins  2. the topic is made anew  3. a record of the new log is handled: candidate, needs 8
 *               4. check 7 passes: known stays the older one  5. check 8 doubts: known is of the old log.
 */
#include "flow/anchor.h"

static void copy_identity(const struct weir_position *from, struct weir_position *to)
{
        to->last_offset = from->last_offset;
        to->last_time_ms = from->last_time_ms;
        to->last_fingerprint = from->last_fingerprint;
}

void weir_anchor_reset(struct weir_anchor *anchor, const struct weir_position *position)
{
        copy_identity(position, &anchor->known);
        anchor->needs = 0;
}

void weir_anchor_note(struct weir_anchor *anchor, const struct weir_position *position,
                      uint64_t begun, uint64_t passed)
{
        if (anchor->needs && passed >= anchor->needs) {
                copy_identity(&anchor->candidate, &anchor->known);
                anchor->needs = 0;
        }
        if (!anchor->needs && position->last_offset > anchor->known.last_offset) {
                copy_identity(position, &anchor->candidate);
                anchor->needs = begun + 1;
        }
}

bool weir_anchor_adopt(const struct weir_anchor *anchor, struct weir_position *position)
{
        if (anchor->known.last_offset < 0)
                return false;
        copy_identity(&anchor->known, position);
        return true;
}
