/* SPDX-License-Identifier: MIT */
/*
 * read_property - Kafka properties, and everything that is a secret
 *
 * One list comes out of two keys, so that the Kafka layer has one thing to apply. A name given
 * twice is refused, also across the two keys and under its other name: librdkafka would let the
 * last win.
 *
 * Nothing here repeats a value, and an entry without "=" is not repeated at all: it may be a
 * password that landed on the wrong line. The library's own words (weir_conf_checks) may name the
 * value of a property that is no secret, as `weir config show` does.
 */
#include <libconfig.h>
#include <string.h>

#include "conf/property.h"
#include "conf/read.h"
#include "conf/secret.h"
#include "conf/trail.h"

static const char properties_key[] = "kafka.properties", secrets_key[] = "kafka.secrets";

/* Add to conf->properties; @value already lives in the arena. */
static void add_property(struct weir_reading *reading, const struct weir_place *place,
                         const char *key, const char *name, const char *value, bool secret)
{
        struct weir_conf *conf = &reading->base->conf;
        struct weir_conf_property *list;

        for (size_t i = 0; i < conf->property_count; i++) {
                const char *other = conf->properties[i].name;

                if (strcmp(weir_property_canonical(other), weir_property_canonical(name)) != 0)
                        continue;
                weir_problem_add(reading->problems, place, key, "%s is given twice%s%s; keep one",
                                 name, strcmp(other, name) ? ", before as " : "",
                                 strcmp(other, name) ? other : "");
                if (secret && value)
                        explicit_bzero((char *)(uintptr_t)value, strlen(value));
                return;
        }
        list = weir_read_alloc(reading, (conf->property_count + 1) * sizeof *list);
        if (!list)
                return;
        if (conf->property_count > 0)
                memcpy(list, conf->properties, conf->property_count * sizeof *list);
        list[conf->property_count] = (struct weir_conf_property){ name, value, secret };
        conf->properties = list;
        conf->property_count++;
}

/* Is the value one for that property? Asks the library that is to take it too. */
static void try_property(struct weir_reading *reading, const struct weir_place *place,
                         const char *key, const char *name, const char *value, bool secret)
{
        struct weir_conf_property property = { name, value, secret };
        struct weir_error error = { 0 };
        const char *wrong;

        if (!name || !value)
                return; /* noted */
        wrong = weir_property_wrong(name, value);
        if (wrong)
                weir_problem_add(reading->problems, place, key, "%s %s", name, wrong);
        else if (!secret && weir_property_holds_password(value))
                weir_problem_add(reading->problems, place, key,
                                 "%s holds a url with a password in it; give it in kafka.secrets "
                                 "with a file or an environment variable",
                                 name);
        else if (reading->checks && reading->checks->property &&
                 reading->checks->property(&property, &error) < 0)
                weir_problem_add(reading->problems, place, key, "%s", error.text);
}

static bool too_many(struct weir_reading *reading, const struct weir_place *place, const char *key,
                     int count)
{
        if (count <= 256)
                return false;
        weir_problem_add(reading->problems, place, key, "has %d entries; allowed: 0..256", count);
        return true;
}

void weir_read_properties(struct weir_reading *reading, struct config_setting_t *setting)
{
        struct weir_place place = weir_read_place(reading, setting);
        int count = config_setting_length(setting);

        if (too_many(reading, &place, properties_key, count))
                return;
        for (int i = 0; i < count; i++) {
                config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
                const char *text = config_setting_get_string(entry);
                const char *equals = text ? strchr(text, '=') : NULL;
                const char *reason, *value;
                char *name;

                place = weir_read_place(reading, entry);
                if (!equals) {
                        weir_problem_add(reading->problems, &place, properties_key,
                                         "entry %d is not a string \"name=value\"", i + 1);
                        continue;
                }
                name = weir_arena_copy(reading->arena, text, (size_t)(equals - text));
                if (!name) {
                        reading->problems->no_memory = true;
                        return;
                }
                if (!weir_property_named(name)) {
                        weir_problem_add(reading->problems, &place, properties_key,
                                         "entry %d has no valid name before its =; allowed: small "
                                         "letters, digits, dot, _ and -, "
                                         "no blanks",
                                         i + 1);
                        continue;
                }
                reason = weir_conf_property_refused(name);
                if (reason) {
                        weir_problem_add(reading->problems, &place, properties_key,
                                         "%s is refused: %s", name, reason);
                        continue;
                }
                value = weir_read_copy(reading, equals + 1);
                try_property(reading, &place, properties_key, name, value, false);
                add_property(reading, &place, properties_key, name, value, false);
        }
}

