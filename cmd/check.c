/* SPDX-License-Identifier: MIT */
/*
 * check - say before the start what would go wrong at the start, all of it
 *
 * Every line is one thing looked at, with its verdict; a failed one says what to do. Nothing is changed anywhere.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "kafka/cluster.h"
#include "plugin/loader.h"
#include "store/schema.h"

#define ASK_TIMEOUT_MS 5000

static const char help[] =
        "usage: weir check [-c FILE] [--connect]\n\n"
        "Checks the configuration and the plugins; with --connect also Kafka (reachable, topics there) and\n"
        "PostgreSQL (reachable, version, schema). Prints a line for each thing looked at.\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "      --connect       ask the servers too\n"
        "  -h, --help          this text\n\n"
        "Exit status: 0 all well, 1 something is wrong, 78 the file itself is wrong.\n\n"
        "example:\n"
        "  weir check -c weir.cfg --connect\n";

struct checking {
        struct weir_conf *conf;
        struct weir_plugin **plugins; /* of the workers' index; NULL = not loaded */
        int wrong;
};

static void good(const char *what, const char *detail)
{
        printf("ok     %-28s %s\n", what, detail);
}

static void bad(struct checking *checking, const char *what, const char *detail)
{
        printf("WRONG  %-28s %s\n", what, detail);
        checking->wrong++;
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
                good(what, detail);
        }
}

/* @topic NULL: there is none to look at. */
static void check_topic(struct checking *checking, struct weir_cluster *cluster, const char *topic)
{
        struct weir_error error;
        char what[300], detail[96];
        int partitions = topic ? weir_cluster_partitions(cluster, topic, &error) : 0;

        if (!topic)
                return;
        snprintf(what, sizeof what, "topic %s", topic);
        snprintf(detail, sizeof detail, "%d partition%s", partitions, partitions == 1 ? "" : "s");
        if (partitions > 0)
                good(what, detail);
        else
                bad(checking, what,
                    partitions < 0 ? error.text : "does not exist; create it, weir never does");
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
                for (size_t k = 0; k < conf->workers[i].topic_count; k++)
                        check_topic(checking, cluster, conf->workers[i].topics[k]);
                check_topic(checking, cluster, conf->workers[i].dead_letter_topic);
        }
        for (size_t i = 0; i < conf->sink_count; i++) {
                check_topic(checking, cluster, conf->sinks[i].topic);
                check_topic(checking, cluster, conf->sinks[i].reply_topic);
        }
}

static void check_schema(struct checking *checking, struct weir_pg *pg)
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
                return;
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
                good("schema", "as this program wants it");
        else
                bad(checking, "schema", error.text);
        while (count)
                weir_migrations_fini(&sets[--count]);
        free(sets);
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
                good("postgresql", detail);
        else
                bad(checking, "postgresql", "older than 13");
        check_schema(checking, pg);
}

int cmd_check(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "connect", no_argument, NULL, 'C' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        const char *path = NULL;
        struct checking checking = { 0 };
        struct weir_error error;
        bool connect = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
                switch (c) {
                case 'c': path = optarg; break;
                case 'C': connect = true; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("check");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "check", "unexpected '%s'", argv[optind]);
        r = cmd_load("check", path, &checking.conf);
        if (r != CMD_DONE)
                return r;
        good("configuration", checking.conf->path);
        cmd_log_setup(checking.conf);
        checking.plugins = calloc(checking.conf->worker_count + 1, sizeof *checking.plugins);
        if (!checking.plugins) {
                weir_conf_free(checking.conf);
                return cmd_say(CMD_FAILED, "check", "out of memory");
        }
        if (weir_kafka_check_properties(checking.conf->properties, checking.conf->property_count,
                                        &error) < 0)
                bad(&checking, "kafka properties", error.text);
        else
                good("kafka properties", weir_kafka_version());
        check_plugins(&checking);
        if (connect) {
                check_kafka(&checking);
                check_store(&checking);
        }
        for (size_t i = 0; i < checking.conf->worker_count; i++)
                weir_plugin_unload(checking.plugins[i]);
        free(checking.plugins);
        weir_conf_free(checking.conf);
        return checking.wrong ? CMD_FAILED : CMD_DONE;
}
