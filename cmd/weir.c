/* SPDX-License-Identifier: MIT */
/*
 * weir - one program, one table of subcommands
 *
 * The table is the help, the dispatcher and the list of near names for a mistyped one.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
        { "position", cmd_position,
          "show where partitions stand; set positions, import or export them" },
        { "dlq", cmd_dlq, "dead letters: list, show, stats, requeue, drop" },
        { "replay", cmd_replay,
          "read a range of the topics once more: preview, start, list, show, stop, resume" },
        { "claims", cmd_claims, "show which events weir still knows; begin or drop a generation" },
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
        fputs("\n'weir COMMAND --help' or 'weir help COMMAND' explains a command with an example.\n"
              "Start here: weir dev          a broker, a database and a configuration to try things with\n\n"
              "The configuration is the file of -c, else of $WEIR_CONFIG, else ./weir.cfg.\n"
              "Exit status: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.\n",
              out);
}

static int unknown(const char *word)
{
        const char *near = *word == '-' ? NULL
                                        : cmd_nearest(word, &commands[0].name,
                                                      WEIR_COUNT_OF(commands), sizeof commands[0]);

        fprintf(stderr, "weir: no %s '%s'%s%s%s\n", *word == '-' ? "option" : "command", word,
                near ? "; did you mean 'weir " : "", near ? near : "", near ? "'?" : "");
        if (!near) {
                fputc('\n', stderr);
                help(stderr);
        }
        return CMD_USAGE;
}

static int dispatch(int argc, char **argv)
{
        static char version[] = "version", wants_help[] = "--help";
        char *asked[] = { NULL, wants_help, NULL };

        if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
                argv[0] = version;
        if (!strcmp(argv[0], "help") && argc > 1) { /* weir help COMMAND */
                asked[0] = argv[1];
                argc = 2;
                argv = asked;
        }
        if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help")) {
                help(stdout);
                return CMD_DONE;
        }
        for (size_t i = 0; i < WEIR_COUNT_OF(commands); i++)
                if (!strcmp(argv[0], commands[i].name))
                        return commands[i].run(argc, argv);
        return unknown(argv[0]);
}

/* A standard stream that the caller closed would be the number of the next socket, and what is meant for a person
 * would go to a broker. Opened the wrong way round, so that using it fails as it would have. */
static void hold_standard_streams(void)
{
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
                        _exit(CMD_FAILED);
}

int main(int argc, char **argv)
{
        int code, flushed;

        hold_standard_streams();
        signal(SIGPIPE, SIG_IGN); /* a reader that went away is a failed write, not a death */
        if (argc < 2) {
                help(stderr);
                return CMD_USAGE;
        }
        code = dispatch(argc - 1, argv + 1);
        flushed = cmd_flush(argv[1]);
        return code != CMD_DONE ? code : flushed;
}
