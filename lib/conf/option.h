/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_OPTION_H
#define WEIR_CONF_OPTION_H
/* option - a worker's own settings as a tree that outlives the parser; what a plugin reads */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum weir_option_type {
        WEIR_OPTION_GROUP,
        WEIR_OPTION_LIST,
        WEIR_OPTION_TEXT,
        WEIR_OPTION_INT,
        WEIR_OPTION_FLOAT,
        WEIR_OPTION_BOOL
};

struct weir_option {
        int type;
        const char *name;  /* NULL in a list */
        const char *where; /* "file:line" */
        const char *text;
        int64_t number;
        double real;
        bool truth;
        bool known;                   /* read or declared by the plugin */
        struct weir_option *children; /* of a group or list */
        size_t count;
};

/* Follow a dotted path, "rules.[0].type". NULL = not there. @root may be NULL. Marks it as known.
 */
struct weir_option *weir_option_at(struct weir_option *root, const char *path);
/* 1 found, 0 absent, WEIR_ECONF: another type; the text names file, line and what is expected. */
int weir_option_text(struct weir_option *root, const char *path, const char **ret,
                     struct weir_error *reterr);
int weir_option_int(struct weir_option *root, const char *path, int64_t *ret,
                    struct weir_error *reterr);
int weir_option_bool(struct weir_option *root, const char *path, bool *ret,
                     struct weir_error *reterr);
/* Nodes that nobody asked for: WEIR_ECONF names each with file and line; 0 = none. */
int weir_option_unknown(const struct weir_option *root, struct weir_error *reterr);
/* The @index-th of them in words; false = there are no more. */
bool weir_option_unknown_at(const struct weir_option *root, size_t index, char *text, size_t size);

#endif
