/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_TRAIL_H
#define WEIR_CONF_TRAIL_H
/* trail - which key the scanner stands in, and which keys a group has already; internal to scan.c */
#include <stdbool.h>

#include "base/arena.h"
#include "conf/problem.h"

#define WEIR_TRAIL_LEVELS 33 /* the file, and 32 brackets inside each other */

struct weir_trail_name;
struct weir_trail {
        struct {
                const char *name; /* of the setting in hand; NULL = none, or a list */
                uint32_t group;   /* its number; 0 = the file */
                bool is_group;
        } levels[WEIR_TRAIL_LEVELS];
        unsigned depth;
        bool in_value; /* behind = and not yet at its value's end */
        uint32_t group_count, again_count;
        struct weir_trail_name *names; /* hash table: what each group has */
        size_t name_count, name_room;
};

void weir_trail_init(struct weir_trail *trail);
void weir_trail_fini(struct weir_trail *trail);

/* Would a name here be that of a setting, and not a value? */
bool weir_trail_wants_name(const struct weir_trail *trail);
/* A setting begins. *ret: what libconfig is to read for its name, in @arena; another one when the group has that
 * name already, and then *ret_first is where. False = no memory. */
bool weir_trail_name(struct weir_trail *trail, struct weir_arena *arena, const char *name,
                     size_t size, const struct weir_place *place, const char **ret,
                     const struct weir_place **ret_first);
void weir_trail_assign(struct weir_trail *trail); /* = or : */
void weir_trail_value(struct weir_trail *trail);  /* a string, a number, true or false */
void weir_trail_open(struct weir_trail *trail, bool is_group);
void weir_trail_close(struct weir_trail *trail);

/* "workers.batch.linger"; lists leave no trace in it. @ret of 160 bytes; a longer one ends in "...". */
void weir_trail_path(const struct weir_trail *trail, char ret[160]);

/* The name in the file of one that the parser read. *ret_again: it is not the first of its group. */
const char *weir_trail_plain(const char *name, bool *ret_again);

#endif
