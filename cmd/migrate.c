/* SPDX-License-Identifier: MIT */
/*
 * migrate - bring the tables of weir and of the configured plugins to where this program is
 *
 * `run` only looks at the schema and refuses; changing it is an act of its own, by a person or a
 * deployment, with a role that may. `down` destroys data, so it does nothing without --yes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "plugin/loader.h"
#include "store/schema.h"

static const char name[] = "migrate";

static const char help[] =
        "usage: weir migrate up|down|status [-c FILE] [--dry-run] [--steps N] [--yes] [--json]\n\n"
        "Creates and updates the tables of weir (schema weir) and of the configured plugins.\n\n"
        "  up       apply what is pending, each file in its own transaction\n"
        "  down     take back the newest migrations; what their tables hold is lost\n"
        "  status   list every migration; exit 1 when something is not applied or not as it was\n\n"
        "  -c, --config FILE   configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -n, --dry-run       print the SQL instead of running it\n"
        "  -s, --steps N       down: how many to take back (default 1)\n"
        "  -y, --yes           down: really\n"
        "  -j, --json          status: as a JSON array\n"
        "  -h, --help          this text\n\n"
        "Two of them at a time are safe: the second waits, then finds nothing to do.\n\n"
        "examples:\n"
        "  weir migrate up --dry-run -c weir.cfg     # read first\n"
        "  weir migrate up -c weir.cfg && weir migrate status\n";

struct order {
        const char *what, *config;
        int steps;
        bool dry_run, yes, json;
};

struct sets {
        struct weir_migrations *list;
        size_t count;
};

static void sets_fini(struct sets *sets)
{
        for (size_t i = 0; i < sets->count; i++)
                weir_migrations_fini(&sets->list[i]);
        free(sets->list);
}

static bool has_set(const struct sets *sets, const char *set)
{
        for (size_t i = 0; i < sets->count; i++)
                if (strcmp(sets->list[i].set, set) == 0)
                        return true;
        return false;
}

/* One plugin may serve several workers; its tables are made once. */
static int add_plugin(struct sets *sets, const struct weir_conf *conf,
                      const struct weir_conf_worker *worker, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plugin_unloadp) struct weir_plugin *plugin = NULL;
        const char *directory, *set;
        int r;

        r = weir_plugin_load(worker->plugin, conf->plugin_path, conf->plugin_path_count, &plugin,
                             reterr);
        if (r < 0) {
                weir_error_prefix(reterr, "worker %s: ", worker->name);
                return r;
        }
        directory = weir_plugin_migrations(plugin);
        set = weir_plugin_worker(plugin)->name;
        if (!directory || has_set(sets, set))
                return 0;
        r = weir_migrations_read(set, directory, &sets->list[sets->count], reterr);
        if (r == 0)
                sets->count++;
        return r;
}

static int read_sets(const struct weir_conf *conf, struct sets *sets, struct weir_error *reterr)
{
        const char *own = cmd_migrations_path();
        int r;

        if (!own)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "weir's own migrations were not found beside the program; "
                                 "set WEIR_MIGRATIONS to their directory");
        sets->list = calloc(conf->worker_count + 1, sizeof *sets->list);
        if (!sets->list)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "migrations");
        r = weir_migrations_read("weir", own, &sets->list[0], reterr);
        if (r == 0)
                sets->count = 1;
        for (size_t i = 0; r == 0 && i < conf->worker_count; i++)
                r = add_plugin(sets, conf, &conf->workers[i], reterr);
        return r;
}

/* ---- status ------------------------------------------------------------------------------------ */

struct listing {
        bool json;
        size_t count, amiss;
};

static void print_migration(void *context, const char *set, int32_t version, const char *what,
                            int state, const char *at)
{
        static const char *const states[] = {
                [WEIR_MIGRATION_PENDING] = "pending",
                [WEIR_MIGRATION_APPLIED] = "applied",
                [WEIR_MIGRATION_CHANGED] = "changed",
                [WEIR_MIGRATION_UNKNOWN] = "unknown",
        };
        struct listing *listing = context;

        listing->amiss += state != WEIR_MIGRATION_APPLIED;
        if (!listing->json) {
                if (listing->count++ == 0)
                        printf("%-16s %-32s %-8s %s\n", "SET", "MIGRATION", "STATE", "APPLIED");
                printf("%-16s %04d_%-27s %-8s %s\n", set, version, what, states[state],
                       at ? at : "-");
                return;
        }
        printf("%s{\"set\":", listing->count++ ? ",\n " : "[");
        cmd_print_json(set);
        printf(",\"version\":%d,\"name\":", version);
        cmd_print_json(what);
        printf(",\"state\":\"%s\",\"at\":", states[state]);
        cmd_print_json(at);
        putchar('}');
}

