/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_SCAN_H
#define WEIR_CONF_SCAN_H
/* scan - one token of a configuration file after the other, into the flat text; internal to
 * source.c */
#include <sys/types.h>

#include "conf/source.h"
#include "conf/trail.h"

#define WEIR_SCAN_NESTING_MAX (WEIR_TRAIL_LEVELS - 1)

/* One file in reading, and who included it. */
struct weir_input {
        const struct weir_input *parent;
        unsigned depth;
        dev_t device;
        ino_t inode;
        const char *p, *end;
        struct weir_place here;
        bool kept; /* of weir_source_keep(): marks say where lines came from */
};

struct weir_scan {
        struct weir_source *source;
        struct weir_arena *arena;
        struct weir_problem_list *problems;
        size_t total_bytes, include_count;
        bool stop; /* too much text: not another byte of any file */
        uint32_t order;
        bool after_string;
        struct weir_trail trail;
        struct {
                char closes;
                struct weir_place place;
        } open[WEIR_SCAN_NESTING_MAX];
        unsigned nesting;
};

/* Note a problem that libconfig must not even see. */
#define WEIR_BREAK(scan, place, ...)                                                               \
        do {                                                                                       \
                (scan)->source->broken = true;                                                     \
                weir_problem_add((scan)->problems, (place), "syntax", __VA_ARGS__);                \
        } while (0)

/* in->p is at a newline: step over it. */
void weir_scan_next_line(struct weir_scan *scan, struct weir_input *in);
/* in->p is at something else than a blank, a newline and an @: take the token or comment there. */
void weir_scan_token(struct weir_scan *scan, struct weir_input *in);
/* After the last token of the main file. */
void weir_scan_finish(struct weir_scan *scan);

#endif
