/* SPDX-License-Identifier: MIT */
/*
 * check - say before the start what would go wrong at the start, all of it
 *
 * Every line is one thing looked at, with its verdict; a failed one says what to do. Nothing is changed anywhere:
 * plugins are opened as `weir run` opens them, because only they know their options, with --connect their tables too,
 * and closed again before a single event.
 * Not chosen    stopping at the first thing that is wrong: whoever mends one per start gives up after the third.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd.h"
#include "conf/value.h"
#include "guard/sandbox.h"
#include "kafka/cluster.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "side/keeping.h"
#include "store/rights.h"
#include "store/schema.h"

#define ASK_TIMEOUT_MS 5000

static const char help[] =
        "usage: weir check [-c FILE] [--connect] [--json]\n\n"
        "Checks the configuration, the fence around worker processes, the plugins and their options; with --connect\n"
        "also Kafka (reachable, topics there, group readable), PostgreSQL (reachable, version, schema, rights) and the\n"
        "plugins' tables. Prints a line for each thing looked at: ok, warn or WRONG. Changes nothing.\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "      --connect       ask the servers too\n"
        "  -j, --json          a JSON array: {\"ok\", \"warning\", \"what\", \"detail\"} for each thing\n"
        "  -h, --help          this text\n\n"
        "Exit status: 0 all well, 1 something is wrong, 78 the file itself is wrong.\n\n"
        "example:\n"
        "  weir check -c weir.cfg --connect\n";

struct checking {
        struct weir_conf *conf;
        struct weir_plugin **plugins; /* of the workers' index; NULL = not loaded, or it refused */
        bool *wants_tables;           /* likewise: not opened yet */
        size_t count;
        int code;
        bool json;
};

static void tell(struct checking *checking, const char *verdict, const char *what,
                 const char *detail)
{
        if (!checking->json) {
                printf("%-6s %-28s %s\n", verdict, what, detail);
        } else {
                printf("%s{\"ok\":%s,\"warning\":%s,\"what\":", checking->count ? ",\n " : "[",
                       strcmp(verdict, "WRONG") ? "true" : "false",
                       strcmp(verdict, "warn") ? "false" : "true");
                cmd_print_json(what);
                fputs(",\"detail\":", stdout);
                cmd_print_json(detail);
                putchar('}');
        }
        checking->count++;
}

static void good(struct checking *checking, const char *what, const char *detail)
{
        tell(checking, "ok", what, detail);
}

static void bad(struct checking *checking, const char *what, const char *detail)
{
        tell(checking, "WRONG", what, detail);
        if (checking->code == CMD_DONE)
                checking->code = CMD_FAILED;
}

static void bad_plugin(struct checking *checking, const char *what, const struct weir_error *error)
{
        bad(checking, what, error->text);
        if (error->code == WEIR_ECONF)
                checking->code = CMD_CONFIG;
}

static void warn_loops(struct checking *checking, const struct weir_handler *handler)
{
        const struct weir_conf_sink *sink;
        char what[300], detail[400];
        const char *topic;

        for (size_t i = 0; (sink = weir_handler_loop(handler, i, &topic)); i++) {
                snprintf(what, sizeof what, "sink %s", sink->name);
                snprintf(detail, sizeof detail, "a loop: worker %s reads topic %s, where %s go",
                         weir_handler_name(handler), topic,
                         sink->topic ? "its events" : "the answers");
                tell(checking, "warn", what, detail);
        }
}

/* Options are known to the plugin only: open it, as far as it goes without its tables. */
static void check_options(struct checking *checking, size_t index)
{
        WEIR_CLEANUP(weir_handler_closep) struct weir_handler *handler = NULL;
        const struct weir_conf_worker *worker = &checking->conf->workers[index];
        struct weir_error error;
        char what[96];
        int r = weir_handler_try(checking->plugins[index], worker, &handler, &error);

        snprintf(what, sizeof what, "worker %s, options", worker->name);
        checking->wants_tables[index] = r > 0;
        if (r < 0)
                bad_plugin(checking, what, &error);
        else
                good(checking, what,
                     r ? "as far as the plugin reads them before its tables (--connect)"
                       : "as the plugin wants them");
        if (handler)
                warn_loops(checking, handler);
}