/* The value behind file or env. NULL = noted. */
static const char *secret_value(struct weir_reading *reading, const struct weir_place *place,
                                const char *key, const char *file, const char *env)
{
        struct weir_error error = { 0 };
        const char *value = NULL;
        int r;

        if (file) {
                const char *path = weir_source_path(reading->source, file, reading->arena);

                if (!path) {
                        reading->problems->no_memory = true;
                        return NULL;
                }
                r = weir_secret_file(path, reading->arena, &value, &error);
        } else if (weir_check_env(env)) {
                weir_problem_add(reading->problems, place, key, "%s", weir_check_env(env));
                return NULL;
        } else {
                r = weir_secret_env(env, reading->arena, &value, &error);
        }
        if (r == WEIR_ENOMEM)
                reading->problems->no_memory = true;
        else if (r < 0)
                weir_problem_add(reading->problems, place, key, "%s", error.text);
        return r < 0 ? NULL : value;
}

/* One { property; file | env }. False = something is wrong and noted. */
static bool secret_entry(struct weir_reading *reading, config_setting_t *entry, const char *ret[3])
{
        static const char *const names[3] = { "property", "file", "env" };
        bool good = true;
        struct weir_place place = weir_read_place(reading, entry);

        if (!config_setting_is_group(entry)) {
                weir_problem_add(reading->problems, &place, secrets_key,
                                 "holds %s, must be a group { property = …; file = …; }",
                                 weir_read_type_name(entry));
                return false;
        }
        for (int i = 0; i < config_setting_length(entry); i++) {
                config_setting_t *member = config_setting_get_elem(entry, (unsigned)i);
                bool again;
                const char *name = weir_trail_plain(config_setting_name(member), &again);
                size_t which;

                for (which = 0; which < 3; which++)
                        if (!strcmp(names[which], name))
                                break;
                place = weir_read_place(reading, member);
                if (which == 3) {
                        weir_problem_add(reading->problems, &place, secrets_key,
                                         "unknown key %s; allowed: property, file, env", name);
                        good = false;
                } else if (!config_setting_get_string(member)) {
                        weir_problem_add(reading->problems, &place, secrets_key,
                                         "%s is %s, must be a string", names[which],
                                         weir_read_type_name(member));
                        good = false;
                } else {
                        const char *text = config_setting_get_string(member);

                        ret[which] = *text ? text : NULL;
                }
        }
        place = weir_read_place(reading, entry);
        if (good && (!ret[0] || !ret[1] == !ret[2])) {
                weir_problem_add(reading->problems, &place, secrets_key,
                                 "needs property and exactly one of file and env");
                good = false;
        }
        return good;
}

void weir_read_secrets(struct weir_reading *reading, struct config_setting_t *setting)
{
        struct weir_place place = weir_read_place(reading, setting);
        int count = config_setting_length(setting);

        if (too_many(reading, &place, secrets_key, count))
                return;
        for (int i = 0; i < count; i++) {
                config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
                const char *members[3] = { NULL, NULL, NULL }; /* property, file, env */
                const char *name, *value, *reason;

                place = weir_read_place(reading, entry);
                if (!secret_entry(reading, entry, members))
                        continue;
                if (!weir_property_named(members[0])) {
                        weir_problem_add(reading->problems, &place, secrets_key,
                                         "property is not a name; allowed: small letters, digits, "
                                         "dot, _ and -");
                        continue;
                }
                reason = weir_property_owned(members[0]);
                if (reason) {
                        weir_problem_add(reading->problems, &place, secrets_key,
                                         "%s is refused: %s", members[0], reason);
                        continue;
                }
                value = secret_value(reading, &place, secrets_key, members[1], members[2]);
                name = weir_read_copy(reading, members[0]);
                try_property(reading, &place, secrets_key, name, value, true);
                if (name && value)
                        add_property(reading, &place, secrets_key, name, value, true);
        }
}

const char *weir_read_secret(struct weir_reading *reading, const struct weir_secret_key *file,
                             const struct weir_secret_key *env, struct weir_place *ret_place)
{
        bool has_file = file->text && *file->text, has_env = env->text && *env->text;
        const struct weir_secret_key *given = has_file ? file : env;
        struct weir_error error = { 0 };
        const char *value = NULL;
        int r;

        if (!has_file && !has_env)
                return NULL;
        *ret_place = weir_read_place(reading, given->setting);
        if (has_file && has_env) {
                weir_problem_add(reading->problems, ret_place, file->path,
                                 "is given together with %s; keep one", env->path);
                return NULL;
        }
        if (has_env)
                return secret_value(reading, ret_place, env->path, NULL, env->text);
        r = weir_secret_file(file->text, reading->arena, &value, &error);
        if (r == WEIR_ENOMEM)
                reading->problems->no_memory = true;
        else if (r < 0)
                weir_problem_add(reading->problems, ret_place, file->path, "%s", error.text);
        return r < 0 ? NULL : value;
}
