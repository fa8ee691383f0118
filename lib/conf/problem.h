/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_PROBLEM_H
#define WEIR_CONF_PROBLEM_H
/* problem - what is wrong with a file, collected while it is read and listed at once, by line */
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/* A place in the text. @order grows in reading order, through included files too. */
struct weir_place {
        const char *file; /* lives as long as the arena of the reading */
        uint32_t line;    /* 0 = the file as a whole */
        uint32_t order;
};

struct weir_problem_entry;
struct weir_problem_list {
        struct weir_problem_entry *entries;
        size_t count, room, dropped;
        bool no_memory;
};

/* Note "file:line: key: text". @key may be NULL. Bounded: beyond 500 problems only counted. Running
 * out of memory is remembered, not reported here. */
__attribute__((format(printf, 4, 5))) void weir_problem_add(struct weir_problem_list *list,
                                                            const struct weir_place *place,
                                                            const char *key, const char *format,
                                                            ...);

/* Is every further problem only counted? Then its words need not be found. */
bool weir_problem_full(const struct weir_problem_list *list);

/* Sort and hand over; @list is empty afterwards. 0 = there was none; WEIR_ECONF: @ret filled (may
 * be NULL), reterr the first and how many more; WEIR_ENOMEM. */
int weir_problem_finish(struct weir_problem_list *list, struct weir_conf_problems *ret,
                        struct weir_error *reterr);

#endif