static void check_plugins(struct checking *checking)
{
        struct weir_conf *conf = checking->conf;
        struct weir_error error;
        char what[96], detail[256];

        for (size_t i = 0; i < conf->worker_count; i++) {
                const struct weir_conf_worker *worker = &conf->workers[i];

                snprintf(what, sizeof what, "worker %s", worker->name);
                if (weir_plugin_load(worker->plugin, conf->plugin_path, conf->plugin_path_count,
                                     &checking->plugins[i], &error) < 0) {
                        bad(checking, what, error.text);
                        continue;
                }
                snprintf(detail, sizeof detail, "plugin %s %s, %s",
                         weir_plugin_worker(checking->plugins[i])->name,
                         weir_plugin_worker(checking->plugins[i])->version,
                         weir_plugin_path(checking->plugins[i]));
                good(checking, what, detail);
                check_options(checking, i);
        }
}

/* A child process puts up the fence that a worker process gets. */
static void check_sandbox(struct checking *checking)
{
        struct weir_sandbox_report report;
        struct weir_error error;
        char what[96], detail[300];

        if (weir_sandbox_try(checking->conf, &report, &error) == WEIR_ESYS) {
                bad(checking, "sandbox", error.text);
                return;
        }
        for (int i = 0; i < WEIR_SANDBOX_PARTS; i++) {
                const struct weir_guard_part *part = &report.parts[i];

                snprintf(what, sizeof what, "sandbox %s", weir_sandbox_part_name(i));
                snprintf(detail, sizeof detail, "%s: %s", weir_guard_state_name(part->state),
                         part->text);
                (part->state == WEIR_GUARD_FAILED ? bad : good)(checking, what, detail);
        }
}

/* False: the cluster does not answer; asking on would only wait longer. @topic NULL: there is none to look at. */
static bool check_topic(struct checking *checking, struct weir_cluster *cluster, const char *topic)
{
        struct weir_error error;
        int partitions = topic ? weir_cluster_partitions(cluster, topic, &error) : 0;
        char what[300], detail[96];

        if (!topic)
                return true;
        snprintf(what, sizeof what, "topic %s", topic);
        snprintf(detail, sizeof detail, "%d partition%s", partitions, partitions == 1 ? "" : "s");
        if (partitions > 0)
                good(checking, what, detail);
        else
                bad(checking, what,
                    partitions < 0 ? error.text : "does not exist; create it, weir never does");
        return partitions >= 0;
}

/* Asking for an offset needs the right that joining needs: READ on the group. */
static void check_group(struct checking *checking, struct weir_cluster *cluster,
                        const struct weir_conf_worker *worker)
{
        struct weir_error error;
        char what[300];
        int64_t offset;

        snprintf(what, sizeof what, "group %s", worker->group);
        if (weir_cluster_committed(cluster, worker->group, worker->topics[0], 0, &offset, &error) <
            0)
                bad(checking, what, error.text);
        else
                good(checking, what, "may be read");
}

static void check_kafka(struct checking *checking)
{
        struct weir_cluster_conf cluster_conf = { .brokers = checking->conf->kafka_brokers,
                                                  .properties = checking->conf->properties,
                                                  .property_count = checking->conf->property_count,
                                                  .timeout_ms = ASK_TIMEOUT_MS };
        WEIR_CLEANUP(weir_cluster_closep) struct weir_cluster *cluster = NULL;
        const struct weir_conf *conf = checking->conf;
        struct weir_error error;

        if (weir_cluster_open(&cluster_conf, &cluster, &error) < 0) {
                bad(checking, "kafka", error.text);
                return;
        }
        for (size_t i = 0; i < conf->worker_count; i++) {
                const struct weir_conf_worker *worker = &conf->workers[i];

                for (size_t k = 0; k < worker->topic_count; k++)
                        if (!check_topic(checking, cluster, worker->topics[k]))
                                return;
                if (!check_topic(checking, cluster, worker->dead_letter_topic))
                        return;
                check_group(checking, cluster, worker);
        }
        for (size_t i = 0; i < conf->sink_count; i++)
                if (!check_topic(checking, cluster, conf->sinks[i].topic) ||
                    !check_topic(checking, cluster, conf->sinks[i].reply_topic))
                        return;
}

