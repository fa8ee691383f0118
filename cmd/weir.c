/* SPDX-License-Identifier: MIT */
/*
 * weir - one program, one table of subcommands
 *
 * The table is the help, the dispatcher and the list of near names for a mistyped one.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static const struct {
        const char *name;
        cmd_fn *run;
        const char *line;
} commands[] = {
        { "run", cmd_run, "run the configured workers in the foreground" },
        { "check", cmd_check,
          "check the configuration; with --connect also Kafka, PostgreSQL and plugins" },
        { "migrate", cmd_migrate, "create or update the tables of weir and of the plugins" },
        { "position", cmd_position, "show where every partition stands, or set a position" },
        { "relay", cmd_relay, "show what waits in the outbox, or open a destination again" },
        { "emit", cmd_emit, "make CloudEvents and send them to a topic" },
        { "tail", cmd_tail, "print the events of a topic; joins no group" },
        { "decode", cmd_decode, "decode records given as JSON lines" },
        { "dev", cmd_dev, "start a development broker and a throwaway PostgreSQL" },
        { "config", cmd_config, "explain the keys of the configuration" },
        { "version", cmd_version, "print versions of weir and its libraries" },
};

static void help(FILE *out)
{
        fputs("weir - runs one function per CloudEvent, exactly once, inside a PostgreSQL transaction\n\n"
              "usage: weir COMMAND [options]\n\n",
              out);
        for (size_t i = 0; i < WEIR_COUNT_OF(commands); i++)
                fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].line);
        fputs("\n'weir COMMAND --help' explains a command with an example.\n"
              "Start here: weir dev          a broker, a database and a configuration to try things with\n\n"
              "The configuration is the file of -c, else of $WEIR_CONFIG, else ./weir.cfg.\n"
              "Exit status: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.\n",
              out);
}

int main(int argc, char **argv)
{
        signal(SIGPIPE, SIG_IGN); /* a reader that went away is a failed write, not a death */
        if (argc < 2) {
                help(stderr);
                return CMD_USAGE;
        }
        if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
                help(stdout);
                return CMD_DONE;
        }
        if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
                return cmd_version(argc - 1, argv + 1);
        for (size_t i = 0; i < WEIR_COUNT_OF(commands); i++)
                if (!strcmp(argv[1], commands[i].name))
                        return commands[i].run(argc - 1, argv + 1);
        fprintf(stderr, "weir: no command '%s'\n\n", argv[1]);
        help(stderr);
        return CMD_USAGE;
}
