/* SPDX-License-Identifier: MIT */
/*
 * keep - what a running process cannot take over stays as it runs, and is still named at the next reload
 *
 * A reload used to believe the whole new file, and named what it could not do. The next one then compared with a file that
 * never came into force: a change that waits for a restart was named once and forgotten, and taking it back was named
 * as a change. Worse, what is read late (where a new partition starts, which plugin is opened) was half taken over.
 *
 * Always true   KE1 after weir_conf_keep() each key without WEIR_KEY_RELOADABLE has the value of the running one, and
 *                   the workers are those of the running one, in its order: one that the file has no more stays as it
 *                   is, one that it has besides is left out. Which workers there are needs a restart like any other key;
 *                   a process that is started again must find its own.
 * Copied        deep, into the other's arena: either may be freed first. Secrets too, so each wipes its own.
 */
#include <string.h>

#include "base/arena.h"
#include "conf/diff.h"
#include "conf/key.h"

struct keeping {
        const struct weir_conf *running;
        struct weir_conf *conf;
        bool full; /* no memory */
};

static char *copy_text(struct keeping *keeping, const char *text)
{
        char *copy = text ? weir_arena_copy(keeping->conf->memory, text, strlen(text)) : NULL;

        keeping->full = keeping->full || (text && !copy);
        return copy;
}

static void *room(struct keeping *keeping, size_t count, size_t size)
{
        void *memory = count ? weir_arena_alloc(keeping->conf->memory, count * size) : NULL;

        keeping->full = keeping->full || (count && !memory);
        return memory;
}

static const char *const *copy_texts(struct keeping *keeping, const char *const *list, size_t count)
{
        const char **copy = room(keeping, count, sizeof(const char *));

        for (size_t i = 0; copy && i < count; i++)
                copy[i] = copy_text(keeping, list[i]);
        return copy;
}

static void wipe(const char *secret)
{
        if (secret)
                explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
}

static void keep_properties(struct keeping *keeping)
{
        const struct weir_conf *running = keeping->running;
        struct weir_conf *conf = keeping->conf;
        struct weir_conf_property *list = room(keeping, running->property_count, sizeof *list);

        for (size_t i = 0; i < conf->property_count; i++)
                if (conf->properties[i].secret)
                        wipe(conf->properties[i].value);
        conf->properties = list;
        conf->property_count = 0;
        for (size_t i = 0; list && i < running->property_count; i++) {
                list[i] = running->properties[i];
                list[i].name = copy_text(keeping, running->properties[i].name);
                list[i].value = copy_text(keeping, running->properties[i].value);
                conf->property_count++;
        }
}

static void keep_password(struct keeping *keeping)
{
        wipe(keeping->conf->store_password);
        keeping->conf->store_password = copy_text(keeping, keeping->running->store_password);
}

static void keep_value(struct keeping *keeping, const struct weir_key *key, const void *from,
                       void *to)
{
        const char *source = (const char *)from + key->offset;
        char *target = (char *)to + key->offset;
        size_t count;

        switch (key->type) {
        case WEIR_KEY_TEXT:
        case WEIR_KEY_CHOICE:
                *(const char **)(void *)
                        target = copy_text(keeping, *(const char *const *)(const void *)source);
                break;
        case WEIR_KEY_WORD: memcpy(target, source, sizeof(int)); break;
        case WEIR_KEY_COUNT: memcpy(target, source, sizeof(uint32_t)); break;
        case WEIR_KEY_SIZE: memcpy(target, source, sizeof(uint64_t)); break;
        case WEIR_KEY_DURATION: memcpy(target, source, sizeof(int64_t)); break;
        case WEIR_KEY_BOOL: memcpy(target, source, sizeof(bool)); break;
        case WEIR_KEY_START:
                ((struct weir_conf_worker *)to)->start = ((const struct weir_conf_worker *)from)
                                                                 ->start;
                ((struct weir_conf_worker *)to)
                        ->start_time_ms = ((const struct weir_conf_worker *)from)->start_time_ms;
                break;
        case WEIR_KEY_TEXTS:
                memcpy(&count, (const char *)from + key->count_offset, sizeof count);
                *(const char *const **)(void *)
                        target = copy_texts(keeping,
                                            *(const char *const *const *)(const void *)source,
                                            count);
                memcpy((char *)to + key->count_offset, &count, sizeof count);
                break;
        case WEIR_KEY_PROPERTIES: keep_properties(keeping); break;
        default: break; /* secrets are properties; groups and lists have no value of their own */
        }
}

