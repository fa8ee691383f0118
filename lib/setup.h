/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LIB_SETUP_H
#define WEIR_LIB_SETUP_H
/*
 * setup - what one worker works by: a configuration, a plugin, and the plugin opened with it
 *
 * A reload makes a new one beside the old; lanes of before keep theirs until they are out.
 *
 * Thread   main; @users is counted by lanes.
 */
#include <stdatomic.h>

#include "base/budget.h"
#include "conf/conf.h"
#include "flow/lane.h"
#include "plugin/image.h"

/* A configuration that several setups use; freed with the last. */
struct weir_shared_conf {
        struct weir_conf *conf;
        int users;
};
/* Takes over @conf, also on failure. NULL = no memory. One user: the caller. */
struct weir_shared_conf *weir_shared_conf_new(struct weir_conf *conf);
void weir_shared_conf_put(struct weir_shared_conf *shared);

struct weir_setup {
        struct weir_setup *older;
        struct weir_shared_conf *shared;
        const struct weir_conf_worker *worker;
        struct weir_plugin *plugin;
        struct weir_handler *handler;
        struct weir_lane_env env;
        atomic_int users;   /* lanes */
        char instance[256]; /* group.instance.id; "" = none */
};

/* Load the plugin of @worker, which is in @shared: @image, or what its path leads to where that is NULL. */
int weir_setup_load(struct weir_shared_conf *shared, const struct weir_conf_worker *worker,
                    const struct weir_image *image, struct weir_setup **ret,
                    struct weir_error *reterr);
/* Open it without a database, where it needs none: bad options are refused before anybody waits. */
int weir_setup_try(struct weir_setup *setup, struct weir_error *reterr);
/* What all setups of a process share. */
struct weir_setup_share {
        struct weir_pool *pool;
        struct weir_budget *budget; /* of the batches */
        uint64_t fetch_bytes;       /* of the fetch queues, for each worker */
        const char *owner;
        uint32_t process;                       /* which of its worker's */
        const struct weir_replaying *replaying; /* NULL = ordinary consumption */
};
/* Open it, if that is not done, and fill @env. */
int weir_setup_open(struct weir_setup *setup, const struct weir_setup_share *share,
                    struct weir_error *reterr);
/* The same worker of @shared, loaded and opened beside @running. *ret NULL: @shared has no such worker. A plugin of another
 * name is refused, and where @mark is not NULL one with other bytes. */
int weir_setup_renew(const struct weir_setup *running, struct weir_shared_conf *shared,
                     const struct weir_hash_mark *mark, const struct weir_setup_share *share,
                     struct weir_setup **ret, struct weir_error *reterr);
/* No lane uses it any more. */
void weir_setup_free(struct weir_setup *setup);
WEIR_DEFINE_FREEP(struct weir_setup, weir_setup_free)

#endif
