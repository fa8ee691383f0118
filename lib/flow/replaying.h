/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_REPLAYING_H
#define WEIR_FLOW_REPLAYING_H
/*
 * replaying - what makes lanes replay a range of each partition instead of consuming it live
 *
 * A replay is a worker's second set of positions: rows of weir.position whose worker is "NAME@ID". Fence, trail, attempts
 * and what is parked hang on a position, so a replay is resumed, fenced and counted as live consumption is, and
 * beside it.
 *
 *  RP1  a lane of a replay passes no offset at or past until_offset.
 *  RP2  it claims in @space: the worker's own for what is missing, one for each epoch for what is to run again.
 *  RP3  nothing of it leaves (weir_tx_emit, deliver, dead letters that are published) unless effects is set; what was
 *       withheld is counted in the transaction that withheld it.
 *  RP4  Kafka is told nothing: no group is joined, no offset stored.
 *
 * Thread   made by main before lanes, and outlives them; what a lane writes is atomic.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct weir_filter;
struct weir_pace;

enum weir_replay_end {
        WEIR_REPLAY_RUNS = 0,
        WEIR_REPLAY_DONE,   /* everything below until_offset is decided */
        WEIR_REPLAY_FAILED, /* its lane halted: see error */
        WEIR_REPLAY_TAKEN   /* another process holds the position now */
};

struct weir_replay_range {
        const char *topic;
        int32_t partition;
        int32_t live_position; /* weir.position of the live worker: its dead letters hang on that */
        int64_t from_offset, until_offset;
        _Atomic int64_t next_offset;
        _Atomic int end;         /* enum weir_replay_end */
        struct weir_error error; /* once end is FAILED */
};

struct weir_replaying {
        int64_t id;
        const char *position_worker;      /* "audit@3" */
        const char *name;                 /* event->replay */
        const char *space;                /* RP2 */
        const char *epoch;                /* of dead letters; NULL = policy missing */
        bool effects;                     /* RP3 */
        bool skip_missing;                /* what retention took is passed; else the lane halts */
        const struct weir_filter *filter; /* NULL = all events */
        struct weir_pace *pace;           /* NULL = as fast as it goes */
        struct weir_replay_range *ranges;
        size_t range_count;
};

/* The namespace of claims of @worker in @epoch; without one, the worker's own. No worker's name holds the sign. */
enum { WEIR_SPACE_BYTES = 160 };
void weir_replaying_space(const char *worker, const char *epoch, char ret[WEIR_SPACE_BYTES]);

/* NULL = the replay does not have it. */
struct weir_replay_range *weir_replaying_range(const struct weir_replaying *replaying,
                                               const char *topic, int32_t partition);
/* Every range has ended, one way or another. */
bool weir_replaying_over(const struct weir_replaying *replaying);

#endif
