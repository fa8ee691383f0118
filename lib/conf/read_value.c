/* SPDX-License-Identifier: MIT */
/*
 * read_value - one setting into one field, by the type that the table gives it
 *
 * A field is written only with a checked value. Defaults take the same way as values from a file
 * (set_text), so a default that its own range refuses cannot exist: the tests read every one.
 *
 * Texts are repeated in a problem only where they are short words that cannot be a password
 * (choices, names, topics, durations, sizes); a url, a property or an address never is.
 */
#include <assert.h>
#include <libconfig.h>
#include <string.h>

#include "conf/read.h"

void *weir_read_alloc(struct weir_reading *reading, size_t size)
{
        void *memory = weir_arena_alloc(reading->arena, size ? size : 1);

        if (memory)
                memset(memory, 0, size);
        else
                reading->problems->no_memory = true;
        return memory;
}

const char *weir_read_copy(struct weir_reading *reading, const char *text)
{
        const char *copy = weir_arena_copy(reading->arena, text, strlen(text));

        if (!copy)
                reading->problems->no_memory = true;
        return copy;
}

struct weir_place weir_read_place(const struct weir_reading *reading,
                                  struct config_setting_t *setting)
{
        return weir_source_line(reading->source, config_setting_source_line(setting))->place;
}

const char *weir_read_where(struct weir_reading *reading, struct config_setting_t *setting)
{
        struct weir_place place = weir_read_place(reading, setting);
        size_t room = strlen(place.file) + 16;
        char *where = weir_read_alloc(reading, room);

        if (where)
                snprintf(where, room, "%s:%u", place.file, place.line);
        return where;
}

const char *weir_read_type_name(struct config_setting_t *setting)
{
        switch (config_setting_type(setting)) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64: return "a whole number";
        case CONFIG_TYPE_FLOAT: return "a number with a fraction";
        case CONFIG_TYPE_BOOL: return "true or false";
        case CONFIG_TYPE_STRING: return "a string";
        case CONFIG_TYPE_ARRAY: return "an array [ ]";
        case CONFIG_TYPE_LIST: return "a list ( )";
        default: return "a group { }";
        }
}

/* ---- scalars ------------------------------------------------------------------------ */

static void *field(const struct weir_key *key, void *base)
{
        return (char *)base + key->offset;
}

static const char *located(struct weir_reading *reading, const struct weir_key *key,
                           const char *text)
{
        bool is_path = (key->flags & WEIR_KEY_PATH) ||
                       ((key->flags & WEIR_KEY_SLASH) && strchr(text, '/'));
        const char *path;

        if (!is_path || !*text)
                return weir_read_copy(reading, text);
        path = weir_source_path(reading->source, text, reading->arena);
        if (!path)
                reading->problems->no_memory = true;
        return path;
}

/* Which of the choices, from 0; -1 = none. */
static int choice_of(const char *choices, const char *text)
{
        size_t size = strlen(text);
        int index = 0;

        for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|', index++)
                if (strcspn(p, "|") == size && !strncmp(p, text, size))
                        return index;
        return -1;
}

static bool set_number(const struct weir_key *key, void *base, int64_t number)
{
        if (number < key->min || number > key->max)
                return false;
        switch (key->type) {
        case WEIR_KEY_COUNT: *(uint32_t *)field(key, base) = (uint32_t)number; return true;
        case WEIR_KEY_SIZE: *(uint64_t *)field(key, base) = (uint64_t)number; return true;
        case WEIR_KEY_DURATION:
                if (number % key->unit_us != 0)
                        return false;
                *(int64_t *)field(key, base) = number / key->unit_us;
                return true;
        default: return false;
        }
}

static bool set_start(struct weir_conf_worker *worker, const char *text)
{
        if (!strcmp(text, "earliest"))
                worker->start = WEIR_START_EARLIEST;
        else if (!strcmp(text, "latest"))
                worker->start = WEIR_START_LATEST;
        else if (weir_start_time_read(text, &worker->start_time_ms))
                worker->start = WEIR_START_TIME;
        else
                return false;
        return true;
}

