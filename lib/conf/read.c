/* SPDX-License-Identifier: MIT */
/*
 * read - walk the tree against the table, note what does not fit, go on
 *
 * Two walks over one scope (the file, or one group of a list: a worker, a sink): over the settings, to find the unknown and
 * the wrong, then over the table, to find the missing. A setting that is there but wrong is not
 * missing too: one mistake is one problem. For the same reason the checks between keys run only
 * when both sides are good. A key that is given again is told by the scanner; its value is looked
 * at like the first, so that nothing in it comes up only when one of the two is gone.
 */
#include "conf/read.h"

#include <assert.h>
#include <libconfig.h>
#include <string.h>

#include "conf/property.h"
#include "conf/trail.h"

#define LIMIT_BYTES_MIN                                                                            \
        ((uint64_t)256 << 20) /* of memory.limit: a dozen stacks of 8 MiB, and some */

struct scope {
        struct weir_reading *reading;
        void *fields;                /* weir_key_base, or an element of the list */
        config_setting_t *root;      /* where "missing" is reported when its group is missing too */
        const struct weir_key *list; /* NULL = the file */
        const char *name;            /* of the element; NULL = not known */
        config_setting_t *seen[WEIR_KEYS_MAX]; /* by index of the key */
        bool good[WEIR_KEYS_MAX];              /* value or default is in the field */
};

static size_t index_of(const struct weir_key *key)
{
        return (size_t)(key - weir_keys);
}

static const struct weir_key *key_named(const char *path)
{
        const struct weir_key *key = weir_key_find(path);

        assert(key);
        return key;
}

static void note_unknown(struct weir_reading *reading, config_setting_t *setting, const char *path)
{
        struct weir_place place = weir_read_place(reading, setting);
        const struct weir_key *near = weir_problem_full(reading->problems) ? NULL
                                                                           : weir_key_nearest(path);

        weir_problem_add(reading->problems, &place, path,
                         "unknown key%s%s%s; see weir config reference",
                         near ? "; did you mean " : "", near ? near->path : "", near ? "?" : "");
}

static void note_type(struct weir_reading *reading, config_setting_t *setting,
                      const struct weir_key *key)
{
        struct weir_place place = weir_read_place(reading, setting);

        weir_problem_add(reading->problems, &place, key->path, "is %s, must be %s",
                         weir_read_type_name(setting), weir_key_type_name(key));
}

static void read_list(struct weir_reading *reading, config_setting_t *list,
                      const struct weir_key *key);

static void read_group(struct scope *scope, config_setting_t *group, const char *prefix)
{
        for (int i = 0; i < config_setting_length(group); i++) {
                config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
                const struct weir_key *key;
                char path[160];
                bool again;
                const char *name = weir_trail_plain(config_setting_name(setting), &again);
                int n = snprintf(path, sizeof path, "%s%s", prefix, name);

                if (n < 0 || n >= (int)sizeof path) /* a cut name could be taken for another's */
                        memcpy(path + sizeof path - 4, "...", 4);
                key = weir_key_find(path);
                if (!key || strcmp(key->path, path) != 0) {
                        if (!again)
                                note_unknown(scope->reading, setting, path);
                        continue;
                }
                if (!again)
                        scope->seen[index_of(key)] = setting;
                if (key->type == WEIR_KEY_GROUP) {
                        if (!config_setting_is_group(setting)) {
                                note_type(scope->reading, setting, key);
                                continue;
                        }
                        n = snprintf(path, sizeof path, "%s.", key->path);
                        assert(n < (int)sizeof path);
                        scope->good[index_of(key)] = true;
                        read_group(scope, setting, path);
                } else if (weir_key_is_list(key)) {
                        if (config_setting_is_list(setting))
                                read_list(scope->reading, setting, key);
                        else
                                note_type(scope->reading, setting, key);
                } else {
                        scope->good[index_of(key)] = weir_read_value(scope->reading, key,
                                                                     scope->fields, setting) &&
                                                     !again;
                }
        }
}

/* The nearest thing that exists around a missing key. */
static config_setting_t *place_of_missing(const struct scope *scope, const struct weir_key *key)
{
        char parent[160];
        char *dot;

        snprintf(parent, sizeof parent, "%s", key->path);
        dot = strrchr(parent, '.');
        if (dot) {
                const struct weir_key *group;

                *dot = '\0';
                group = weir_key_find(parent);
                if (group && scope->seen[index_of(group)])
                        return scope->seen[index_of(group)];
        }
        return scope->root;
}

