/* SPDX-License-Identifier: MIT */
/*
 * runtime - the only file that knows everyone
 *
 * Order of a start: configuration, plugins (ABI), plugins' open where it needs no table, database, schema, the others' open, groups: what
 * can be refused without touching the world, first. Of an end: groups (lanes drain), relay (what they committed last), plugins' close, connections.
 */
#include "runtime.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/diff.h"
#include "flow/member.h"
#include "kafka/cluster.h"
#include "kafka/instance.h"
#include "setup.h"
#include "side/janitor.h"
#include "side/relay.h"
#include "store/position.h"
#include "store/schema.h"

#define STORE_WAIT_MAX_MS 1000
#define INSTANCE_WAIT_MS 1000 /* beyond the stop.deadline of who has it */

struct slot {                     /* one configured worker */
        struct weir_setup *setup; /* the newest; older ones behind it, while lanes use them */
        struct weir_setup *next;  /* prepared, and used by nobody yet */
        struct weir_member *member;
        int instance_fd; /* IN1: held as long as we live; -1 = no static member */
};

struct weir_runtime {
        struct weir_shared_conf *first; /* KE1: what cannot be taken over runs as it says there */
        struct weir_shared_conf *shared;
        struct weir_shared_conf *next; /* of what is prepared; NULL = nothing is */
        struct weir_conf *conf;        /* of shared */
        struct weir_runtime_role role;
        char *migrations_path;
        char owner[WEIR_POSITION_NAME_BYTES];   /* "host:pid" */
        char session[WEIR_POSITION_NAME_BYTES]; /* the same, as connections are named */
        struct slot *slots;
        size_t count;
        struct weir_pool *pool;
        struct weir_budget *budget;
        struct weir_relay *relay;
        struct weir_janitor *_Atomic janitor; /* where the relay is */
        _Atomic int64_t deadline_us; /* the earliest that stop() was told of; 0 = none was */
        bool relay_stopping;         /* main */
        struct weir_latch stop;      /* ends the waiting of start() */
        atomic_bool stopping,
                started; /* stop() may come from another thread in the middle of start() */
        struct weir_error failure;
        bool failed;
};

static int load_plugins(struct weir_runtime *runtime, const char *only, struct weir_error *reterr)
{
        struct weir_conf *conf = runtime->conf;

        runtime->slots = calloc(conf->worker_count ? conf->worker_count : 1,
                                sizeof *runtime->slots);
        if (!runtime->slots)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%zu workers", conf->worker_count);
        for (size_t i = 0; i < conf->worker_count; i++) {
                const struct weir_conf_worker *worker = &conf->workers[i];
                struct slot *slot = &runtime->slots[runtime->count];
                int r;

                if (only && strcmp(only, worker->name))
                        continue;
                slot->instance_fd = -1;
                r = weir_setup_load(runtime->shared, worker, runtime->role.image, &slot->setup,
                                    reterr);
                if (r < 0)
                        return r;
                runtime->count++;
        }
        if (only && runtime->count == 0)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "%s: no worker named '%s'", conf->path,
                                 only);
        return 0;
}

static const struct weir_conf_checks checks = { .property = weir_kafka_check_property,
                                                .store_url = weir_pg_check_url };

int weir_runtime_load(const char *path, struct weir_conf **ret,
                      struct weir_conf_problems *ret_problems, struct weir_error *reterr)
{
        return weir_conf_load(path, &checks, ret, ret_problems, reterr);
}

int weir_runtime_load_text(const char *path, const char *text, size_t size, struct weir_conf **ret,
                           struct weir_error *reterr)
{
        struct weir_conf_problems problems = { 0 };
        int r = weir_conf_parse(path, text, size, &checks, ret, &problems, reterr);

        weir_conf_problems_fini(&problems);
        return r;
}

int weir_runtime_with(struct weir_conf *conf, const struct weir_runtime_options *options,
                      struct weir_runtime_role role, struct weir_runtime **ret,
                      struct weir_error *reterr)
{
        struct weir_shared_conf *shared = weir_shared_conf_new(conf);
        struct weir_runtime *runtime = shared ? calloc(1, sizeof *runtime) : NULL;
        int r = 0;

        if (!runtime) {
                weir_shared_conf_put(shared);
                return weir_fail(reterr, WEIR_ENOMEM, 0, "runtime");
        }
        runtime->shared = runtime->first = shared;
        shared->users++;
        runtime->conf = conf;
        runtime->role = role;
        runtime->stop.fd = -1;
        weir_position_name(runtime->owner, runtime->session);
        if (options->migrations_path &&
            !(runtime->migrations_path = strdup(options->migrations_path)))
                r = weir_fail(reterr, WEIR_ENOMEM, 0, "runtime");
        if (r == 0 && weir_latch_init(&runtime->stop) < 0)
                r = weir_fail(reterr, WEIR_ESYS, 0, "eventfd");
        if (r == 0 && role.parts != WEIR_RUNTIME_RELAY)
                r = load_plugins(runtime, options->worker, reterr);
        runtime->role.image = NULL; /* the caller's */
        if (r < 0) {
                weir_runtime_free(runtime);
                return r;
        }
        *ret = runtime;
        return 0;
}

