/* SPDX-License-Identifier: MIT */
/*
 * trail - so that a problem found in the text can be told by key, as one found in the tree is
 *
 * libconfig ends its reading at the second setting of one name, names none of them, and with that
 * hides every other problem of the file. So the scanner looks for it: it follows names, = and
 * brackets as far as it takes to know the path of a token. A name that its group has already goes
 * to libconfig as "*N*name", which no file can hold (a name begins with a letter, scan.c): the tree
 * is read to its end, with the value of the second one checked too.
 *
 * Always true   TR1 no group of the flat text has two settings of one name.
 * Relies on     grammar no further than that: what is not well-formed leaves a wrong path at worst,
 *               and libconfig's own verdict on the line.
 * Not chosen    comparing each name with those before it: 1 MiB of names would take half a minute.
 */
#include "conf/trail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weir_trail_name {
        const char *name; /* NULL = free */
        uint32_t group;
        struct weir_place place;
};

void weir_trail_init(struct weir_trail *trail)
{
        *trail = (struct weir_trail){ .levels[0].is_group = true };
}

void weir_trail_fini(struct weir_trail *trail)
{
        free(trail->names);
}

/* FNV-1a. */
static size_t hash_name(const char *name, size_t size, uint32_t group)
{
        uint64_t hash = (14695981039346656037ULL ^ group) * 1099511628211ULL;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ (unsigned char)name[i]) * 1099511628211ULL;
        return (size_t)(hash ^ hash >> 32);
}

/* Where the name is, or would go. The table is never full. */
static struct weir_trail_name *find(const struct weir_trail *trail, const char *name, size_t size,
                                    uint32_t group)
{
        size_t mask = trail->name_room - 1;

        for (size_t i = hash_name(name, size, group) & mask;; i = (i + 1) & mask) {
                struct weir_trail_name *slot = &trail->names[i];

                if (!slot->name ||
                    (slot->group == group && !strncmp(slot->name, name, size) && !slot->name[size]))
                        return slot;
        }
}

/* Keep a quarter of the table free at least. */
static bool reserve(struct weir_trail *trail)
{
        struct weir_trail old = *trail;

        if (trail->name_count < trail->name_room / 4 * 3)
                return true;
        trail->name_room = old.name_room ? old.name_room * 2 : 64;
        trail->names = calloc(trail->name_room, sizeof *trail->names);
        if (!trail->names) {
                *trail = old;
                return false;
        }
        for (size_t i = 0; i < old.name_room; i++) {
                const struct weir_trail_name *name = &old.names[i];

                if (name->name)
                        *find(trail, name->name, strlen(name->name), name->group) = *name;
        }
        free(old.names);
        return true;
}

bool weir_trail_wants_name(const struct weir_trail *trail)
{
        return trail->levels[trail->depth].is_group && !trail->in_value;
}

bool weir_trail_name(struct weir_trail *trail, struct weir_arena *arena, const char *name,
                     size_t size, const struct weir_place *place, const char **ret,
                     const struct weir_place **ret_first)
{
        uint32_t group = trail->levels[trail->depth].group;
        struct weir_trail_name *slot;
        char *again;

        *ret_first = NULL;
        if (!reserve(trail))
                return false;
        slot = find(trail, name, size, group);
        if (!slot->name) {
                const char *copy = weir_arena_copy(arena, name, size);

                if (!copy)
                        return false;
                *slot = (struct weir_trail_name){ copy, group, *place };
                trail->name_count++;
                *ret = copy;
        } else {
                again = weir_arena_alloc(arena, size + 16);
                if (!again)
                        return false;
                snprintf(again, size + 16, "*%u*%.*s", ++trail->again_count, (int)size, name);
                *ret = again;
                *ret_first = &slot->place;
        }
        trail->levels[trail->depth].name = slot->name;
        return true;
}

void weir_trail_assign(struct weir_trail *trail)
{
        trail->in_value = trail->levels[trail->depth].is_group;
}

void weir_trail_value(struct weir_trail *trail)
{
        trail->in_value = false;
}

void weir_trail_open(struct weir_trail *trail, bool is_group)
{
        trail->in_value = false;
        if (trail->depth + 1 == WEIR_TRAIL_LEVELS)
                return; /* the scanner stops here as well */
        trail->depth++;
        trail->levels[trail->depth].name = NULL;
        trail->levels[trail->depth].is_group = is_group;
        trail->levels[trail->depth].group = is_group ? ++trail->group_count : 0;
}

void weir_trail_close(struct weir_trail *trail)
{
        trail->in_value = false;
        if (trail->depth > 0)
                trail->depth--;
}

void weir_trail_path(const struct weir_trail *trail, char ret[160])
{
        size_t size = 0;

        *ret = '\0';
        for (unsigned i = 0; i <= trail->depth && size < 160; i++)
                if (trail->levels[i].name)
                        size += (size_t)snprintf(ret + size, 160 - size, "%s%s", size ? "." : "",
                                                 trail->levels[i].name);
        if (size >= 160) /* a cut name could be taken for another's */
                memcpy(ret + 160 - 4, "...", 4);
}

const char *weir_trail_plain(const char *name, bool *ret_again)
{
        *ret_again = *name == '*';
        return *ret_again ? strchr(name + 1, '*') + 1 : name;
}