static bool is_kept(const struct weir_key *key, const char *list)
{
        const struct weir_key *of = weir_key_list(key);

        if (key->flags & WEIR_KEY_RELOADABLE || weir_key_is_list(key))
                return false;
        return list ? of && strcmp(of->path, list) == 0 : !of;
}

static void copy_option(struct keeping *keeping, const struct weir_option *from,
                        struct weir_option *to)
{
        *to = *from;
        to->known = false; /* nobody has asked this one */
        to->name = copy_text(keeping, from->name);
        to->where = copy_text(keeping, from->where);
        to->text = copy_text(keeping, from->text);
        to->children = room(keeping, from->count, sizeof *to->children);
        to->count = to->children ? from->count : 0;
        for (size_t i = 0; i < to->count; i++)
                copy_option(keeping, &from->children[i], &to->children[i]);
}

/* The file has it no more. */
static void copy_worker(struct keeping *keeping, const struct weir_conf_worker *running,
                        struct weir_conf_worker *worker)
{
        *worker = *running;
        worker->where = copy_text(keeping, running->where);
        worker->options = running->options ? room(keeping, 1, sizeof *worker->options) : NULL;
        if (worker->options)
                copy_option(keeping, running->options, worker->options);
        for (size_t i = 0; i < weir_key_count; i++) {
                const struct weir_key *of = weir_key_list(&weir_keys[i]);

                if (of && strcmp(of->path, "workers") == 0)
                        keep_value(keeping, &weir_keys[i], running, worker);
        }
}

static void keep_worker(struct keeping *keeping, const struct weir_conf_worker *running,
                        struct weir_conf_worker *worker)
{
        for (size_t i = 0; i < weir_key_count; i++)
                if (is_kept(&weir_keys[i], "workers"))
                        keep_value(keeping, &weir_keys[i], running, worker);
}

static void keep_workers(struct keeping *keeping)
{
        const struct weir_conf *running = keeping->running;
        struct weir_conf *conf = keeping->conf;
        struct weir_conf_worker *list = room(keeping, running->worker_count, sizeof *list);

        for (size_t i = 0; list && i < running->worker_count; i++) {
                const struct weir_conf_worker *worker = &running->workers[i];
                size_t k = 0;

                while (k < conf->worker_count && strcmp(conf->workers[k].name, worker->name) != 0)
                        k++;
                if (k < conf->worker_count) {
                        list[i] = conf->workers[k];
                        keep_worker(keeping, worker, &list[i]);
                } else {
                        copy_worker(keeping, worker, &list[i]);
                }
                list[i].conf = conf;
        }
        conf->workers = list;
        conf->worker_count = list ? running->worker_count : 0;
}

int weir_conf_keep(const struct weir_conf *running, struct weir_conf *conf,
                   struct weir_error *reterr)
{
        struct keeping keeping = { running, conf, false };
        const void *from = (const char *)running - offsetof(struct weir_key_base, conf);
        void *to = (char *)conf - offsetof(struct weir_key_base, conf);

        for (size_t i = 0; i < weir_key_count; i++)
                if (is_kept(&weir_keys[i], NULL))
                        keep_value(&keeping, &weir_keys[i], from, to);
        keep_password(&keeping);
        keep_workers(&keeping);
        return keeping.full ? weir_fail(reterr, WEIR_ENOMEM, 0, "configuration of the reload") : 0;
}