static void check_rights(struct checking *checking, struct weir_pg *pg)
{
        WEIR_CLEANUP(weir_pg_rows_freep) struct weir_pg_rows *rows = NULL;
        struct weir_error error;
        char detail[400];

        if (weir_rights_missing(pg, &rows, &error) < 0) {
                bad(checking, "rights", error.text);
                return;
        }
        if (weir_pg_rows_count(rows) == 0)
                good(checking, "rights", "on the tables of weir");
        for (size_t i = 0; i < weir_pg_rows_count(rows); i++) {
                snprintf(detail, sizeof detail, "missing: %.380s",
                         weir_pg_rows_text(rows, i, 0).ptr);
                bad(checking, "rights", detail);
        }
}

/* What weir does without: a warning. */
static void check_claims(struct checking *checking, struct weir_pg *pg)
{
        const struct weir_conf *conf = checking->conf;
        struct weir_keeping keeping;
        struct weir_error error;
        char detail[400], grant[400], keeps[32], retention[32];
        int r = weir_keeping_may(pg, grant, &error);

        if (conf->claims_retention_ms == 0) {
                good(checking, "claims", "kept for ever");
                return;
        }
        if (r > 0)
                tell(checking, "warn", "claims, rights", grant);
        if (r >= 0)
                r = weir_keeping_ask(conf, pg, NULL, ASK_TIMEOUT_MS, &keeping, &error);
        if (r < 0) {
                tell(checking, "warn", "claims", error.text);
                return;
        }
        weir_duration_write(retention, conf->claims_retention_ms * 1000);
        weir_duration_write(keeps, keeping.log_ms < 0 ? 0 : keeping.log_ms * 1000);
        if (keeping.silent_count)
                tell(checking, "warn", "claims, topics", keeping.silent);
        if (weir_keeping_ms(&keeping) == conf->claims_retention_ms) {
                snprintf(detail, sizeof detail, "kept for %s after their generation", retention);
                good(checking, "claims", detail);
        } else {
                snprintf(detail, sizeof detail,
                         "topic %.200s keeps records %s%s: claims are kept so long, not %s",
                         keeping.topic, keeping.log_ms < 0 ? "for ever" : "for ",
                         keeping.log_ms < 0 ? "" : keeps, retention);
                tell(checking, "warn", "claims", detail);
        }
}

/* True: the plugins may be opened. */
static bool check_schema(struct checking *checking, struct weir_pg *pg)
{
        size_t count = 0;
        struct weir_migrations *sets = calloc(checking->conf->worker_count + 1, sizeof *sets);
        const char *path = cmd_migrations_path();
        struct weir_error error;
        int r;

        if (!sets || !path) {
                bad(checking, "schema",
                    path ? "out of memory"
                         : "weir's migrations are not installed; set WEIR_MIGRATIONS");
                free(sets);
                return false;
        }
        r = weir_migrations_read("weir", path, &sets[count], &error);
        count += r == 0;
        for (size_t i = 0; r == 0 && i < checking->conf->worker_count; i++) {
                const char *own = checking->plugins[i]
                                          ? weir_plugin_migrations(checking->plugins[i])
                                          : NULL;

                if (!own)
                        continue;
                r = weir_migrations_read(weir_plugin_worker(checking->plugins[i])->name, own,
                                         &sets[count], &error);
                count += r == 0;
        }
        if (r == 0)
                r = weir_schema_check(pg, sets, count, &error);
        if (r == 0)
                good(checking, "schema", "as this program wants it");
        else
                bad(checking, "schema", error.text);
        while (count)
                weir_migrations_fini(&sets[--count]);
        free(sets);
        return r == 0;
}