static int status(struct weir_pg *pg, const struct sets *sets, bool json, struct weir_error *reterr)
{
        struct listing listing = { .json = json };
        int r = weir_schema_status(pg, sets->list, sets->count, print_migration, &listing, reterr);

        if (r < 0)
                return r;
        if (json)
                puts(listing.count ? "]" : "[]");
        return listing.amiss > 0;
}

/* ---- the command ------------------------------------------------------------------------------- */

static int carry_out(const struct order *order, const struct weir_conf *conf)
{
        const struct weir_pg_conf store = { .url = conf->store_url,
                                            .password = conf->store_password,
                                            .application_name = "weir migrate" };
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *pg = NULL;
        WEIR_CLEANUP(sets_fini) struct sets sets = { NULL, 0 };
        struct weir_error error;
        int r = read_sets(conf, &sets, &error);

        if (r == 0)
                r = weir_pg_open(&store, NULL, &pg, &error);
        if (r == 0 && strcmp(order->what, "up") == 0)
                r = weir_schema_up(pg, sets.list, sets.count, order->dry_run, stdout, &error);
        else if (r == 0 && strcmp(order->what, "down") == 0)
                r = weir_schema_down(pg, sets.list, sets.count, order->steps, order->dry_run,
                                     stdout, &error);
        else if (r == 0)
                r = status(pg, &sets, order->json, &error);
        if (r < 0)
                return cmd_fail(name, &error);
        return r == 0 ? CMD_DONE : CMD_FAILED;
}

/* CMD_DONE, or what to exit with; *ret_help: the help was printed. */
static int read_order(int argc, char **argv, struct order *ret, bool *ret_help)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "dry-run", no_argument, NULL, 'n' },
                                                 { "steps", required_argument, NULL, 's' },
                                                 { "yes", no_argument, NULL, 'y' },
                                                 { "json", no_argument, NULL, 'j' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        int64_t steps;
        static const char *const verbs[] = { "up", "down", "status" };
        bool known = false;
        int c;

        while ((c = cmd_option(argc, argv, "c:ns:yjh", options)) != -1)
                switch (c) {
                case 'c': ret->config = optarg; break;
                case 'n': ret->dry_run = true; break;
                case 's':
                        if (!cmd_read_number(optarg, 1, 9999, &steps))
                                return cmd_say(CMD_USAGE, name, "--steps %s: 1 to 9999", optarg);
                        ret->steps = (int)steps;
                        break;
                case 'y': ret->yes = true; break;
                case 'j': ret->json = true; break;
                case 'h':
                        fputs(help, stdout);
                        *ret_help = true;
                        return CMD_DONE;
                default: return cmd_usage(name);
                }
        if (optind + 1 == argc)
                ret->what = argv[optind];
        for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++)
                known = known || (ret->what && strcmp(ret->what, verbs[i]) == 0);
        if (!known)
                return cmd_no_verb(name, optind < argc ? argv[optind] : NULL, verbs,
                                   WEIR_COUNT_OF(verbs), "what to do: up, down or status");
        if (strcmp(ret->what, "down") == 0 && !ret->yes && !ret->dry_run)
                return cmd_say(CMD_USAGE, name,
                               "down drops tables and what they hold: add --yes, "
                               "or --dry-run to see the SQL");
        return CMD_DONE;
}

int cmd_migrate(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        struct order order = { .steps = 1 };
        bool helped = false;
        int r = read_order(argc, argv, &order, &helped);

        if (r != CMD_DONE || helped)
                return r;
        r = cmd_load(name, order.config, &conf);
        if (r != CMD_DONE)
                return r;
        cmd_log_setup(conf);
        return carry_out(&order, conf);
}