int weir_runtime_new(const struct weir_runtime_options *options, struct weir_runtime **ret,
                     struct weir_error *reterr)
{
        struct weir_conf_problems problems = { 0 };
        struct weir_conf *conf;
        int r;

        if (options->size < sizeof *options)
                return weir_fail(
                        reterr, WEIR_EUSAGE, 0,
                        "weir_runtime_options of %u bytes, %zu are wanted: set size to sizeof(struct "
                        "weir_runtime_options)",
                        options->size, sizeof *options);
        if (!options->config_path)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "weir_runtime_options without config_path");
        r = weir_runtime_load(options->config_path, &conf, &problems, reterr);
        weir_conf_problems_fini(&problems);
        return r < 0 ? r
                     : weir_runtime_with(conf, options, (struct weir_runtime_role){ .process = 0 },
                                         ret, reterr);
}

/* ---- start -------------------------------------------------------------------------------- */

static int wait_for_store(struct weir_runtime *runtime, struct weir_pg **ret,
                          struct weir_error *reterr)
{
        for (uint32_t attempt = 1;; attempt++) {
                int r = weir_pool_acquire(runtime->pool, &runtime->stop, ret, reterr);

                if (r == 0 || !weir_error_transient(r) || r == WEIR_ESTOP)
                        return r;
                if (attempt == 1 || attempt % 30 == 0)
                        weir_log(WEIR_LOG_WARN, "store.unreachable", LOG_S("error", reterr->text),
                                 LOG_I("attempt", attempt), LOG_S("action", "retry"));
                if (weir_latch_wait(&runtime->stop,
                                    weir_backoff_ms(100, STORE_WAIT_MAX_MS, attempt)))
                        return weir_fail(reterr, WEIR_ESTOP, 0,
                                         "stopped while waiting for PostgreSQL");
        }
}

static int check_schema(struct weir_runtime *runtime, struct weir_pg *pg, struct weir_error *reterr)
{
        struct weir_migrations *sets = calloc(runtime->count + 1, sizeof *sets);
        size_t count = 0;
        int r;

        if (!sets)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "schema check");
        r = weir_migrations_read("weir", runtime->migrations_path, &sets[count], reterr);
        if (r == 0)
                count++;
        for (size_t i = 0; r == 0 && i < runtime->count; i++) {
                const char *directory = weir_plugin_migrations(runtime->slots[i].setup->plugin);

                if (!directory)
                        continue;
                r = weir_migrations_read(weir_plugin_worker(runtime->slots[i].setup->plugin)->name,
                                         directory, &sets[count], reterr);
                count += r == 0;
        }
        if (r == 0)
                r = weir_schema_check(pg, sets, count, reterr);
        while (count)
                weir_migrations_fini(&sets[--count]);
        free(sets);
        return r;
}

static bool replays(const struct weir_runtime *runtime)
{
        return runtime->role.parts == WEIR_RUNTIME_REPLAY;
}

static uint64_t budget_bytes(const struct weir_runtime *runtime)
{
        return runtime->conf->memory_budget_bytes / (replays(runtime) ? 4 : 1);
}

static uint32_t connections(const struct weir_runtime *runtime)
{
        uint32_t all = runtime->conf->store_connections;

        return replays(runtime) ? (all + 1) / 2 : all;
}

/* Half of the budget is for what is fetched ahead, which the client counts, for each member by itself. */
static struct weir_setup_share share_of(const struct weir_runtime *runtime)
{
        return (struct weir_setup_share){
                .pool = runtime->pool,
                .budget = runtime->budget,
                .fetch_bytes = budget_bytes(runtime) / 2 / (runtime->count ? runtime->count : 1),
                .owner = runtime->owner,
                .process = runtime->role.process,
                .replaying = runtime->role.replaying,
        };
}

static int open_slot(struct weir_runtime *runtime, struct slot *slot, struct weir_error *reterr)
{
        const struct weir_lane_env *env = &slot->setup->env;
        const struct weir_setup_share share = share_of(runtime);
        int r = weir_setup_open(slot->setup, &share, reterr);

        if (r == 0 && env->instance)
                r = weir_instance_hold(runtime->conf->kafka_brokers, env->worker->group,
                                       env->instance,
                                       runtime->conf->stop_deadline_ms + INSTANCE_WAIT_MS,
                                       &runtime->stop, &slot->instance_fd, reterr);
        return r < 0 ? r : weir_member_new(runtime->conf, env, &slot->member, reterr);
}

