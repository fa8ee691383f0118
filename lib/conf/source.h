/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_SOURCE_H
#define WEIR_CONF_SOURCE_H
/*
 * source - the text of a configuration file, with its includes, made safe for libconfig
 *
 * Result: @flat, tokens only (no comment, no @include, no integer that could wrap), and for every
 * line of it the place in the file that it came from.
 */
#include "base/arena.h"
#include "conf/problem.h"

struct weir_source_line {
        struct weir_place place;
        bool overflow; /* an integer here was out of range: told, and WEIR_SOURCE_OVERFLOW in its place */
};
#define WEIR_SOURCE_OVERFLOW INT64_MIN

struct weir_source {
        char *flat; /* NUL-terminated */
        size_t size, room;
        struct weir_source_line *lines; /* of @flat, the first is number 1 */
        size_t line_count, line_room;
        bool broken; /* grammar or file problem: do not parse @flat */
        bool no_memory;
        struct weir_source_line top; /* stands for the file where no token does */
        const char *directory;       /* of the main file; "." when its name has no slash */
};

/* Read the file @path, or take @text for it (@path is then only a name; one of weir_source_keep() says itself where its
 * lines came from). Every problem goes to
 * @problems. Names of files are kept in @arena. @source must be zeroed; weir_source_fini() after
 * any return. */
void weir_source_read(struct weir_source *source, const char *path, struct weir_arena *arena,
                      struct weir_problem_list *problems);
void weir_source_take(struct weir_source *source, const char *path, const char *text, size_t size,
                      struct weir_arena *arena, struct weir_problem_list *problems);
void weir_source_fini(struct weir_source *source);

/* What was read as one text that needs no file any more, and still knows the places of its lines (CS5). NULL = no memory. */
char *weir_source_keep(const struct weir_source *source, struct weir_arena *arena,
                       size_t *ret_size);

/* Where line @number (1-based) of @flat came from; the nearest line when there is no such. */
const struct weir_source_line *weir_source_line(const struct weir_source *source, size_t number);

/* @name as seen from the directory of the main file. NULL = no memory. */
const char *weir_source_path(const struct weir_source *source, const char *name,
                             struct weir_arena *arena);

#endif