/* Is the group around @key there, but not a group? Then its keys are not "missing". */
static bool inside_wrong(const struct scope *scope, const struct weir_key *key)
{
        for (size_t i = 0; i < weir_key_count; i++) {
                size_t size = strlen(weir_keys[i].path);

                if (weir_keys[i].type == WEIR_KEY_GROUP && scope->seen[i] && !scope->good[i] &&
                    !strncmp(weir_keys[i].path, key->path, size) && key->path[size] == '.')
                        return true;
        }
        return false;
}

static void fill_missing(struct scope *scope)
{
        for (size_t i = 0; i < weir_key_count; i++) {
                const struct weir_key *key = &weir_keys[i];

                if (weir_key_list(key) != scope->list || scope->seen[i] ||
                    key->type == WEIR_KEY_GROUP)
                        continue;
                if (key->flags & WEIR_KEY_REQUIRED) {
                        struct weir_place place = weir_read_place(scope->reading,
                                                                  place_of_missing(scope, key));

                        if (inside_wrong(scope, key))
                                continue;
                        if (scope->name) /* "workers": in worker x */
                                weir_problem_add(scope->reading->problems, &place, key->path,
                                                 "is missing in %.*s %s; must be %s",
                                                 (int)strlen(scope->list->path) - 1,
                                                 scope->list->path, scope->name,
                                                 weir_key_type_name(key));
                        else
                                weir_problem_add(scope->reading->problems, &place, key->path,
                                                 "is missing; must be %s", weir_key_type_name(key));
                } else {
                        weir_read_default(scope->reading, key, scope->fields);
                        scope->good[i] = true;
                }
        }
}

static config_setting_t *seen(const struct scope *scope, const char *path)
{
        return scope->seen[index_of(key_named(path))];
}

/* Both good, and @a was given or @b was: then the line to name is that of the given one. */
static bool comparable(const struct scope *scope, const char *a, const char *b,
                       struct weir_place *ret_place, const char **ret_key)
{
        size_t i = index_of(key_named(a)), j = index_of(key_named(b));

        if (!scope->good[i] || !scope->good[j] || (!scope->seen[i] && !scope->seen[j]))
                return false;
        *ret_key = scope->seen[i] ? a : b;
        *ret_place = weir_read_place(scope->reading,
                                     scope->seen[i] ? scope->seen[i] : scope->seen[j]);
        return true;
}

static void check_dead(struct scope *scope, const struct weir_conf_worker *worker)
{
        struct weir_reading *reading = scope->reading;
        struct weir_place place;
        const char *key;

        if (comparable(scope, "workers.on_dead", "workers.dead_letter_topic", &place, &key) &&
            worker->on_dead == WEIR_DEAD_PUBLISH && !worker->dead_letter_topic)
                weir_problem_add(reading->problems, &place, key,
                                 "on_dead is \"publish\", and dead_letter_topic names no topic");
        if (comparable(scope, "workers.dead_letter_topic", "workers.topics", &place, &key) &&
            worker->dead_letter_topic)
                for (size_t i = 0; i < worker->topic_count; i++)
                        if (!strcmp(worker->topics[i], worker->dead_letter_topic))
                                weir_problem_add(reading->problems, &place, key,
                                                 "%.64s is a topic that the worker reads: its dead "
                                                 "letters would come back to it for ever",
                                                 worker->dead_letter_topic);
        if (comparable(scope, "workers.on_dead", "workers.retry.order", &place, &key) &&
            worker->on_dead == WEIR_DEAD_HALT && worker->retry_order == WEIR_RETRY_PARK)
                weir_problem_add(reading->problems, &place, key,
                                 "on_dead is \"halt\" and retry.order \"park\": one stops the "
                                 "partition at an event, the other lets it flow on; choose one");
}

static void check_worker(struct scope *scope, const struct weir_conf_worker *workers, size_t index)
{
        const struct weir_conf_worker *worker = &workers[index];
        struct weir_reading *reading = scope->reading;
        struct weir_place place;
        const char *key;
        char a[32], b[32];

        if (comparable(scope, "workers.retry.max_delay", "workers.retry.first_delay", &place,
                       &key) &&
            worker->retry_max_delay_ms < worker->retry_first_delay_ms) {
                weir_duration_write(a, worker->retry_first_delay_ms * 1000);
                weir_duration_write(b, worker->retry_max_delay_ms * 1000);
                weir_problem_add(
                        reading->problems, &place, key,
                        "first_delay is %s and max_delay %s; max_delay must not be shorter", a, b);
        }
        check_dead(scope, worker);
        if (!worker->name)
                return;
        for (size_t i = 0; i < index; i++) {
                if (!workers[i].name || strcmp(workers[i].name, worker->name) != 0)
                        continue;
                place = weir_read_place(reading, scope->seen[index_of(key_named("workers.name"))]);
                weir_problem_add(
                        reading->problems, &place, "workers.name",
                        "%s is the name of the worker at %s too; each worker has a name of its own",
                        worker->name, workers[i].where);
                break;
        }
}

