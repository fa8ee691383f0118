/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CONF_READ_H
#define WEIR_CONF_READ_H
/* read - the parsed tree becomes a weir_key_base through the table of keys; internal to conf */
#include "conf/key.h"
#include "conf/source.h"

struct config_setting_t;

struct weir_reading {
        const struct weir_source *source;
        struct weir_arena *arena;
        struct weir_problem_list *problems; /* no_memory is set here too */
        struct weir_key_base *base;
        const struct weir_conf_checks *checks; /* NULL = none */
};

/* Read the tree. Problems are noted; what could not be read keeps its zero. */
void weir_read_tree(struct weir_reading *reading, struct config_setting_t *root);

/* ---- read_value.c: one setting into one field --------------------------------------- */

struct weir_place weir_read_place(const struct weir_reading *reading,
                                  struct config_setting_t *setting);
/* "file:line" in the arena; NULL = no memory (noted). */
const char *weir_read_where(struct weir_reading *reading, struct config_setting_t *setting);
const char *weir_read_type_name(struct config_setting_t *setting);
/* True = the field holds a checked value. */
bool weir_read_value(struct weir_reading *reading, const struct weir_key *key, void *base,
                     struct config_setting_t *setting);
void weir_read_default(struct weir_reading *reading, const struct weir_key *key, void *base);
struct weir_option *weir_read_options(struct weir_reading *reading,
                                      struct config_setting_t *setting);
void *weir_read_alloc(struct weir_reading *reading, size_t size); /* zeroed; NULL is noted */
const char *weir_read_copy(struct weir_reading *reading, const char *text);

/* ---- read_property.c: properties and secrets ---------------------------------------- */

void weir_read_properties(struct weir_reading *reading, struct config_setting_t *setting);
void weir_read_secrets(struct weir_reading *reading, struct config_setting_t *setting);
/* One of the two keys that a secret may come from. @setting may be NULL where @text is empty. */
struct weir_secret_key {
        const char *path, *text;
        struct config_setting_t *setting;
};
/* After the group was read: fetch what @file (a path from the directory of the file) or @env names.
 * NULL = neither does, or a problem was noted; @ret_place = where it is given. */
const char *weir_read_secret(struct weir_reading *reading, const struct weir_secret_key *file,
                             const struct weir_secret_key *env, struct weir_place *ret_place);

/* ---- read_sink.c: what the table cannot say about a sink ---------------------------- */

/* base->sinks[index] was read from @group: fetch its secrets, check it against itself and against
 * those before, and copy it to conf.sinks[index]. @seen and @good are by index of the key. */
void weir_read_sink(struct weir_reading *reading, struct config_setting_t *group, size_t index,
                    struct config_setting_t *const *seen, const bool *good);

#endif
