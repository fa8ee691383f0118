/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_PREVIEW_H
#define WEIR_FLOW_PREVIEW_H
/*
 * preview - what a replay of these ranges would do, by reading them as it would
 *
 *  PV1  nothing is written, in Kafka or in PostgreSQL.
 *  PV2  an event is counted once, as what a replay would make of it: left out, applied already, run, or a repetition of
 *       one that would be run before it. events = left_out + applied + runs + repeated.
 *
 * Thread   one.
 */
#include "conf/conf.h"
#include "event/filter.h"
#include "store/pg.h"

struct weir_preview_range {
        const char *topic;
        int32_t partition;
        int32_t position; /* of the live worker, 0 = none: its letters hang on it */
        int64_t from_offset, until_offset; /* the first that is not part of it */
        /* out */
        int64_t begin_offset;   /* where the log began when it was read */
        int64_t next_offset;    /* so far it was read; until_offset: all of it */
        struct weir_error halt; /* code != 0: why it was not read to its end */
        int64_t gone;           /* offsets below begin_offset: no longer in the log */
        int64_t records, undecodable, events;
        int64_t left_out; /* by the filter */
        int64_t applied;  /* there is a claim */
        int64_t runs, repeated;
        int64_t letters; /* of what would run or cannot be decoded: lies in weir.dead_letter, and is not settled */
};

struct weir_preview {
        const struct weir_conf *conf;
        const struct weir_conf_worker *worker;
        const char *space; /* of the claims */
        const struct weir_filter *filter;
        struct weir_preview_range *ranges; /* by topic and partition */
        size_t range_count;
        int timeout_ms; /* for questions to Kafka */
        /* May be NULL. Called at times with what was read and what there is to read, in offsets; false = end here. */
        bool (*progress)(void *context, int64_t done, int64_t total);
        void *context;
        /* out */
        int64_t read_us; /* from the first record to the last answer */
        bool repeated_unsure; /* there were too many keys: at least so many repetitions, at most so many runs */
        bool letters_unsure; /* there were too many letters: at least so many */
};

/* 0; WEIR_ESTOP: progress said so; < 0. A range that cannot be read halts, and the others go on. Claims are looked up on
 * all of @pgs at a time, which do nothing else meanwhile. */
enum { WEIR_PREVIEW_LOOKS = 2 };
int weir_preview_run(struct weir_preview *preview, struct weir_pg *const *pgs, size_t pg_count,
                     struct weir_error *reterr);

#endif