static void read_element(struct weir_reading *reading, config_setting_t *group,
                         const struct weir_key *list, size_t index)
{
        bool is_worker = list->type == WEIR_KEY_WORKERS;
        struct weir_conf_worker *worker = is_worker ? &reading->base->conf.workers[index] : NULL;
        struct weir_key_sink *sink = is_worker ? NULL : &reading->base->sinks[index];
        struct scope scope = { .reading = reading,
                               .fields = is_worker ? (void *)worker : sink,
                               .root = group,
                               .list = list };
        const char *where = weir_read_where(reading, group);
        char prefix[64];

        if (is_worker) {
                worker->where = where;
                worker->conf = &reading->base->conf;
        } else {
                sink->sink.where = where;
        }
        snprintf(prefix, sizeof prefix, "%s.", list->path);
        read_group(&scope, group, prefix);
        scope.name = is_worker ? worker->name : sink->sink.name;
        fill_missing(&scope);
        if (is_worker)
                check_worker(&scope, reading->base->conf.workers, index);
        else
                weir_read_sink(reading, group, index, scope.seen, scope.good);
}

/* Room for the elements. Of sinks on both sides, before any secret is read: each is wiped from conf. */
static bool make_room(struct weir_reading *reading, const struct weir_key *list, size_t count)
{
        struct weir_conf *conf = &reading->base->conf;

        if (list->type == WEIR_KEY_WORKERS) {
                conf->workers = weir_read_alloc(reading, count * sizeof *conf->workers);
                conf->worker_count = conf->workers ? count : 0;
                return conf->workers;
        }
        reading->base->sinks = weir_read_alloc(reading, count * sizeof *reading->base->sinks);
        conf->sinks = weir_read_alloc(reading, count * sizeof *conf->sinks);
        conf->sink_count = reading->base->sinks && conf->sinks ? count : 0;
        return reading->base->sinks && conf->sinks;
}

static void read_list(struct weir_reading *reading, config_setting_t *list,
                      const struct weir_key *key)
{
        int count = config_setting_length(list);

        if (count < key->min || count > key->max) {
                struct weir_place place = weir_read_place(reading, list);
                char allowed[160];

                weir_key_allowed(key, allowed);
                weir_problem_add(reading->problems, &place, key->path, "has %d groups; allowed: %s",
                                 count, allowed);
                return;
        }
        if (!make_room(reading, key, (size_t)count))
                return;
        for (int i = 0; i < count; i++) {
                config_setting_t *group = config_setting_get_elem(list, (unsigned)i);

                if (config_setting_is_group(group)) {
                        read_element(reading, group, key, (size_t)i);
                } else {
                        struct weir_place place = weir_read_place(reading, group);

                        weir_problem_add(reading->problems, &place, key->path,
                                         "is %s, must be a group { }", weir_read_type_name(group));
                }
        }
}

static void check_url(const struct scope *scope)
{
        struct weir_reading *reading = scope->reading;
        size_t i = index_of(key_named("store.url"));
        struct weir_error error = { 0 };
        struct weir_place place;

        if (!scope->good[i] || !reading->checks || !reading->checks->store_url ||
            !reading->base->conf.store_url) /* no memory, and noted */
                return;
        place = weir_read_place(reading, scope->seen[i]);
        if (reading->checks->store_url(reading->base->conf.store_url, &error) < 0)
                weir_problem_add(reading->problems, &place, weir_keys[i].path, "%s", error.text);
}

/* What the supervisor counts and waits by. */
static void check_restart(const struct scope *scope)
{
        struct weir_reading *reading = scope->reading;
        const struct weir_conf *conf = &reading->base->conf;
        struct weir_place place;
        const char *key;
        char a[32], b[32];

        if (comparable(scope, "restart.max_delay", "restart.first_delay", &place, &key) &&
            conf->restart_max_delay_ms < conf->restart_first_delay_ms) {
                weir_duration_write(a, conf->restart_first_delay_ms * 1000);
                weir_duration_write(b, conf->restart_max_delay_ms * 1000);
                weir_problem_add(
                        reading->problems, &place, key,
                        "first_delay is %s and max_delay %s; max_delay must not be shorter", a, b);
        }
        if (comparable(scope, "restart.limit", "crash.attempts", &place, &key) &&
            conf->restart_limit <= conf->crash_attempts)
                weir_problem_add(reading->problems, &place, key,
                                 "restart.limit is %u and crash.attempts %u; restart.limit must be "
                                 "greater, or one event ends the worker before it is found",
                                 conf->restart_limit, conf->crash_attempts);
}

