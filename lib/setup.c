/* SPDX-License-Identifier: MIT */
/*
 * setup - the old one stays whole until nobody looks at it
 *
 * Lanes hold pointers into their configuration and into the plugin's code. So neither is ever changed: a
 * reload makes both anew, and the last lane of before takes the old ones with it. A lane that was given up in its
 * handler never counts itself out, and what it stands on is never unmapped under it.
 *
 * The same file   dlopen() of a name that is loaded gives the old object, whatever is on the disk by now. The loader
 *               opens by descriptor (plugin/loader.c), so a replaced file is another object.
 */
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct weir_shared_conf *weir_shared_conf_new(struct weir_conf *conf)
{
        struct weir_shared_conf *shared = malloc(sizeof *shared);

        if (!shared) {
                weir_conf_free(conf);
                return NULL;
        }
        *shared = (struct weir_shared_conf){ conf, 1 };
        return shared;
}

void weir_shared_conf_put(struct weir_shared_conf *shared)
{
        if (!shared || --shared->users > 0)
                return;
        weir_conf_free(shared->conf);
        free(shared);
}

int weir_setup_load(struct weir_shared_conf *shared, const struct weir_conf_worker *worker,
                    const struct weir_image *image, struct weir_setup **ret,
                    struct weir_error *reterr)
{
        struct weir_conf *conf = shared->conf;
        struct weir_setup *setup = calloc(1, sizeof *setup);
        int r;

        if (!setup)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "worker %s", worker->name);
        setup->shared = shared;
        shared->users++;
        setup->worker = worker;
        r = image ? weir_plugin_load_image(image, &setup->plugin, reterr)
                  : weir_plugin_load(worker->plugin, conf->plugin_path, conf->plugin_path_count,
                                     &setup->plugin, reterr);
        if (r < 0) {
                weir_setup_free(setup);
                return weir_error_prefix(reterr, "%s: worker %s: ", worker->where, worker->name);
        }
        *ret = setup;
        return 0;
}

int weir_setup_try(struct weir_setup *setup, struct weir_error *reterr)
{
        if (weir_handler_try(setup->plugin, setup->worker, &setup->handler, reterr) < 0)
                return weir_error_prefix(reterr, "%s: worker %s: ", setup->worker->where,
                                         setup->worker->name);
        return 0;
}

static void warn_loops(const struct weir_setup *setup)
{
        const struct weir_conf_sink *sink;
        const char *topic;

        for (size_t i = 0; (sink = weir_handler_loop(setup->handler, i, &topic)); i++)
                weir_log(WEIR_LOG_WARN, "worker.loop", LOG_S("worker", setup->worker->name),
                         LOG_S("sink", sink->name), LOG_S("topic", topic),
                         LOG_S("text", sink->topic ? "the worker reads what it sends there"
                                                   : "the worker reads the answers of that sink"));
}

/* The same after each start on this machine, and no other's. */
static void name_instance(struct weir_setup *setup, uint32_t process)
{
        char host[64] = "?";

        gethostname(host, sizeof host - 1);
        snprintf(setup->instance, sizeof setup->instance, "weir-%s-%s-%u", setup->worker->name,
                 host, process);
}

int weir_setup_open(struct weir_setup *setup, const struct weir_setup_share *share,
                    struct weir_error *reterr)
{
        int r = setup->handler ? 0
                               : weir_handler_open(setup->plugin, setup->worker, share->pool,
                                                   &setup->handler, reterr);

        if (r < 0)
                return weir_error_prefix(reterr, "%s: worker %s: ", setup->worker->where,
                                         setup->worker->name);
        warn_loops(setup);
        setup->env = (struct weir_lane_env){ .worker = setup->worker,
                                             .handler = setup->handler,
                                             .pool = share->pool,
                                             .budget = share->budget,
                                             .fetch_bytes = share->fetch_bytes,
                                             .owner = share->owner,
                                             .replaying = share->replaying,
                                             .users = &setup->users };
        if (setup->worker->static_membership && !share->replaying) {
                name_instance(setup, share->process);
                setup->env.instance = setup->instance;
        }
        return 0;
}

/* Another plugin in the same file has other tables, which nobody checked, and other migrations. */
static int same_plugin(const struct weir_setup *running, const struct weir_setup *setup,
                       struct weir_error *reterr)
{
        const char *was = weir_plugin_worker(running->plugin)->name;
        const char *is = weir_plugin_worker(setup->plugin)->name;

        if (strcmp(was, is) == 0)
                return 0;
        return weir_fail(reterr, WEIR_EABI, 0,
                         "%s: worker %s: %s is the plugin '%s' now, '%s' runs: put '%s' back, or "
                         "restart weir to change to '%s'",
                         setup->worker->where, setup->worker->name, weir_plugin_path(setup->plugin),
                         is, was, was, is);
}

/* What the supervisor has read of it at this reload is what is tried, or nothing is: IM1. */
static int take_image(const struct weir_shared_conf *shared, const struct weir_conf_worker *worker,
                      const struct weir_hash_mark *mark, struct weir_image **ret,
                      struct weir_error *reterr)
{
        const struct weir_conf *conf = shared->conf;
        int r = weir_plugin_image(worker->plugin, conf->plugin_path, conf->plugin_path_count, ret,
                                  reterr);

        if (r == 0 && !weir_hash_mark_is(&(*ret)->mark, mark))
                r = weir_fail(reterr, WEIR_EABI, 0,
                              "plugin %s: was replaced while it was tried; SIGHUP again",
                              (*ret)->path);
        return r < 0 ? weir_error_prefix(reterr, "%s: worker %s: ", worker->where, worker->name)
                     : 0;
}

int weir_setup_renew(const struct weir_setup *running, struct weir_shared_conf *shared,
                     const struct weir_hash_mark *mark, const struct weir_setup_share *share,
                     struct weir_setup **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_image_putp) struct weir_image *image = NULL;
        const struct weir_conf_worker *worker = NULL;
        int r;

        *ret = NULL;
        for (size_t i = 0; i < shared->conf->worker_count; i++)
                if (strcmp(shared->conf->workers[i].name, running->worker->name) == 0)
                        worker = &shared->conf->workers[i];
        if (!worker)
                return 0;
        r = mark ? take_image(shared, worker, mark, &image, reterr) : 0;
        if (r == 0)
                r = weir_setup_load(shared, worker, image, ret, reterr);
        if (r == 0)
                r = same_plugin(running, *ret, reterr);
        if (r == 0)
                r = weir_setup_open(*ret, share, reterr);
        if (r < 0) {
                weir_setup_free(*ret);
                *ret = NULL;
        }
        return r;
}

void weir_setup_free(struct weir_setup *setup)
{
        if (!setup)
                return;
        weir_handler_close(setup->handler);
        weir_plugin_unload(setup->plugin);
        weir_shared_conf_put(setup->shared);
        free(setup);
}