static int start_janitor(struct weir_runtime *runtime, struct weir_error *reterr)
{
        struct weir_janitor *janitor = NULL;
        int r = weir_janitor_start(runtime->conf, &janitor, reterr);

        runtime->janitor = janitor;
        return r;
}

static void stop_members(struct weir_runtime *runtime)
{
        for (size_t i = 0; i < runtime->count; i++)
                if (runtime->slots[i].member)
                        weir_member_stop(runtime->slots[i].member, runtime->deadline_us);
}

int weir_runtime_start(struct weir_runtime *runtime, struct weir_error *reterr)
{
        struct weir_pg_conf store = { .url = runtime->conf->store_url,
                                      .password = runtime->conf->store_password,
                                      .application_name = runtime->session };
        struct weir_pg *pg = NULL;
        int r = 0;

        for (size_t i = 0; r == 0 && i < runtime->count; i++) /* before anybody waits */
                r = weir_setup_try(runtime->slots[i].setup, reterr);
        if (r == 0)
                r = weir_budget_new(budget_bytes(runtime) / 2, &runtime->budget, reterr);
        if (r == 0)
                r = weir_pool_new(&store, connections(runtime), &runtime->pool, reterr);
        if (r == 0)
                r = wait_for_store(runtime, &pg, reterr);
        if (r == 0 && runtime->migrations_path)
                r = check_schema(runtime, pg, reterr);
        if (pg)
                weir_pool_release(runtime->pool, pg);
        for (size_t i = 0; r == 0 && i < runtime->count; i++)
                r = open_slot(runtime, &runtime->slots[i], reterr);
        if (r == 0 && runtime->role.parts != WEIR_RUNTIME_WORKERS && !replays(runtime))
                r = weir_relay_start(runtime->conf, runtime->owner, &runtime->relay, reterr);
        if (r == 0 && runtime->relay)
                r = start_janitor(runtime, reterr);
        for (size_t i = 0; r == 0 && i < runtime->count; i++) {
                struct slot *slot = &runtime->slots[i];

                r = weir_member_start(slot->member, reterr);
                if (r == 0)
                        weir_log(WEIR_LOG_INFO, "worker.started",
                                 LOG_S("worker", slot->setup->worker->name),
                                 LOG_S("plugin", weir_plugin_worker(slot->setup->plugin)->name),
                                 LOG_S("version", weir_handler_version(slot->setup->handler)),
                                 LOG_S("group", slot->setup->worker->group));
        }
        runtime->started = true;
        if (runtime->stopping) /* they were not there yet; until when is said already */
                stop_members(runtime);
        return r;
}

/* ---- reload ------------------------------------------------------------------------------------ */

/* Setups that no lane uses any more; the newest stays. */
static void sweep(struct weir_runtime *runtime)
{
        for (size_t i = 0; i < runtime->count; i++) {
                struct slot *slot = &runtime->slots[i];

                if (!slot->member || !weir_member_reloaded(slot->member))
                        continue;
                for (struct weir_setup **at = &slot->setup->older; *at;) {
                        struct weir_setup *setup = *at;

                        if (setup->users > 0) {
                                at = &setup->older;
                                continue;
                        }
                        *at = setup->older;
                        weir_log(WEIR_LOG_INFO, "plugin.closed",
                                 LOG_S("worker", slot->setup->worker->name),
                                 LOG_S("version", weir_handler_version(setup->handler)));
                        weir_setup_free(setup);
                }
        }
}

bool weir_runtime_reloaded(const struct weir_runtime *runtime)
{
        for (size_t i = 0; i < runtime->count; i++)
                if (!weir_member_reloaded(runtime->slots[i].member))
                        return false;
        return true;
}

/* All are opened before one is used: a reload happens whole or not at all. */
int weir_runtime_prepare(struct weir_runtime *runtime, struct weir_conf *conf,
                         const struct weir_hash_mark *mark, struct weir_error *reterr)
{
        struct weir_setup_share share;
        int r = 0;

        weir_runtime_drop(runtime);
        runtime->next = weir_shared_conf_new(conf);
        if (!runtime->next)
                r = weir_fail(reterr, WEIR_ENOMEM, 0, "reload");
        if (r == 0 && !weir_runtime_reloaded(runtime))
                r = weir_fail(reterr, WEIR_EUSAGE, 0, "the last reload is not through yet");
        if (r == 0)
                r = weir_conf_keep(runtime->first->conf, conf, reterr);
        share = share_of(runtime);
        for (size_t i = 0; r == 0 && i < runtime->count; i++)
                r = weir_setup_renew(runtime->slots[i].setup, runtime->next, mark, &share,
                                     &runtime->slots[i].next, reterr);
        if (r < 0)
                weir_runtime_drop(runtime);
        return r;
}

