/* SPDX-License-Identifier: MIT */
/*
 * host - what a plugin sees of weir while it opens, and what weir keeps of it afterwards
 *
 * Always true   H1  tables are opened in open() and never later: lanes size their buffers by the
 *                   count, without a lock.
 *               H2  an option that nobody asked for or declared stops the start: a typing error in
 *                   a configuration must not pass for a default.
 *               H3  close() is called once for every open() that returned 0, and for no other.
 *               H4  a plugin that asks for no table is opened without a database, once. One that does
 *                   fails there, and is opened anew: its options were read and refused before anybody
 *                   waited for a server.
 * A plugin's words are foreign: a return code that is none of ours becomes WEIR_EHANDLER, an empty
 * text a sentence, so that whoever reads the error knows whom to ask.
 */
#include "plugin/host.h"

#include <stdio.h>
#include <string.h>

#include "base/board.h"
#include "base/log.h"
#include "base/version.h"
#include "conf/option.h"

enum { TABLES_MAX = 64 };

struct weir_handler {
        struct weir_host host; /* what the plugin got; host.context = this */
        const struct weir_worker *worker;
        const struct weir_conf_worker *conf;
        struct weir_pool *pool;
        struct weir_table *tables[TABLES_MAX];
        size_t table_count;
        void *self;
        bool *sinks;       /* of the configuration's sinks: the plugin has asked after it */
        bool wants_tables; /* and there was no database */
        bool opening;      /* H1 */
        bool opened;       /* H3 */
};

static struct weir_handler *handler_of(const struct weir_host *host)
{
        return host->context;
}

/* ---- struct weir_host ----------------------------------------------------------------------- */

/* A server that does not answer is not the plugin's hanging. */
static int ask_for_table(struct weir_handler *handler, const char *name, const char *const *columns,
                         struct weir_table **ret, struct weir_error *reterr)
{
        struct weir_pg *pg = NULL;
        int r;

        weir_board_plugin(WEIR_BOARD_OUTSIDE);
        r = weir_pool_acquire(handler->pool, NULL, &pg, reterr);
        if (r == 0) {
                r = weir_table_open(pg, name, columns, ret, reterr);
                weir_pool_release(handler->pool, pg);
        }
        weir_board_plugin(WEIR_BOARD_OPENS);
        return r;
}

static int host_table(const struct weir_host *host, const char *name, const char *const *columns,
                      struct weir_table **ret_table, struct weir_error *reterr)
{
        struct weir_handler *handler = handler_of(host);
        struct weir_table *table = NULL;
        int r;

        if (!handler->opening)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "table %s: tables are opened in open() only", name);
        if (handler->table_count == TABLES_MAX)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "table %s: a plugin may open %d tables",
                                 name, TABLES_MAX);
        handler->wants_tables = !handler->pool;
        if (!handler->pool)
                return weir_fail(reterr, WEIR_EDB, 0, "table %s: opened without a database", name);
        r = ask_for_table(handler, name, columns, &table, reterr);
        if (r < 0)
                return r;
        handler->tables[handler->table_count++] = table;
        *ret_table = table;
        return 0;
}

static int host_option_text(const struct weir_host *host, const char *path, const char **ret,
                            struct weir_error *reterr)
{
        return weir_option_text(handler_of(host)->conf->options, path, ret, reterr);
}

static int host_option_int(const struct weir_host *host, const char *path, int64_t *ret,
                           struct weir_error *reterr)
{
        return weir_option_int(handler_of(host)->conf->options, path, ret, reterr);
}

static int host_option_bool(const struct weir_host *host, const char *path, bool *ret,
                            struct weir_error *reterr)
{
        return weir_option_bool(handler_of(host)->conf->options, path, ret, reterr);
}

static int host_option_count(const struct weir_host *host, const char *path, size_t *ret,
                             struct weir_error *reterr)
{
        const struct weir_option *option = weir_option_at(handler_of(host)->conf->options, path);

