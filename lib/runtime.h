/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LIB_RUNTIME_H
#define WEIR_LIB_RUNTIME_H
/* runtime - the inner door: for callers that load the configuration themselves */
#include <weir/runtime.h>

#include "conf/conf.h"
#include "plugin/image.h"

/* weir_conf_load(), with what the librdkafka and the libpq in use say of it in the same list. Every command
 * reads its configuration through this. */
int weir_runtime_load(const char *path, struct weir_conf **ret,
                      struct weir_conf_problems *ret_problems, struct weir_error *reterr);
/* The same from @text, that of a weir_conf which was loaded from @path once. */
int weir_runtime_load_text(const char *path, const char *text, size_t size, struct weir_conf **ret,
                           struct weir_error *reterr);

/* What of it all runs in this process. */
struct weir_runtime_role {
        /* REPLAY: one worker's, with half of store.connections and a quarter of memory.budget, beside the live ones */
        enum {
                WEIR_RUNTIME_ALL = 0,
                WEIR_RUNTIME_WORKERS,
                WEIR_RUNTIME_RELAY,
                WEIR_RUNTIME_REPLAY
        } parts;
        uint32_t process; /* which of its worker's processes this is, from 0 */
        const struct weir_replaying *replaying; /* REPLAY; outlives the runtime */
        struct weir_image *image; /* its plugin, where there is one worker; NULL = by path */
};

/* Takes over @conf, also on failure. */
int weir_runtime_with(struct weir_conf *conf, const struct weir_runtime_options *options,
                      struct weir_runtime_role role, struct weir_runtime **ret,
                      struct weir_error *reterr);
/* Main thread, while it runs: open plugins anew with @conf beside the old ones. Nothing is in force by that. What cannot
 * be taken over stays as it runs (weir_conf_keep). A plugin that cannot be opened, or is another one than the one that
 * runs, or (@mark not NULL) not the bytes that are offered, is an error, and nothing is prepared then. Takes over @conf, also on failure. Only when the last one is
 * through: reloaded(). May wait for a plugin's open(). */
int weir_runtime_prepare(struct weir_runtime *runtime, struct weir_conf *conf,
                         const struct weir_hash_mark *mark, struct weir_error *reterr);
/* Go over to what is prepared, lane by lane, at the next batch: reloaded() says when all have. What is in force now. */
const struct weir_conf *weir_runtime_commit(struct weir_runtime *runtime);
/* Close what is prepared, if anything is. */
void weir_runtime_drop(struct weir_runtime *runtime);
bool weir_runtime_reloaded(const struct weir_runtime *runtime);
/* What it began with: what no reload can change has its value from there. */
const struct weir_conf *weir_runtime_conf(const struct weir_runtime *runtime);

#endif
