/* SPDX-License-Identifier: MIT */
/* version - what a bug report starts with: the versions of everything that decides how weir behaves */
#include <stdio.h>

#include <weir/worker.h>

#include "base/failpoint.h"
#include "base/version.h"
#include "cmd.h"
#include "event/json.h"
#include "kafka/cluster.h"
#include "store/pg.h"

static const char help[] =
        "usage: weir version [--json | --failpoints]\n\n"
        "Prints the versions of weir, its plugin ABI and the libraries in use.\n\n"
        "  -f, --failpoints  the places at which a test can end this build, one a line; 1 where it has none, as what is\n"
        "                    shipped\n"
        "  -j, --json        one JSON object\n\n"
        "example:\n  weir version --json\n";

static int print_failpoints(void)
{
        const char *name;

        for (int i = 0; (name = weir_failpoint_name(i)); i++)
                puts(name);
        return weir_failpoint_name(0)
                       ? CMD_DONE
                       : cmd_say(CMD_FAILED, "version", "this build has no failpoints");
}

int cmd_version(int argc, char **argv)
{
        static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                                 { "failpoints", no_argument, NULL, 'f' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        bool json = false, failpoints = false;
        int pq = weir_pg_library_version();
        int c;

        while ((c = cmd_option(argc, argv, "jfh", options)) != -1)
                switch (c) {
                case 'j': json = true; break;
                case 'f': failpoints = true; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("version");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "version", "unexpected '%s'", argv[optind]);
        if (failpoints)
                return print_failpoints();
        printf(json ? "{\"weir\":\"%s\",\"plugin_abi\":%u,\"librdkafka\":\"%s\",\"libpq\":\"%d.%d\",\"cjson\":\"%s\",\"libconfig\":\"%s\"}\n"
                    : "weir %s (plugin ABI %u)\nlibrdkafka %s\nlibpq %d.%d\ncJSON %s\nlibconfig %s\n",
               WEIR_VERSION, WEIR_WORKER_ABI, weir_kafka_version(), pq / 10000, pq % 10000,
               weir_json_library_version(), weir_conf_library_version());
        return CMD_DONE;
}