        if (!option)
                return 0;
        if (option->type != WEIR_OPTION_GROUP && option->type != WEIR_OPTION_LIST)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "%s: options.%s: expected a list or a group", option->where, path);
        *ret = option->count;
        return 1;
}

static void host_option_known(const struct weir_host *host, const char *path)
{
        weir_option_at(handler_of(host)->conf->options, path);
}

static const char *host_option_where(const struct weir_host *host, const char *path)
{
        const struct weir_conf_worker *conf = handler_of(host)->conf;
        const struct weir_option *option = weir_option_at(conf->options, path);
        const char *where = option && option->where ? option->where : conf->where;

        return where ? where : "configuration";
}

static bool is_read(const struct weir_conf_worker *worker, const char *topic)
{
        for (size_t i = 0; topic && i < worker->topic_count; i++)
                if (strcmp(worker->topics[i], topic) == 0)
                        return true;
        return false;
}

static const struct weir_conf_sink *find_sink(const struct weir_handler *handler, const char *name)
{
        const struct weir_conf *conf = handler->conf->conf;

        return name && conf ? weir_conf_sink_find(conf, name) : NULL;
}

static bool host_sink_known(const struct weir_host *host, const char *name)
{
        struct weir_handler *handler = handler_of(host);
        const struct weir_conf_sink *sink = find_sink(handler, name);

        if (sink && handler->opening)
                handler->sinks[sink - handler->conf->conf->sinks] = true;
        return sink;
}

static bool host_sink_returns(const struct weir_host *host, const char *name)
{
        const struct weir_conf_sink *sink = find_sink(handler_of(host), name);

        return sink && is_read(handler_of(host)->conf, sink->topic);
}

static bool host_option_unknown(const struct weir_host *host, size_t index, char *text, size_t size)
{
        return weir_option_unknown_at(handler_of(host)->conf->options, index, text, size);
}

static void host_log(const struct weir_host *host, int level, const char *event, const char *text)
{
        if (level < WEIR_LOG_ERROR)
                level = WEIR_LOG_ERROR;
        if (level > WEIR_LOG_DEBUG)
                level = WEIR_LOG_DEBUG;
        weir_log(level, event ? event : "plugin.says", LOG_S("worker", host->worker),
                 LOG_S("plugin", handler_of(host)->worker->name), LOG_S("text", text));
}

/* ---- life ----------------------------------------------------------------------------------- */

/* What the plugin said, in our terms. Returns the code, < 0. */
static int open_failed(const struct weir_handler *handler, int r, struct weir_error *said,
                       struct weir_error *reterr)
{
        const struct weir_worker *worker = handler->worker;
        int code = said->code < 0 ? said->code : r;

        if (strcmp(weir_error_name(code), "WEIR_E?") == 0)
                code = WEIR_EHANDLER;
        said->text[sizeof said->text - 1] = '\0';
        if (said->text[0] == '\0')
                return weir_fail(reterr, code, said->sys,
                                 "plugin %s %s: open() returned %d and gave no reason",
                                 worker->name, worker->version, r);
        weir_fail(reterr, code, said->sys, "plugin %s %s: %s", worker->name, worker->version,
                  said->text);
        if (reterr)
                memcpy(reterr->sqlstate, said->sqlstate, sizeof reterr->sqlstate - 1);
        return code;
}

static int open_it(struct weir_handler *handler, struct weir_error *reterr)
{
        const struct weir_worker *worker = handler->worker;
        struct weir_error said = { .code = 0 };
        int r = 0;

        handler->opening = true;
        weir_board_plugin(WEIR_BOARD_OPENS);
        if (worker->open)
                r = worker->open(&handler->host, &handler->self, &said);
        weir_board_plugin(WEIR_BOARD_OUTSIDE);
        handler->opening = false;
        if (r != 0)
                return open_failed(handler, r, &said, reterr);
        handler->opened = true;
        return weir_option_unknown(handler->conf->options, reterr); /* H2 */
}