/* NULL = set; else what is wrong with @text. */
static const char *set_text(struct weir_reading *reading, const struct weir_key *key, void *base,
                            const char *text)
{
        const char *wrong = key->check && *text ? key->check(text) : NULL;
        int64_t number;

        switch (key->type) {
        case WEIR_KEY_TEXT:
                if (!*text && (key->flags & WEIR_KEY_REQUIRED))
                        return "is empty";
                if (wrong)
                        return wrong;
                *(const char **)field(key, base) = *text || !(key->flags & WEIR_KEY_NONE)
                                                           ? located(reading, key, text)
                                                           : NULL;
                return NULL;
        case WEIR_KEY_CHOICE:
                if (choice_of(key->allowed, text) < 0)
                        return "is not one of the choices";
                *(const char **)field(key, base) = weir_read_copy(reading, text);
                return NULL;
        case WEIR_KEY_WORD:
                if (choice_of(key->allowed, text) < 0)
                        return "is not one of the choices";
                *(int *)field(key, base) = choice_of(key->allowed, text);
                return NULL;
        case WEIR_KEY_START:
                return set_start(base, text) ? NULL
                                             : "is neither a word nor a time that is allowed";
        case WEIR_KEY_DURATION:
                if (!weir_duration_read(text, &number))
                        return "is not a duration: a whole number and us, ms, s, min, h or d";
                if (number >= key->min && number <= key->max && number % key->unit_us != 0)
                        return "is finer than a millisecond";
                return set_number(key, base, number) ? NULL : "is out of range";
        case WEIR_KEY_SIZE:
                if (!weir_size_read(text, &number))
                        return "is not a size: a whole number and B, KiB, MiB or GiB";
                return set_number(key, base, number) ? NULL : "is out of range";
        default: return "is of another type";
        }
}

void weir_read_default(struct weir_reading *reading, const struct weir_key *key, void *base)
{
        const char *wrong = NULL;

        if (!key->fallback)
                return;
        if (key->type == WEIR_KEY_BOOL) {
                *(bool *)field(key, base) = !strcmp(key->fallback, "true");
        } else if (key->type == WEIR_KEY_COUNT) {
                int64_t number = 0;

                if (!weir_size_read(key->fallback, &number) || !set_number(key, base, number))
                        wrong = "is out of range";
        } else {
                wrong = set_text(reading, key, base, key->fallback);
        }
        assert(!wrong);
        (void)wrong;
}

static void note_value(struct weir_reading *reading, const struct weir_key *key,
                       const struct weir_place *place, const char *text, const char *wrong)
{
        bool harmless = key->type == WEIR_KEY_CHOICE || key->type == WEIR_KEY_WORD ||
                        key->type == WEIR_KEY_DURATION || key->type == WEIR_KEY_SIZE ||
                        key->type == WEIR_KEY_START || key->check == weir_check_name ||
                        key->check == weir_check_topic;
        char allowed[160];

        weir_key_allowed(key, allowed);
        if (harmless)
                weir_problem_add(reading->problems, place, key->path, "\"%.64s\" %s; allowed: %s",
                                 text, wrong, allowed);
        else
                weir_problem_add(reading->problems, place, key->path, "%s; allowed: %s", wrong,
                                 allowed);
}

/* ---- lists of strings --------------------------------------------------------------- */

static bool read_texts(struct weir_reading *reading, const struct weir_key *key, void *base,
                       config_setting_t *setting)
{
        int count = config_setting_length(setting);
        struct weir_place place = weir_read_place(reading, setting);
        const char **texts;
        bool good = true;

        if (count < key->min || count > key->max) {
                weir_problem_add(reading->problems, &place, key->path,
                                 "has %d entries; allowed: %lld..%lld", count, (long long)key->min,
                                 (long long)key->max);
                return false;
        }
        texts = weir_read_alloc(reading, (size_t)count * sizeof *texts);
        if (!texts)
                return false;
        for (int i = 0; i < count; i++) {
                config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
                const char *text = config_setting_get_string(entry);
                const char *wrong;

                place = weir_read_place(reading, entry);
                if (!text) {
                        weir_problem_add(reading->problems, &place, key->path,
                                         "holds %s, must be %s", weir_read_type_name(entry),
                                         weir_key_type_name(key));
                        good = false;
                        continue;
                }
                wrong = *text ? key->check(text) : "is empty";
                for (int j = 0; j < i && !wrong; j++)
                        if (!strcmp(config_setting_get_string_elem(setting, j) ?: "", text))
                                wrong = "is listed twice";
                if (wrong) {
                        note_value(reading, key, &place, text, wrong);
                        good = false;
                        continue;
                }
                texts[i] = located(reading, key, text);
        }
        if (good) {
                *(const char *const **)field(key, base) = texts;
                *(size_t *)((char *)base + key->count_offset) = (size_t)count;
        }
        return good;
}

/* ---- one setting -------------------------------------------------------------------- */