/* Each generation that is kept costs a look per event: WEIR_CLAIM_LIVE_MAX of them, with the newest and one that is due. */
static void check_claims(const struct scope *scope)
{
        enum { PERIODS_MAX = 14 };
        const struct weir_conf *conf = &scope->reading->base->conf;
        struct weir_place place;
        const char *key;
        char a[32], b[32], least[32];

        if (!comparable(scope, "claims.retention", "claims.period", &place, &key) ||
            conf->claims_retention_ms / PERIODS_MAX <= conf->claims_period_ms)
                return;
        weir_duration_write(a, conf->claims_retention_ms * 1000);
        weir_duration_write(b, conf->claims_period_ms * 1000);
        weir_duration_write(least, (conf->claims_retention_ms / PERIODS_MAX / 1000 + 1) * 1000000);
        weir_problem_add(
                scope->reading->problems, &place, key,
                "retention is %s and period %s; retention must be at most %d periods, since "
                "each is a look per event: with this retention, a period of %s or more",
                a, b, PERIODS_MAX, least);
}

/* What a worker process could not live with. */
static void check_sandbox(const struct scope *scope)
{
        struct weir_reading *reading = scope->reading;
        const struct weir_conf *conf = &reading->base->conf;
        config_setting_t *setting = seen(scope, "memory.limit");
        struct weir_place place;
        char a[32], b[32];

        if (setting && conf->memory_limit_bytes > 0 && conf->memory_limit_bytes < LIMIT_BYTES_MIN) {
                place = weir_read_place(reading, setting);
                weir_size_write(a, (int64_t)conf->memory_limit_bytes);
                weir_problem_add(reading->problems, &place, "memory.limit",
                                 "%s is less than the program needs by itself; allowed: 0, or "
                                 "256MiB and more",
                                 a);
        }
        setting = seen(scope, "memory.budget");
        if (!setting)
                setting = seen(scope, "memory.limit");
        if (setting && conf->memory_limit_bytes >= LIMIT_BYTES_MIN &&
            conf->memory_budget_bytes > conf->memory_limit_bytes / 2) {
                place = weir_read_place(reading, setting);
                weir_size_write(a, (int64_t)conf->memory_budget_bytes);
                weir_size_write(b, (int64_t)conf->memory_limit_bytes);
                weir_problem_add(reading->problems, &place, "memory.budget",
                                 "%s of records do not fit into a process that may reserve %s "
                                 "(memory.limit); allowed: half of it at most",
                                 a, b);
        }
        setting = seen(scope, "kafka.properties");
        if (setting && !conf->sandbox_exec && (conf->sandbox_seccomp || conf->sandbox_landlock) &&
            weir_property_runs_kinit(conf->properties, conf->property_count)) {
                place = weir_read_place(reading, setting);
                weir_problem_add(reading->problems, &place, "kafka.properties",
                                 "sasl.mechanisms=GSSAPI: librdkafka runs kinit for it, which "
                                 "sandbox.exec = false refuses; set sandbox.exec = true, and the "
                                 "directory of the credential cache in sandbox.write");
        }
}

void weir_read_tree(struct weir_reading *reading, struct config_setting_t *root)
{
        struct scope scope = { .reading = reading, .fields = reading->base, .root = root };
        const struct weir_conf *conf = &reading->base->conf;
        struct weir_place place;
        const char *key;
        char a[32], b[32];

        read_group(&scope, root, "");
        fill_missing(&scope);
        if (comparable(&scope, "stop.drain", "stop.deadline", &place, &key) &&
            conf->stop_drain_ms >= conf->stop_deadline_ms) {
                weir_duration_write(a, conf->stop_drain_ms * 1000);
                weir_duration_write(b, conf->stop_deadline_ms * 1000);
                weir_problem_add(reading->problems, &place, key,
                                 "drain is %s and deadline %s; drain must be shorter than deadline",
                                 a, b);
        }
        check_restart(&scope);
        check_claims(&scope);
        check_sandbox(&scope);
        check_url(&scope);
        reading->base->conf.store_password = weir_read_secret(
                reading,
                &(struct weir_secret_key){ "store.password_file", reading->base->password_file,
                                           seen(&scope, "store.password_file") },
                &(struct weir_secret_key){ "store.password_env", reading->base->password_env,
                                           seen(&scope, "store.password_env") },
                &place);
}