/* Tables are known to the plugin only: open it as `weir run` does. */
static void check_handlers(struct checking *checking, const struct weir_pg_conf *store)
{
        WEIR_CLEANUP(weir_pool_freep) struct weir_pool *pool = NULL;
        struct weir_error error;
        char what[96];

        if (weir_pool_new(store, 1, &pool, &error) < 0) {
                bad(checking, "plugins", error.text);
                return;
        }
        for (size_t i = 0; i < checking->conf->worker_count; i++) {
                WEIR_CLEANUP(weir_handler_closep) struct weir_handler *handler = NULL;
                const struct weir_conf_worker *worker = &checking->conf->workers[i];

                if (!checking->plugins[i] || !checking->wants_tables[i])
                        continue;
                snprintf(what, sizeof what, "worker %s, opened", worker->name);
                if (weir_handler_open(checking->plugins[i], worker, pool, &handler, &error) == 0) {
                        good(checking, what, "options and tables as the plugin wants them");
                        warn_loops(checking, handler);
                        continue;
                }
                bad_plugin(checking, what, &error);
        }
}

static void check_store(struct checking *checking)
{
        struct weir_pg_conf store = { .url = checking->conf->store_url,
                                      .password = checking->conf->store_password,
                                      .application_name = "weir check",
                                      .connect_timeout_ms = ASK_TIMEOUT_MS };
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        struct weir_error error;
        char detail[64];
        int version;

        if (weir_pg_open(&store, NULL, &pg, &error) < 0) {
                bad(checking, "postgresql", error.text);
                return;
        }
        version = weir_pg_server_version(pg);
        snprintf(detail, sizeof detail, "version %d.%d", version / 10000, version % 10000);
        if (version >= 130000)
                good(checking, "postgresql", detail);
        else
                bad(checking, "postgresql", "older than 13");
        if (!check_schema(checking, pg))
                return;
        check_rights(checking, pg);
        check_claims(checking, pg);
        check_handlers(checking, &store);
}

static int check(struct checking *checking, bool connect)
{
        struct weir_conf *conf = checking->conf;
        char detail[64];

        checking->plugins = calloc(conf->worker_count + 1, sizeof *checking->plugins);
        checking->wants_tables = calloc(conf->worker_count + 1, sizeof *checking->wants_tables);
        if (!checking->plugins || !checking->wants_tables)
                return cmd_say(CMD_FAILED, "check", "out of memory");
        good(checking, "configuration", conf->path);
        snprintf(detail, sizeof detail, "librdkafka %s takes them", weir_kafka_version());
        good(checking, "kafka properties", detail); /* else loading had named each at its line */
        check_sandbox(checking);
        check_plugins(checking);
        if (connect) {
                check_kafka(checking);
                check_store(checking);
        }
        if (checking->json)
                puts("]");
        for (size_t i = 0; i < conf->worker_count; i++)
                weir_plugin_unload(checking->plugins[i]);
        free(checking->plugins);
        free(checking->wants_tables);
        return checking->code;
}

int cmd_check(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "connect", no_argument, NULL, 'C' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        const char *path = NULL;
        struct checking checking = { .code = CMD_DONE };
        bool connect = false;
        int c, r;

        while ((c = cmd_option(argc, argv, "c:jh", options)) != -1)
                switch (c) {
                case 'c': path = optarg; break;
                case 'C': connect = true; break;
                case 'j': checking.json = true; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("check");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "check", "unexpected '%s'", argv[optind]);
        r = cmd_load("check", path, &checking.conf);
        if (r != CMD_DONE)
                return r;
        /* a verdict says what a log line would, and once */
        weir_log_setup(strcmp(checking.conf->log_level, "debug") ? WEIR_LOG_ERROR : WEIR_LOG_DEBUG,
                       WEIR_LOG_TEXT);
        r = check(&checking, connect);
        weir_conf_free(checking.conf);
        return r;
}