static bool type_fits(const struct weir_key *key, config_setting_t *setting)
{
        int type = config_setting_type(setting);
        bool whole = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;

        switch (key->type) {
        case WEIR_KEY_COUNT: return whole;
        case WEIR_KEY_SIZE: return whole || type == CONFIG_TYPE_STRING;
        case WEIR_KEY_BOOL: return type == CONFIG_TYPE_BOOL;
        case WEIR_KEY_TEXTS:
        case WEIR_KEY_PROPERTIES: return type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST;
        case WEIR_KEY_SECRETS: return type == CONFIG_TYPE_LIST;
        case WEIR_KEY_OPTIONS: return type == CONFIG_TYPE_GROUP;
        default: return type == CONFIG_TYPE_STRING;
        }
}

static bool read_number(struct weir_reading *reading, const struct weir_key *key, void *base,
                        config_setting_t *setting)
{
        struct weir_place place = weir_read_place(reading, setting);
        int64_t number = config_setting_get_int64(setting);
        char allowed[160];

        if (set_number(key, base, number))
                return true;
        weir_key_allowed(key, allowed);
        weir_problem_add(reading->problems, &place, key->path, "%lld is out of range; allowed: %s",
                         (long long)number, allowed);
        return false;
}

/* A number that did not fit: the scanner has said so. */
static bool is_overflow(const struct weir_reading *reading, config_setting_t *setting)
{
        return weir_source_line(reading->source, config_setting_source_line(setting))->overflow &&
               config_setting_type(setting) == CONFIG_TYPE_INT64 &&
               config_setting_get_int64(setting) == WEIR_SOURCE_OVERFLOW;
}

bool weir_read_value(struct weir_reading *reading, const struct weir_key *key, void *base,
                     struct config_setting_t *setting)
{
        struct weir_place place = weir_read_place(reading, setting);
        const char *wrong;

        if (is_overflow(reading, setting))
                return false;
        if (!type_fits(key, setting)) {
                weir_problem_add(reading->problems, &place, key->path, "is %s, must be %s",
                                 weir_read_type_name(setting), weir_key_type_name(key));
                return false;
        }
        switch (key->type) {
        case WEIR_KEY_BOOL:
                *(bool *)field(key, base) = config_setting_get_bool(setting);
                return true;
        case WEIR_KEY_TEXTS: return read_texts(reading, key, base, setting);
        case WEIR_KEY_PROPERTIES: weir_read_properties(reading, setting); return true;
        case WEIR_KEY_SECRETS: weir_read_secrets(reading, setting); return true;
        case WEIR_KEY_OPTIONS:
                *(struct weir_option **)field(key, base) = weir_read_options(reading, setting);
                return true;
        default: break;
        }
        if (config_setting_type(setting) != CONFIG_TYPE_STRING)
                return read_number(reading, key, base, setting);
        wrong = set_text(reading, key, base, config_setting_get_string(setting));
        if (wrong)
                note_value(reading, key, &place, config_setting_get_string(setting), wrong);
        return !wrong;
}

/* ---- options: any tree -------------------------------------------------------------- */

static void copy_option(struct weir_reading *reading, config_setting_t *setting,
                        struct weir_option *ret)
{
        const char *name = config_setting_name(setting);

        ret->name = name ? weir_read_copy(reading, name) : NULL;
        ret->where = weir_read_where(reading, setting);
        switch (config_setting_type(setting)) {
        case CONFIG_TYPE_STRING:
                ret->type = WEIR_OPTION_TEXT;
                ret->text = weir_read_copy(reading, config_setting_get_string(setting));
                return;
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                ret->type = WEIR_OPTION_INT;
                ret->number = config_setting_get_int64(setting);
                return;
        case CONFIG_TYPE_FLOAT:
                ret->type = WEIR_OPTION_FLOAT;
                ret->real = config_setting_get_float(setting);
                return;
        case CONFIG_TYPE_BOOL:
                ret->type = WEIR_OPTION_BOOL;
                ret->truth = config_setting_get_bool(setting);
                return;
        case CONFIG_TYPE_GROUP: ret->type = WEIR_OPTION_GROUP; break;
        default: ret->type = WEIR_OPTION_LIST; break;
        }
        ret->children = weir_read_alloc(reading, (size_t)config_setting_length(setting) *
                                                         sizeof *ret->children);
        if (!ret->children)
                return;
        ret->count = (size_t)config_setting_length(setting);
        for (size_t i = 0; i < ret->count; i++) /* the scanner bounds the depth */
                copy_option(reading, config_setting_get_elem(setting, (unsigned)i),
                            &ret->children[i]);
}

struct weir_option *weir_read_options(struct weir_reading *reading,
                                      struct config_setting_t *setting)
{
        struct weir_option *root = weir_read_alloc(reading, sizeof *root);

        if (root)
                copy_option(reading, setting, root);
        return root;
}