const struct weir_conf *weir_runtime_commit(struct weir_runtime *runtime)
{
        for (size_t i = 0; i < runtime->count; i++) {
                struct slot *slot = &runtime->slots[i];

                if (!slot->next)
                        continue;
                slot->next->older = slot->setup;
                slot->setup = WEIR_TAKE(slot->next);
                weir_member_reload(slot->member, runtime->next->conf, &slot->setup->env);
        }
        weir_shared_conf_put(runtime->shared);
        runtime->shared = WEIR_TAKE(runtime->next);
        runtime->conf = runtime->shared->conf;
        return runtime->conf;
}

void weir_runtime_drop(struct weir_runtime *runtime)
{
        for (size_t i = 0; i < runtime->count; i++)
                weir_setup_free(WEIR_TAKE(runtime->slots[i].next));
        weir_shared_conf_put(WEIR_TAKE(runtime->next));
}

/* ---- wait and end --------------------------------------------------------------------------- */

/* The lanes have ended: now the relay may. */
static bool relay_runs(struct weir_runtime *runtime, int timeout_ms)
{
        int64_t now_us = weir_clock_us();

        if (!runtime->relay)
                return false;
        if (runtime->role.parts == WEIR_RUNTIME_RELAY && !runtime->stopping)
                return weir_relay_wait(runtime->relay, timeout_ms) == 1;
        if (!runtime->relay_stopping)
                weir_relay_stop(runtime->relay,
                                runtime->deadline_us > 0 ? runtime->deadline_us : now_us);
        runtime->relay_stopping = true;
        return weir_relay_wait(runtime->relay, timeout_ms) == 1;
}

int weir_runtime_wait(struct weir_runtime *runtime, int timeout_ms, struct weir_error *reterr)
{
        bool running = false, stuck = false;
        int share_ms = runtime->count ? timeout_ms / (int)runtime->count + 1 : 0;

        sweep(runtime);
        for (size_t i = 0; i < runtime->count; i++) {
                struct weir_error error;

                if (!runtime->slots[i].member)
                        continue;
                switch (weir_member_wait(runtime->slots[i].member, share_ms, &error)) {
                case WEIR_MEMBER_RUNS: running = true; break;
                case WEIR_MEMBER_STUCK: stuck = true; break;
                case WEIR_MEMBER_FAILED:
                        if (runtime->failed)
                                break;
                        runtime->failed = true;
                        runtime->failure = error;
                        weir_runtime_stop(runtime,
                                          0); /* the others drain: a half worker helps nobody */
                        break;
                default: break;
                }
        }
        if (running || relay_runs(runtime, timeout_ms))
                return 1;
        if (runtime->failed) {
                *reterr = runtime->failure;
                return runtime->failure.code;
        }
        return stuck || weir_lane_count() > 0 ? 2 : 0;
}

void weir_runtime_stop(struct weir_runtime *runtime, int64_t deadline_ms)
{
        int64_t deadline_us = weir_clock_us() +
                              (deadline_ms > 0 ? deadline_ms : runtime->conf->stop_deadline_ms) *
                                      1000;
        int64_t was_us = runtime->deadline_us;

        while ((!was_us || deadline_us < was_us) &&
               !atomic_compare_exchange_weak(&runtime->deadline_us, &was_us, deadline_us))
                ;
        runtime->stopping = true;
        weir_latch_set(&runtime->stop);
        weir_janitor_stop(runtime->janitor);
        if (runtime->started)
                stop_members(runtime);
}

void weir_runtime_free(struct weir_runtime *runtime)
{
        if (!runtime)
                return;
        for (size_t i = 0; i < runtime->count; i++) {
                weir_member_free(runtime->slots[i].member);
                if (runtime->slots[i].instance_fd >= 0)
                        close(runtime->slots[i].instance_fd);
        }
        weir_janitor_free(runtime->janitor);
        weir_relay_free(runtime->relay);
        weir_runtime_drop(runtime);
        for (size_t i = 0; i < runtime->count; i++)
                while (runtime->slots[i].setup) {
                        struct weir_setup *setup = runtime->slots[i].setup;

                        runtime->slots[i].setup = setup->older;
                        weir_setup_free(setup);
                }
        weir_pool_free(runtime->pool);
        weir_budget_free(runtime->budget);
        weir_latch_fini(&runtime->stop);
        weir_shared_conf_put(runtime->shared);
        weir_shared_conf_put(runtime->first);
        free(runtime->slots);
        free(runtime->migrations_path);
        free(runtime);
}

const struct weir_conf *weir_runtime_conf(const struct weir_runtime *runtime)
{
        return runtime->first->conf;
}
