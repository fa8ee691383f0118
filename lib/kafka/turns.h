/* SPDX-License-Identifier: MIT */
#ifndef WEIR_KAFKA_TURNS_H
#define WEIR_KAFKA_TURNS_H
/*
 * turns - partitions whose records are large fetch a few at a time
 *
 * Thread   any; nothing is kept here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_turn {
        uint64_t bytes;   /* what one response of it weighs                               */
        int64_t since_us; /* when it was last put out; the longest ago is next            */
        bool wants;       /* there is something for it, and somebody who would take it    */
        bool runs;        /* it has the turn                                              */
        bool over;        /* it runs, and has had enough, or finds no more                */
};

/* Change runs. What runs together weighs @room_bytes at most, or is one. True: something changed; then look again
 * when that was carried out. */
bool weir_turns_choose(struct weir_turn *const *turns, size_t count, uint64_t room_bytes);

/* What a topic's records weigh: the largest of the last one or two whiles. */
struct weir_weight {
        uint64_t before;  /* of the while before this one; 0 = nothing was seen */
        int64_t since_us; /* this one began                                     */
};

/* @bytes: the largest seen in this while, 0 = none. Begins another where it is time: then *@bytes is 0. Returns what
 * is to be reckoned with, 0 = nothing was ever seen. */
uint64_t weir_weight_reckon(struct weir_weight *weight, uint64_t *bytes, int64_t now_us);

#endif
