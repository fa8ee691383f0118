/* SPDX-License-Identifier: MIT */
/*
 * config - what may stand in the file, and what does
 *
 * The first three answer from the table of keys and need no file, so that they help on the day when
 * there is none yet; `show` needs a valid one.
 */
#include <string.h>

#include "cmd.h"

static const char help[] =
        "usage: weir config reference\n"
        "       weir config explain KEY...\n"
        "       weir config markdown\n"
        "       weir config show [-c FILE]\n"
        "\n"
        "  reference   a configuration file with every key, its meaning and its default\n"
        "  explain     what one key means, which values it takes\n"
        "  markdown    the same as a document (docs/CONFIGURATION.md)\n"
        "  show        the values of FILE as they take effect; secrets are not shown\n"
        "\n"
        "  -c FILE     configuration file (else WEIR_CONFIG, else weir.cfg)\n"
        "\n"
        "example: weir config reference > weir.cfg\n"
        "         weir config explain workers.batch.linger\n"
        "\n"
        "exit: 0 done, 1 failed, 2 wrong usage or no such key, 78 bad configuration\n";

static int explain(int count, char **keys)
{
        int code = CMD_DONE;

        for (int i = 0; i < count; i++) {
                int r;

                if (i > 0)
                        fputc('\n', stdout);
                fflush(stdout);
                r = weir_conf_explain(stdout, keys[i]);
                if (r == WEIR_EUSAGE)
                        code = CMD_USAGE;
                else if (r < 0)
                        return cmd_say(CMD_FAILED, "config", "standard output cannot be written");
        }
        return code;
}

static int printed(int r)
{
        return r < 0 ? cmd_say(CMD_FAILED, "config", "standard output cannot be written")
                     : CMD_DONE;
}

static int show(int argc, char **argv)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        const char *path = NULL;
        int r;

        for (int i = 0; i < argc; i++) {
                if (strncmp(argv[i], "-c", 2) != 0)
                        return cmd_usage("config");
                if (argv[i][2])
                        path = argv[i] + 2;
                else if (i + 1 < argc)
                        path = argv[++i];
                else
                        return cmd_usage("config");
        }
        r = cmd_load("config", path, &conf);
        return r == CMD_DONE ? printed(weir_conf_show(stdout, conf)) : r;
}

int cmd_config(int argc, char **argv)
{
        const char *verb = argc > 1 ? argv[1] : "";

        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
                        fputs(help, stdout);
                        return CMD_DONE;
                }
        }
        if (!strcmp(verb, "reference") && argc == 2)
                return printed(weir_conf_print_reference(stdout));
        if (!strcmp(verb, "markdown") && argc == 2)
                return printed(weir_conf_print_markdown(stdout));
        if (!strcmp(verb, "explain") && argc > 2)
                return explain(argc - 2, argv + 2);
        if (!strcmp(verb, "show"))
                return show(argc - 2, argv + 2);
        return cmd_usage("config");
}
