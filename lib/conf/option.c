/* SPDX-License-Identifier: MIT */
/*
 * option - the plugin's settings, and who asked for which
 *
 * weir cannot know a plugin's options, but a typing error in one must not pass either. So every
 * node remembers whether it was asked for; what nobody asked for by the end of open() stops the
 * start.
 *
 * A group or list that was asked for and never looked into passes as a whole (the plugin declared
 * it); once one node inside was asked for, the others inside have to be as well. A scalar in a list
 * is covered by its list: plugins declare `types`, not `types.[0]`.
 */
#include "conf/option.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 40 /* above what the scanner lets pass */

static struct weir_option *child_at(struct weir_option *node, const char *name, size_t size)
{
        size_t index = 0;

        if (size >= 3 && name[0] == '[' && name[size - 1] == ']') {
                if (node->type != WEIR_OPTION_LIST)
                        return NULL;
                for (size_t i = 1; i < size - 1; i++) {
                        if (name[i] < '0' || name[i] > '9' || index > node->count)
                                return NULL;
                        index = index * 10 + (size_t)(name[i] - '0');
                }
                return index < node->count ? &node->children[index] : NULL;
        }
        if (node->type != WEIR_OPTION_GROUP)
                return NULL;
        for (size_t i = 0; i < node->count; i++)
                if (!strncmp(node->children[i].name, name, size) && !node->children[i].name[size])
                        return &node->children[i];
        return NULL;
}

struct weir_option *weir_option_at(struct weir_option *root, const char *path)
{
        struct weir_option *trail[DEPTH_MAX];
        struct weir_option *node = root;
        size_t depth = 0;

        while (node && *path) {
                size_t size = strcspn(path, ".");

                if (depth == DEPTH_MAX || size == 0)
                        return NULL;
                node = child_at(node, path, size);
                trail[depth++] = node;
                path += size;
                if (*path == '.' && !*++path)
                        return NULL;
        }
        if (!node)
                return NULL;
        for (size_t i = 0; i < depth; i++)
                trail[i]->known = true;
        return node;
}

static const char *type_name(int type)
{
        switch (type) {
        case WEIR_OPTION_GROUP: return "a group { }";
        case WEIR_OPTION_LIST: return "a list";
        case WEIR_OPTION_TEXT: return "a string";
        case WEIR_OPTION_INT: return "a whole number";
        case WEIR_OPTION_FLOAT: return "a number with a fraction";
        default: return "true or false";
        }
}

/* The node of that type, and 1; else NULL, and 0 or WEIR_ECONF. */
static struct weir_option *find(struct weir_option *root, const char *path, int type, int *ret_r,
                                struct weir_error *reterr)
{
        struct weir_option *node = weir_option_at(root, path);

        *ret_r = node ? 1 : 0;
        if (!node || node->type == type)
                return node;
        *ret_r = weir_fail(reterr, WEIR_ECONF, 0, "%s: options.%s: is %s, must be %s", node->where,
                           path, type_name(node->type), type_name(type));
        return NULL;
}

int weir_option_text(struct weir_option *root, const char *path, const char **ret,
                     struct weir_error *reterr)
{
        int r;
        struct weir_option *node = find(root, path, WEIR_OPTION_TEXT, &r, reterr);

        if (node)
                *ret = node->text;
        return r;
}

int weir_option_int(struct weir_option *root, const char *path, int64_t *ret,
                    struct weir_error *reterr)
{
        int r;
        struct weir_option *node = find(root, path, WEIR_OPTION_INT, &r, reterr);

        if (node)
                *ret = node->number;
        return r;
}

int weir_option_bool(struct weir_option *root, const char *path, bool *ret,
                     struct weir_error *reterr)
{
        int r;
        struct weir_option *node = find(root, path, WEIR_OPTION_BOOL, &r, reterr);

        if (node)
                *ret = node->truth;
        return r;
}

/* ---- what nobody asked for ---------------------------------------------------------- */

struct unknown {
        char text[WEIR_ERROR_TEXT_BYTES];
        size_t size, count, dropped;
        char *one; /* NULL, or only the @wanted-th is asked for */
        size_t one_size, wanted;
};

static bool inner_known(const struct weir_option *node)
{
        for (size_t i = 0; i < node->count; i++)
                if (node->children[i].known || inner_known(&node->children[i]))
                        return true;
        return false;
}

static int say(char *text, size_t size, const char *before, const char *where, const char *path)
{
        return snprintf(text, size, "%s%s: options.%s: the plugin knows no such option", before,
                        where, path);
}

static void note(struct unknown *unknown, const char *where, const char *path)
{
        size_t room = sizeof unknown->text - 40 - unknown->size; /* room for the last words */
        int n;

        if (unknown->one) {
                if (unknown->count++ == unknown->wanted)
                        say(unknown->one, unknown->one_size, "", where, path);
                return;
        }
        n = say(unknown->text + unknown->size, room, unknown->count ? "; " : "", where, path);
        if (n < 0 || ((size_t)n >= room && unknown->count > 0)) {
                unknown->text[unknown->size] = '\0';
                unknown->dropped++;
                return;
        }
        unknown->size += (size_t)n < room ? (size_t)n : room - 1;
        unknown->count++;
}

static void collect(const struct weir_option *node, const char *path, struct unknown *unknown)
{
        for (size_t i = 0; i < node->count; i++) {
                const struct weir_option *child = &node->children[i];
                bool scalar = child->type != WEIR_OPTION_GROUP && child->type != WEIR_OPTION_LIST;
                char inner[240];
                int n;

                if (!child->name && scalar)
                        continue;
                if (child->name)
                        n = snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "",
                                     child->name);
                else
                        n = snprintf(inner, sizeof inner, "%s.[%zu]", path, i);
                if (n >= (int)sizeof inner)
                        memcpy(inner + sizeof inner - 4, "...", 4);
                if (!child->known)
                        note(unknown, child->where, inner);
                else if (!scalar && inner_known(child))
                        collect(child, inner, unknown);
        }
}

int weir_option_unknown(const struct weir_option *root, struct weir_error *reterr)
{
        struct unknown unknown = { .size = 0 };

        if (!root)
                return 0;
        collect(root, "", &unknown);
        if (unknown.count == 0)
                return 0;
        if (unknown.dropped > 0)
                snprintf(unknown.text + unknown.size, sizeof unknown.text - unknown.size,
                         " (and %zu more)", unknown.dropped);
        return weir_fail(reterr, WEIR_ECONF, 0, "%s", unknown.text);
}

bool weir_option_unknown_at(const struct weir_option *root, size_t index, char *text, size_t size)
{
        struct unknown unknown = { .one = text, .one_size = size, .wanted = index };

        if (root)
                collect(root, "", &unknown);
        return unknown.count > index;
}
