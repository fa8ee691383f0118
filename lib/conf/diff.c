/* SPDX-License-Identifier: MIT */
/*
 * diff - compared as they are printed
 *
 * `weir config show` prints every key as it took effect. Two values that print the same are the same, so there is one
 * place that knows the types. Secrets and plugins' options print nothing: options are taken over whenever a
 * plugin is opened anew, secrets are compared here by their bytes, and so are the certificates of a sink: those of
 * connections need a restart, those of sinks do not.
 *
 * Reloadable    has the flag in the table. What is not: whatever a connection, a group membership, a fence or the
 *               number of processes was made of.
 */
#include "conf/diff.h"

#include <stdlib.h>
#include <string.h>

#include "conf/key.h"
#include "conf/show.h"

static const struct weir_key_base *base_of(const struct weir_conf *conf)
{
        return (const void *)((const char *)conf - offsetof(struct weir_key_base, conf));
}

static bool same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

/* 1 = they differ, 0, or WEIR_ENOMEM. */
static int differs(const struct weir_key *key, const void *a, const void *b,
                   const struct weir_conf *before, const struct weir_conf *after)
{
        char *texts[2] = { NULL, NULL };
        size_t sizes[2];
        int r = 0;

        for (int i = 0; i < 2; i++) {
                FILE *out = open_memstream(&texts[i], &sizes[i]);

                if (!out) {
                        r = WEIR_ENOMEM;
                        break;
                }
                weir_conf_print_value(out, key, i ? b : a, i ? after : before);
                if (fclose(out) != 0)
                        r = WEIR_ENOMEM;
        }
        if (r == 0)
                r = sizes[0] != sizes[1] || memcmp(texts[0], texts[1], sizes[0]) != 0;
        free(texts[0]);
        free(texts[1]);
        return r;
}

struct comparison {
        const struct weir_conf *before, *after;
        weir_conf_difference *told;
        void *context;
        int count;
};

static void tell(struct comparison *all, const char *key, const char *of, bool reloadable)
{
        all->told(all->context, key, of, reloadable);
        all->count++;
}

static int compare_fields(struct comparison *all, const struct weir_key *list, const void *a,
                          const void *b, const char *of)
{
        for (size_t i = 0; i < weir_key_count; i++) {
                const struct weir_key *key = &weir_keys[i];
                int r;

                if (weir_key_list(key) != list || key->type == WEIR_KEY_GROUP ||
                    weir_key_is_list(key))
                        continue;
                r = differs(key, a, b, all->before, all->after);
                if (r < 0)
                        return r;
                if (r > 0)
                        tell(all, key->path, of, key->flags & WEIR_KEY_RELOADABLE);
        }
        return 0;
}

/* The first key of a list is the name of its elements. */
static const char *name_of(const struct weir_key *list, const void *element)
{
        for (size_t i = 0; i < weir_key_count; i++)
                if (weir_key_list(&weir_keys[i]) == list)
                        return *(const char *const *)(const void *)((const char *)element +
                                                                    weir_keys[i].offset);
        return NULL;
}

static const void *named(const struct weir_conf *conf, const struct weir_key *list,
                         const char *name)
{
        const void *element;

        for (size_t i = 0; weir_key_element(base_of(conf), list, i, &element); i++)
                if (same_text(name_of(list, element), name))
                        return element;
        return NULL;
}

static int compare_list(struct comparison *all, const struct weir_key *list)
{
        bool reloadable = list->flags & WEIR_KEY_RELOADABLE;
        const void *element;

        for (size_t i = 0; weir_key_element(base_of(all->before), list, i, &element); i++) {
                const char *name = name_of(list, element);
                const void *now = named(all->after, list, name);
                int r = now ? compare_fields(all, list, element, now, name) : 0;

                if (r < 0)
                        return r;
                if (!now)
                        tell(all, list->path, name, reloadable);
        }
        for (size_t i = 0; weir_key_element(base_of(all->after), list, i, &element); i++)
                if (!named(all->before, list, name_of(list, element)))
                        tell(all, list->path, name_of(list, element), reloadable);
        return 0;
}

static const char *secret_of(const struct weir_conf *conf, const char *name)
{
        for (size_t i = 0; i < conf->property_count; i++)
                if (conf->properties[i].secret && same_text(conf->properties[i].name, name))
                        return conf->properties[i].value;
        return NULL;
}

/* The files of a sink are read whenever its relay is started, so their bytes are a part of it. */
static void compare_sink(struct comparison *all, const struct weir_conf_sink *before,
                         const struct weir_conf_sink *after)
{
        if (!same_text(before->secret, after->secret))
                tell(all, "sinks.secret_file", before->name, true);
        if (!same_text(before->secret_next, after->secret_next))
                tell(all, "sinks.secret_next_file", before->name, true);
        if (!same_text(before->token, after->token))
                tell(all, "sinks.token_file", before->name, true);
        if (memcmp(before->ca_digest, after->ca_digest, sizeof before->ca_digest) != 0)
                tell(all, "sinks.ca_file", before->name, true);
}

/* What stands in the files and variables that keys name. */
static void compare_secrets(struct comparison *all)
{
        for (size_t i = 0; i < all->before->sink_count; i++) {
                const struct weir_conf_sink *before = &all->before->sinks[i];
                const struct weir_conf_sink *after = weir_conf_sink_find(all->after, before->name);

                if (after)
                        compare_sink(all, before, after);
        }
        if (!same_text(all->before->store_password, all->after->store_password))
                tell(all, "store.password_file", NULL, false);
        for (size_t i = 0; i < all->before->property_count; i++) {
                const struct weir_conf_property *property = &all->before->properties[i];
                const char *now = secret_of(all->after, property->name);

                if (property->secret && now && !same_text(property->value, now))
                        tell(all, "kafka.secrets", NULL, false);
        }
}

int weir_conf_diff(const struct weir_conf *before, const struct weir_conf *after,
                   weir_conf_difference *told, void *context, struct weir_error *reterr)
{
        struct comparison all = { before, after, told, context, 0 };
        int r = compare_fields(&all, NULL, base_of(before), base_of(after), NULL);

        for (size_t i = 0; r == 0 && i < weir_key_count; i++)
                if (weir_key_is_list(&weir_keys[i]))
                        r = compare_list(&all, &weir_keys[i]);
        if (r < 0)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "comparison of two configurations");
        compare_secrets(&all);
        return all.count;
}
