/* SPDX-License-Identifier: MIT */
/*
 * conf - from a path to a checked configuration, or to the list of everything that is wrong with it
 *
 * The order is the safety: scan (source.c: nothing dangerous is left), parse in a child (guard.c:
 * for the danger nobody knows yet), parse here, read through the table. A file that the grammar
 * refuses gives its syntax problems only: what the table would say about half a tree is noise. It
 * is not even parsed here, because libconfig loses the string in hand at every syntax error.
 *
 * One arena holds the result, weir_conf itself included; weir_conf_free() wipes the secrets in it
 * first.
 */
#include "conf/conf.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "conf/guard.h"
#include "conf/read.h"

#define PARSE_TIMEOUT_MS 20000

static void free_arena(struct weir_arena *arena)
{
        if (!arena)
                return;
        weir_arena_fini(arena);
        free(arena);
}
WEIR_DEFINE_FREEP(struct weir_arena, free_arena)

static void wipe(const char *secret)
{
        if (secret)
                explicit_bzero((char *)(uintptr_t)secret, strlen(secret));
}

void weir_conf_free(struct weir_conf *conf)
{
        if (!conf)
                return;
        wipe(conf->store_password);
        for (size_t i = 0; i < conf->property_count; i++)
                if (conf->properties[i].secret)
                        wipe(conf->properties[i].value);
        for (size_t i = 0; i < conf->sink_count; i++) {
                wipe(conf->sinks[i].secret);
                wipe(conf->sinks[i].secret_next);
                wipe(conf->sinks[i].token);
        }
        free_arena(conf->memory);
}

const struct weir_conf_sink *weir_conf_sink_find(const struct weir_conf *conf, const char *name)
{
        for (size_t i = 0; conf && i < conf->sink_count; i++)
                if (!strcmp(conf->sinks[i].name, name))
                        return &conf->sinks[i];
        return NULL;
}

/* What the child found; the page is shared with it. */
struct trial {
        const struct weir_source *source;
        bool good;
        int line;
        char text[80];
};

static void try_parse(void *arg)
{
        struct trial *trial = arg;
        config_t config;

        config_init(&config);
        trial->good = config_read_string(&config, trial->source->flat) == CONFIG_TRUE;
        if (!trial->good) {
                trial->line = config_error_line(&config);
                snprintf(trial->text, sizeof trial->text, "%s",
                         config_error_text(&config) ? config_error_text(&config) : "");
        }
        config_destroy(&config);
}

static void note_syntax(const struct trial *trial, struct weir_problem_list *problems)
{
        const struct weir_source_line *line = weir_source_line(trial->source, (size_t)trial->line);
        const char
                *text = "not understood here or just before; a setting is name = value; strings, "
                        "durations and sizes have double quotes, groups { }, lists ( ) and "
                        "arrays [ ]";

        if (!strcmp(trial->text, "mismatched element type in array"))
                text = "an array [ ] holds values of one type; a list ( ) may mix them";
        weir_problem_add(problems, &line->place, "syntax", "%s", text);
}

static int parse_here(struct weir_reading *reading, struct weir_error *reterr)
{
        config_t config;
        int r = 0;

        config_init(&config);
        if (config_read_string(&config, reading->source->flat) == CONFIG_TRUE)
                weir_read_tree(reading, config_root_setting(&config));
        else
                r = weir_fail(reterr, WEIR_ESYS, 0, "%s: parsed in the child process, but not here",
                              reading->base->conf.path);
        config_destroy(&config);
        return r;
}

/* Parse what was scanned and read it. Problems are noted; WEIR_ESYS: the trial could not be made. */
static int parse_tree(struct weir_reading *reading, struct weir_error *reterr)
{
        const char *path = reading->base->conf.path;
        struct trial *trial = mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct weir_error verdict = { 0 };
        int r;

        if (trial == MAP_FAILED)
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: a page for the child process: %s",
                                 path, strerror(errno));
        trial->source = reading->source;
        r = weir_guard_try(try_parse, trial, PARSE_TIMEOUT_MS, &verdict);
        if (r < 0) {
                r = weir_fail(reterr, r, verdict.sys, "%s: trying it in a child process: %s", path,
                              verdict.text);
        } else if (r > 0) {
                struct weir_place place = { .file = path };

                weir_problem_add(reading->problems, &place, NULL,
                                 "libconfig %s on this file; nothing was read", verdict.text);
                r = 0;
        } else if (!trial->good) {
                note_syntax(trial, reading->problems);
        } else {
                r = parse_here(reading, reterr);
        }
        munmap(trial, sizeof *trial);
        return r;
}

/* @text NULL: read the file. */
static int load(const char *path, const char *text, size_t size,
                const struct weir_conf_checks *checks, struct weir_conf **ret,
                struct weir_conf_problems *ret_problems, struct weir_error *reterr)
{
        WEIR_CLEANUP(free_arenap) struct weir_arena *arena = malloc(sizeof *arena);
        WEIR_CLEANUP(weir_source_fini) struct weir_source source = { 0 };
        struct weir_problem_list problems = { 0 };
        struct weir_reading reading = {
                .source = &source, .arena = arena, .problems = &problems, .checks = checks
        };
        struct weir_conf *conf;
        int r = 0, listed;

        if (ret_problems)
                *ret_problems = (struct weir_conf_problems){ 0 };
        if (!arena)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading %s", path);
        weir_arena_init(arena, 4096);
        reading.base = weir_read_alloc(&reading, sizeof *reading.base);
        if (!reading.base)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "reading %s", path);
        conf = &reading.base->conf;
        conf->path = weir_read_copy(&reading, path);
        if (text)
                weir_source_take(&source, path, text, size, arena, &problems);
        else
                weir_source_read(&source, path, arena, &problems);
        if (source.no_memory)
                problems.no_memory = true;
        if (!source.broken && !problems.no_memory)
                r = parse_tree(&reading, reterr);
        listed = weir_problem_finish(&problems, r < 0 ? NULL : ret_problems, r < 0 ? NULL : reterr);
        if (r == 0)
                r = listed;
        if (r == 0) {
                conf->text = weir_source_keep(&source, arena, &conf->text_size);
                if (!conf->text)
                        r = weir_fail(reterr, WEIR_ENOMEM, 0, "reading %s", path);
        }
        conf->memory = WEIR_TAKE(arena);
        if (r < 0) {
                weir_conf_free(conf); /* wipes what was read of the secrets */
                return r;
        }
        *ret = conf;
        return 0;
}

static const char *path_of(const char *path)
{
        if (!path)
                path = getenv("WEIR_CONFIG");
        return path && *path ? path : "weir.cfg";
}

int weir_conf_load(const char *path, const struct weir_conf_checks *checks, struct weir_conf **ret,
                   struct weir_conf_problems *ret_problems, struct weir_error *reterr)
{
        return load(path_of(path), NULL, 0, checks, ret, ret_problems, reterr);
}

int weir_conf_parse(const char *name, const char *text, size_t size,
                    const struct weir_conf_checks *checks, struct weir_conf **ret,
                    struct weir_conf_problems *ret_problems, struct weir_error *reterr)
{
        return load(path_of(name), text, size, checks, ret, ret_problems, reterr);
}

const char *weir_conf_library_version(void)
{
        return WEIR_STR_(LIBCONFIG_VER_MAJOR) "." WEIR_STR_(LIBCONFIG_VER_MINOR) "." WEIR_STR_(
                LIBCONFIG_VER_REVISION);
}