/* *ret_wants_tables: there is no @pool, and the plugin would have needed it. */
static int open_with(struct weir_plugin *plugin, const struct weir_conf_worker *worker,
                     struct weir_pool *pool, bool *ret_wants_tables, struct weir_handler **ret,
                     struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_handler_closep) struct weir_handler *handler = calloc(1, sizeof *handler);
        size_t sink_count = worker->conf ? worker->conf->sink_count : 0;
        int r;

        if (handler)
                handler->sinks = calloc(sink_count + 1, sizeof *handler->sinks);
        if (!handler || !handler->sinks)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "worker %s", worker->name);
        handler->worker = weir_plugin_worker(plugin);
        handler->conf = worker;
        handler->pool = pool;
        handler->host = (struct weir_host){
                .size = sizeof handler->host,
                .worker = worker->name,
                .runtime = WEIR_VERSION,
                .context = handler,
                .table = host_table,
                .option_text = host_option_text,
                .option_int = host_option_int,
                .option_bool = host_option_bool,
                .option_count = host_option_count,
                .option_known = host_option_known,
                .option_where = host_option_where,
                .log = host_log,
                .sink_known = host_sink_known,
                .sink_returns = host_sink_returns,
                .option_unknown = host_option_unknown,
        };
        r = open_it(handler, reterr);
        *ret_wants_tables = handler->wants_tables;
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(handler);
        return 0;
}

int weir_handler_open(struct weir_plugin *plugin, const struct weir_conf_worker *worker,
                      struct weir_pool *pool, struct weir_handler **ret, struct weir_error *reterr)
{
        bool ignored;

        return open_with(plugin, worker, pool, &ignored, ret, reterr);
}

int weir_handler_try(struct weir_plugin *plugin, const struct weir_conf_worker *worker,
                     struct weir_handler **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_handler_closep) struct weir_handler *handler = NULL;
        struct weir_error error = { .code = 0 };
        bool wants_tables = false;
        int r = open_with(plugin, worker, NULL, &wants_tables, &handler, &error);

        if (wants_tables)
                return 1; /* whatever it made of that */
        if (r < 0) {
                if (reterr)
                        *reterr = error;
                return r;
        }
        *ret = WEIR_TAKE(handler);
        return 0;
}

const struct weir_conf_sink *weir_handler_loop(const struct weir_handler *handler, size_t index,
                                               const char **ret_topic)
{
        const struct weir_conf *conf = handler->conf->conf;

        for (size_t i = 0; conf && i < conf->sink_count; i++) {
                const struct weir_conf_sink *sink = &conf->sinks[i];

                *ret_topic = is_read(handler->conf, sink->topic) ? sink->topic : sink->reply_topic;
                if (handler->sinks[i] && is_read(handler->conf, *ret_topic) && index-- == 0)
                        return sink;
        }
        return NULL;
}

void weir_handler_close(struct weir_handler *handler)
{
        if (!handler)
                return;
        weir_board_plugin(WEIR_BOARD_CLOSES);
        if (handler->opened && handler->worker->close)
                handler->worker->close(handler->self); /* H3; before its tables go */
        weir_board_plugin(WEIR_BOARD_OUTSIDE);
        for (size_t i = 0; i < handler->table_count; i++)
                weir_table_free(handler->tables[i]);
        free(handler->sinks);
        free(handler);
}

const struct weir_worker *weir_handler_worker(const struct weir_handler *handler)
{
        return handler->worker;
}

const char *weir_handler_name(const struct weir_handler *handler)
{
        return handler->conf->name;
}

const struct weir_conf_sink *weir_handler_sink(const struct weir_handler *handler, const char *name)
{
        return find_sink(handler, name);
}

void *weir_handler_self(const struct weir_handler *handler)
{
        return handler->self;
}

const char *weir_handler_version(const struct weir_handler *handler)
{
        return handler->worker->version;
}

size_t weir_handler_table_count(const struct weir_handler *handler)
{
        return handler->table_count;
}

struct weir_table *weir_handler_table(const struct weir_handler *handler, size_t index)
{
        return index < handler->table_count ? handler->tables[index] : NULL;
}
