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
        "  -c, --config FILE   show: configuration (else $WEIR_CONFIG, else ./weir.cfg)\n"
        "  -h, --help          this text\n"
        "\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage or no such key, 78 bad configuration.\n"
        "\n"
        "examples:\n"
        "  weir config reference > weir.cfg\n"
        "  weir config explain workers.batch.linger\n";

/* A name with a dot that is no key of ours may be one of librdkafka's. */
static bool explain_property(const char *name)
{
        const char *refused = weir_conf_property_refused(name);

        if (!refused)
                return false;
        printf("%s\n    a property of librdkafka; refused in kafka.properties: %s\n", name,
               refused);
        return true;
}

static int explain(int count, char **keys)
{
        int code = CMD_DONE;

        if (count == 0) {
                cmd_say(CMD_USAGE, "config", "explain what? name a key, such as kafka.brokers");
                return cmd_usage("config");
        }
        for (int i = 0; i < count; i++) {
                int r;

                if (i > 0)
                        fputc('\n', stdout);
                if (explain_property(keys[i]))
                        continue;
                r = weir_conf_explain(stdout, keys[i]);
                if (r == WEIR_EUSAGE)
                        code = CMD_USAGE;
                else if (r < 0)
                        return cmd_flush("config");
        }
        return code;
}

static int printed(int r)
{
        return r < 0 ? cmd_flush("config") : CMD_DONE;
}

static int show(const char *path)
{
        WEIR_CLEANUP(weir_conf_freep) struct weir_conf *conf = NULL;
        int r = cmd_load("config", path, &conf);

        return r == CMD_DONE ? printed(weir_conf_show(stdout, conf)) : r;
}

static int unknown(const char *verb)
{
        static const char *const verbs[] = { "reference", "explain", "markdown", "show" };

        return cmd_no_verb("config", verb, verbs, WEIR_COUNT_OF(verbs),
                           "reference, explain KEY, markdown or show");
}

int cmd_config(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        const char *path = NULL, *verb;
        int c, count;

        while ((c = cmd_option(argc, argv, "c:h", options)) != -1)
                switch (c) {
                case 'c': path = optarg; break;
                case 'h': fputs(help, stdout); return CMD_DONE;
                default: return cmd_usage("config");
                }
        verb = optind < argc ? argv[optind++] : NULL;
        count = argc - optind;
        if (!verb) {
                cmd_say(CMD_USAGE, "config",
                        "say what to do: reference, explain, markdown or show");
                return cmd_usage("config");
        }
        if (!strcmp(verb, "explain"))
                return explain(count, argv + optind);
        if (count > 0) {
                cmd_say(CMD_USAGE, "config", "%s: unexpected '%s'", verb, argv[optind]);
                return cmd_usage("config");
        }
        if (!strcmp(verb, "show"))
                return show(path);
        if (!strcmp(verb, "reference"))
                return printed(weir_conf_print_reference(stdout));
        if (!strcmp(verb, "markdown"))
                return printed(weir_conf_print_markdown(stdout));
        return unknown(verb);
}
