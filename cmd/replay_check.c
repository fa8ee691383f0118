/* SPDX-License-Identifier: MIT */
/*
 * replay_check - what `weir run` would refuse is refused before a plan is written
 *
 * The runtime checks all of it again when it starts: what fails only there leaves a replay that has failed, and can be gone on
 * with.
 */
#include "replay_check.h"

#include <stdio.h>

#include "cmd.h"
#include "plugin/loader.h"
#include "position.h"
#include "store/schema.h"

static int check_schema(struct weir_pg *pg, const struct weir_plugin *plugin,
                        struct weir_error *reterr)
{
        const char *own = weir_plugin_migrations(plugin), *path = cmd_migrations_path();
        struct weir_migrations sets[2];
        size_t count = 0;
        int r = 0;

        if (path) {
                r = weir_migrations_read("weir", path, &sets[count], reterr);
                count += r == 0;
        }
        if (r == 0 && own) {
                r = weir_migrations_read(weir_plugin_worker(plugin)->name, own, &sets[count],
                                         reterr);
                count += r == 0;
        }
        if (r == 0)
                r = weir_schema_check(pg, sets, count, reterr);
        while (count)
                weir_migrations_fini(&sets[--count]);
        return r;
}

int replay_check(const struct weir_conf *conf, const char *worker, struct weir_pg *pg,
                 struct replay_checked *ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plugin_unloadp) struct weir_plugin *plugin = NULL;
        const struct weir_worker *is;
        int r = position_worker(conf, worker, &ret->worker, reterr);

        if (r == 0)
                r = weir_plugin_load(ret->worker->plugin, conf->plugin_path,
                                     conf->plugin_path_count, &plugin, reterr);
        if (r < 0)
                return r;
        is = weir_plugin_worker(plugin);
        snprintf(ret->version, sizeof ret->version, "%s", is->version);
        if (is->not_replayable)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "events of worker %s are not to be replayed, says its plugin %s "
                                 "%s: %s",
                                 worker, is->name, is->version, is->not_replayable);
        return check_schema(pg, plugin, reterr);
}
