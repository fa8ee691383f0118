/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PLUGIN_HOST_H
#define WEIR_PLUGIN_HOST_H
/*
 * host - the far side of struct weir_host: one opened plugin of one configured worker
 */
#include "conf/conf.h"
#include "plugin/loader.h"
#include "store/pool.h"
#include "store/table.h"

struct weir_handler;

/* Open the plugin for @worker. @pool serves weir_host.table(). Options that the plugin neither
 * reads nor declares: WEIR_ECONF with file and line. */
int weir_handler_open(struct weir_plugin *plugin, const struct weir_conf_worker *worker,
                      struct weir_pool *pool, struct weir_handler **ret, struct weir_error *reterr);
/* The same without a database: 0 = opened, and it may be used; 1 = the plugin wants its tables, so weir_handler_open()
 * must follow once they can be had; < 0 = it refuses. */
int weir_handler_try(struct weir_plugin *plugin, const struct weir_conf_worker *worker,
                     struct weir_handler **ret, struct weir_error *reterr);
/* The @index-th sink that the plugin asked after whose topic or reply_topic the worker reads; NULL = no more. */
const struct weir_conf_sink *weir_handler_loop(const struct weir_handler *handler, size_t index,
                                               const char **ret_topic);
void weir_handler_close(struct weir_handler *handler);
WEIR_DEFINE_FREEP(struct weir_handler, weir_handler_close)
const struct weir_worker *weir_handler_worker(const struct weir_handler *handler);
const char *weir_handler_name(const struct weir_handler *handler); /* of the worker */
/* Sink of that name in the configuration, NULL = none. Any thread. */
const struct weir_conf_sink *weir_handler_sink(const struct weir_handler *handler,
                                               const char *name);
void *weir_handler_self(const struct weir_handler *handler);
const char *weir_handler_version(const struct weir_handler *handler);
size_t weir_handler_table_count(const struct weir_handler *handler);
struct weir_table *weir_handler_table(const struct weir_handler *handler, size_t index);

#endif
